// Package schema makes JSON Schemas (draft 2020-12) of Go types: of what encoding/json
// writes of them.
//
// The tags of a field say what its type does not: doc:"…" describes the key,
// enum:"a,b" lists the strings that it can be, minimum:"0" says that a number is not
// negative, null:"never" that a pointer is not nil, and default:"…", which is JSON, is
// what an absent key means.
package schema

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// Schema is a schema, as far as types need it.
type Schema struct {
	Draft       string             `json:"$schema,omitempty"`
	Title       string             `json:"title,omitempty"`
	Description string             `json:"description,omitempty"`
	Ref         string             `json:"$ref,omitempty"`
	Type        string             `json:"type,omitempty"`
	Format      string             `json:"format,omitempty"`
	Minimum     *int               `json:"minimum,omitempty"`
	Const       string             `json:"const,omitempty"`
	Enum        []any              `json:"enum,omitempty"`
	AnyOf       []*Schema          `json:"anyOf,omitempty"`
	OneOf       []*Schema          `json:"oneOf,omitempty"`
	Items       *Schema            `json:"items,omitempty"`
	Properties  map[string]*Schema `json:"properties,omitempty"`
	Additional  any                `json:"additionalProperties,omitempty"` // of other keys: a *Schema, or false
	Required    []string           `json:"required,omitempty"`
	Default     json.RawMessage    `json:"default,omitempty"`
	Defs        map[string]*Schema `json:"$defs,omitempty"`
}

// A Describer is a type that encodes itself and says as what.
type Describer interface{ JSONSchema() *Schema }

// An Encoder is a type that encodes itself as another one, of which it returns a value.
type Encoder interface{ JSONAs() any }

// Options say what is made of types that leave a choice.
type Options struct {
	Title, Description string

	// NullsRequired makes keys of pointers required: absent is not the same as null.
	NullsRequired bool
}

// Of is the schema of a document that is one of vs. Their types are structs.
func Of(o Options, vs ...any) *Schema {
	m := &maker{o: o, defs: map[string]*Schema{}, names: map[string]reflect.Type{}}
	out := &Schema{}
	for _, v := range vs {
		out.OneOf = append(out.OneOf, m.object(reflect.TypeOf(v)))
	}
	if len(vs) == 1 {
		out = out.OneOf[0]
	}
	out.Draft, out.Title, out.Description = "https://json-schema.org/draft/2020-12/schema", o.Title, o.Description
	out.Defs = m.defs
	return out
}

// Text is the schema as a file has it.
func (s *Schema) Text() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		return nil, fmt.Errorf("cannot encode the schema: %w", err)
	}
	return b.Bytes(), nil
}

// maker collects the definitions of named types.
type maker struct {
	o     Options
	defs  map[string]*Schema
	names map[string]reflect.Type
}

// of is the schema of a value of type t.
func (m *maker) of(t reflect.Type) *Schema {
	if t.Kind() != reflect.Pointer {
		switch v := reflect.New(t).Interface().(type) {
		case Describer:
			return m.named(t, v.JSONSchema)
		case Encoder:
			return m.named(t, func() *Schema { return m.object(reflect.TypeOf(v.JSONAs())) })
		}
	}
	switch {
	case t == reflect.TypeFor[time.Time]():
		return &Schema{Type: "string", Format: "date-time"}
	case t.Kind() != reflect.Pointer && t.Implements(reflect.TypeFor[encoding.TextMarshaler]()), t == reflect.TypeFor[[]byte]():
		return &Schema{Type: "string"}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return &Schema{AnyOf: []*Schema{m.of(t.Elem()), {Type: "null"}}}
	case reflect.Struct:
		return m.named(t, func() *Schema { return m.object(t) })
	case reflect.Slice:
		return &Schema{Type: "array", Items: m.of(t.Elem())}
	case reflect.Map:
		return &Schema{Type: "object", Additional: m.of(t.Elem())}
	case reflect.String:
		return &Schema{Type: "string"}
	case reflect.Bool:
		return &Schema{Type: "boolean"}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return &Schema{Type: "integer", Minimum: new(int)}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return &Schema{Type: "integer"}
	}
	panic(fmt.Sprintf("internal error: no schema of %s", t))
}

// named is a reference to the definition of t, which is made once.
func (m *maker) named(t reflect.Type, fn func() *Schema) *Schema {
	name := strings.TrimSuffix(t.Name(), "JSON")
	if known, ok := m.names[name]; ok && known != t {
		name = path.Base(t.PkgPath()) + "." + name // where two packages use one name
	}
	if _, ok := m.names[name]; !ok {
		m.names[name] = t // first, which ends the recursion of a type that holds itself
		m.defs[name] = fn()
	}
	return &Schema{Ref: "#/$defs/" + name}
}

// object is the schema of a struct.
func (m *maker) object(t reflect.Type) *Schema {
	out := &Schema{Type: "object", Properties: map[string]*Schema{}}
	for f := range t.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "-", !f.IsExported() && !f.Anonymous:
			continue
		case f.Anonymous && name == "":
			t := f.Type
			if t.Kind() == reflect.Pointer {
				t = t.Elem()
			}
			inner := m.object(t)
			maps.Copy(out.Properties, inner.Properties)
			out.Required = append(out.Required, inner.Required...)
			continue
		}
		s, defaulted := m.field(f)
		out.Properties[name] = s
		nullable := f.Type.Kind() == reflect.Pointer && !m.o.NullsRequired
		if !nullable && !defaulted && !strings.Contains(options, "omit") {
			out.Required = append(out.Required, name)
		}
	}
	return out
}

// restrict lets s be one of the values: those that can be null, and those of a list, too.
func (s *Schema) restrict(values []string) {
	switch {
	case len(s.AnyOf) > 0:
		s.AnyOf[0].restrict(values)
	case s.Items != nil:
		s.Items.restrict(values)
	case len(values) == 1:
		s.Const = values[0]
	default:
		for _, v := range values {
			var value any = v
			if n, err := strconv.Atoi(v); err == nil && s.Type == "integer" {
				value = n
			}
			s.Enum = append(s.Enum, value)
		}
	}
}

// field is the schema of a field's value, and says whether it has a default.
func (m *maker) field(f reflect.StructField) (s *Schema, defaulted bool) {
	s = m.of(f.Type)
	if values, ok := f.Tag.Lookup("enum"); ok {
		s.restrict(strings.Split(values, ","))
	}
	if f.Tag.Get("minimum") == "0" {
		s.Minimum = new(int)
	}
	if f.Tag.Get("null") == "never" && len(s.AnyOf) > 0 {
		s = s.AnyOf[0]
	}
	s.Description = f.Tag.Get("doc")
	def, defaulted := f.Tag.Lookup("default")
	if defaulted {
		s.Default = json.RawMessage(def)
	}
	return s, defaulted
}

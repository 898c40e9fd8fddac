// Package schematest compares JSON Schemas by what they say, whoever wrote them.
package schematest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Plain says for each place of the documents that a schema describes what is there: its
// type, its values, whether it is required and whether it can be null. Descriptions,
// names of definitions, defaults and the ways of writing the same are left out.
func Plain(doc any) map[string]string {
	p := &plain{root: doc, out: map[string]string{}}
	p.add("", doc, false)
	return p.out
}

type plain struct {
	root any
	out  map[string]string
}

func (p *plain) add(path string, v any, required bool) {
	s := p.resolve(v)
	nullable := false
	for _, key := range []string{"anyOf", "type"} {
		list, ok := s[key].([]any)
		if !ok {
			continue
		}
		for _, one := range list {
			if m, ok := one.(map[string]any); one == "null" || ok && m["type"] == "null" {
				nullable = true
			} else if key == "type" {
				s = maps.Clone(s)
				s["type"] = one
			} else {
				s = p.resolve(one)
			}
		}
	}
	text := fmt.Sprint(s["type"])
	if values := p.values(s); len(values) > 0 {
		text = strings.Join(values, "|")
	}
	for _, note := range []struct {
		holds bool
		text  string
	}{
		{s["format"] == "date-time", " date-time"},
		{s["minimum"] != nil, fmt.Sprintf(" from %v", s["minimum"])},
		{s["additionalProperties"] == false, " closed"},
		{required, " required"},
		{nullable, " or null"},
	} {
		if note.holds {
			text += note.text
		}
	}
	p.out[path] = text
	p.below(path, s)
}

// below adds what a value of s holds, and alternatives that hold something.
func (p *plain) below(path string, s map[string]any) {
	required, _ := s["required"].([]any)
	if properties, ok := s["properties"].(map[string]any); ok {
		for key, v := range properties {
			p.add(path+"."+key, v, slices.Contains(required, any(key)))
		}
	}
	if items, ok := s["items"]; ok {
		p.add(path+"[]", items, false)
	}
	if other, ok := s["additionalProperties"].(map[string]any); ok {
		p.add(path+"{}", other, false)
	}
	n := 0
	if list, ok := s["oneOf"].([]any); ok {
		for _, one := range list {
			if alternative := p.resolve(one); len(p.values(alternative)) == 0 {
				p.add(fmt.Sprintf("%s(%d)", path, n), alternative, false)
				n++
			}
		}
	}
}

// values are the strings that s names as the ones that can be.
func (p *plain) values(s map[string]any) []string {
	var out []string
	if c, ok := s["const"]; ok {
		out = append(out, fmt.Sprint(c))
	}
	list, _ := s["enum"].([]any)
	for _, v := range list {
		out = append(out, fmt.Sprint(v))
	}
	list, _ = s["oneOf"].([]any)
	for _, one := range list {
		out = append(out, p.values(p.resolve(one))...)
	}
	slices.Sort(out)
	return out
}

// resolve is the schema that v is or refers to.
func (p *plain) resolve(v any) map[string]any {
	s, ok := v.(map[string]any)
	if !ok {
		return map[string]any{"type": v}
	}
	ref, ok := s["$ref"].(string)
	if !ok {
		return s
	}
	at := p.root
	for name := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
		m, ok := at.(map[string]any)
		if !ok {
			panic("the schema refers to " + ref)
		}
		at = m[name]
	}
	return p.resolve(at)
}

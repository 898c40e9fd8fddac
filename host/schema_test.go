package host

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"sigs.k8s.io/yaml"

	"github.com/bootc-go/bootc/internal/schema/schematest"
)

func upstreams(t *testing.T) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	s, err := c.Compile("testdata/host-v1.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// ours is our schema, compiled.
func ours(t *testing.T) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("ours.json", ourDocument(t)); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("ours.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func ourDocument(t *testing.T) any {
	t.Helper()
	text, err := Schema().Text()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func validate(s *jsonschema.Schema, text []byte) error {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return err
	}
	return s.Validate(doc)
}

// Documents are what upstream's schema says, in JSON and in YAML.
func TestSchema(t *testing.T) {
	t.Parallel()
	uki := New()
	uki.Status.Booted = entry("1", "a", func(e *BootEntry) {
		e.Composefs.BootType, e.Composefs.BootDigest, e.Composefs.MissingVerityAllowed = UKI, nil, true
		e.Image.Timestamp, e.Image.Version = nil, nil
		e.Image.Image.Signature = &Signature{Kind: Insecure}
	})
	damaged := New()
	damaged.Status.Booted = &BootEntry{Incompatible: true}
	for name, h := range map[string]*Host{"nothing": New(), "full": full(), "uki": uki, "damaged": damaged} {
		text, err := h.JSON()
		if err != nil {
			t.Fatal(err)
		}
		if err := validate(upstreams(t), text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		text, err = h.YAML()
		if err == nil {
			text, err = yaml.YAMLToJSON(text)
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := validate(upstreams(t), text); err != nil {
			t.Errorf("%s in YAML: %v", name, err)
		}
		if err := validate(ours(t), text); err != nil {
			t.Errorf("%s against our schema: %v", name, err)
		}
	}
}

// added are the keys that upstream's document does not have. Its readers pass over them.
var added = []string{".status.failedUpdates", ".status.booted.trial", ".status.missedUpdate", ".status.staged.factoryReset", ".status.rollback.composefs.ukiAddons"}

// Every other key of ours is one of the schema's: a validator ignores those it does not
// know.
func TestSchemaKnowsOurKeys(t *testing.T) {
	t.Parallel()
	text, err := full().JSON()
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	checkKeys(t, upstreams(t), "", doc)
}

func checkKeys(t *testing.T, s *jsonschema.Schema, path string, v any) {
	t.Helper()
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			sub := property(s, key)
			if sub == nil && slices.Contains(added, path+"."+key) {
				continue
			}
			if sub == nil {
				t.Errorf("%s.%s is not in the schema", path, key)
				continue
			}
			checkKeys(t, sub, path+"."+key, value)
		}
	case []any:
		for _, value := range v {
			checkKeys(t, s.Items2020, path+"[]", value)
		}
	}
}

// property is the schema of a key, wherever the alternatives have it.
func property(s *jsonschema.Schema, key string) *jsonschema.Schema {
	if s.Ref != nil {
		return property(s.Ref, key)
	}
	if p := s.Properties[key]; p != nil {
		return p
	}
	for _, list := range [][]*jsonschema.Schema{s.AnyOf, s.OneOf, s.AllOf} {
		for _, alternative := range list {
			if p := property(alternative, key); p != nil {
				return p
			}
		}
	}
	return nil
}

// The validator is no rubber stamp.
func TestSchemaRefuses(t *testing.T) {
	t.Parallel()
	text, err := full().JSON()
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range [][2]string{
		{`"bootOrder":"rollback"`, `"bootOrder":"sideways"`},
		{`"pinned":true`, `"pinned":"yes"`},
		{`"bootType":"Bls"`, `"bootType":"bls"`},
		{`"architecture":"amd64",`, ""},
		{`"accessMode":"readWrite"`, `"accessMode":"rw"`},
	} {
		if !strings.Contains(string(text), change[0]) {
			t.Errorf("%s is not in %s", change[0], text)
		}
		if validate(upstreams(t), []byte(strings.ReplaceAll(string(text), change[0], change[1]))) == nil {
			t.Errorf("valid with %s", change[1])
		}
	}
}

// Our schema says what upstream's says, but for the keys that we add, and for null as
// metadata, which nobody writes: what ours accepts theirs accepts.
func TestSchemaIsUpstreams(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/host-v1.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	doc := schematest.Plain(ourDocument(t))
	for path := range doc {
		for _, key := range added {
			if name := key[strings.LastIndex(key, "."):]; strings.Contains(path, name) {
				delete(doc, path)
			}
		}
	}
	want := schematest.Plain(theirs)
	for path, s := range want {
		if strings.HasPrefix(path, ".metadata.") {
			want[path] = strings.TrimSuffix(s, " or null")
		}
	}
	if diff := cmp.Diff(want, doc); diff != "" {
		t.Error(diff)
	}
}

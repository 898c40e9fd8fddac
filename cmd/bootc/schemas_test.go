package main

import (
	"bytes"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/bootc-go/bootc/internal/schema/schematest"
)

// The schema of progress says what upstream's says.
func TestProgressSchemaIsUpstreams(t *testing.T) {
	t.Parallel()
	text, err := progressSchema().Text()
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := os.ReadFile("testdata/progress-v0.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var docs [2]any
	for i, text := range [][]byte{theirs, text} {
		if docs[i], err = jsonschema.UnmarshalJSON(bytes.NewReader(text)); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(schematest.Plain(docs[0]), schematest.Plain(docs[1])); diff != "" {
		t.Error(diff)
	}
}

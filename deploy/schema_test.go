package deploy

import (
	"bytes"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/bootc-go/bootc/host"
)

var statusSchema = sync.OnceValues(func() (*jsonschema.Schema, error) {
	return jsonschema.NewCompiler().Compile("../host/testdata/host-v1.schema.json")
})

// checkSchema validates a document against upstream's schema. So does every test that
// looks at a status.
func (m *machine) checkSchema(h *host.Host) {
	m.t.Helper()
	s, err := statusSchema()
	m.must(err)
	text, err := h.JSON()
	m.must(err)
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	m.must(err)
	if err := s.Validate(doc); err != nil {
		m.t.Errorf("the document is against the schema: %v", err)
	}
}

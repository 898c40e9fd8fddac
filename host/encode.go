package host

import (
	"encoding/json"
	"fmt"

	"github.com/cyberphone/json-canonicalization/go/src/webpki.org/jsoncanonicalizer"
	"sigs.k8s.io/yaml"

	"github.com/bootc-go/bootc/internal/schema"
)

// v1alpha1 is the version that a document had before it was called v1. It is the
// same document.
const v1alpha1 = "org.containers.bootc/v1alpha1"

// JSON is the document as canonical JSON (RFC 8785), without a line feed.
func (h *Host) JSON() ([]byte, error) {
	data, err := json.Marshal(h)
	if err == nil {
		data, err = jsoncanonicalizer.Transform(data)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot encode the status: %w", err)
	}
	return data, nil
}

// Schema is the JSON Schema of the document. What it accepts upstream's accepts, too.
func Schema() *schema.Schema {
	return schema.Of(schema.Options{Title: "Host", Description: "What a host runs and will run, as 'bootc status --json' prints it."}, Host{})
}

// YAML is the document as YAML.
func (h *Host) YAML() ([]byte, error) {
	data, err := yaml.Marshal(h)
	if err != nil {
		return nil, fmt.Errorf("cannot encode the status: %w", err)
	}
	return data, nil
}

// Decode reads a document of version v1, as JSON or YAML, of this bootc or another.
// Keys that it does not know are dropped: the version promises that they can be.
func Decode(data []byte) (*Host, error) {
	h := &Host{Spec: Spec{BootOrder: BootDefault}}
	err := yaml.Unmarshal(data, h)
	switch {
	case err != nil:
	case h.APIVersion != APIVersion && h.APIVersion != v1alpha1:
		err = fmt.Errorf("apiVersion is %q, want %q", h.APIVersion, APIVersion)
	case h.Kind != Kind:
		err = fmt.Errorf("kind is %q, want %q", h.Kind, Kind)
	case h.Spec.BootOrder != BootDefault && h.Spec.BootOrder != BootRollback:
		err = fmt.Errorf("spec.bootOrder is %q", h.Spec.BootOrder)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the status document: %w", err)
	}
	return h, nil
}

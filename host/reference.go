package host

import (
	"encoding/json"
	"fmt"

	"github.com/bootc-go/bootc/internal/schema"
)

// ImageReference says where an image comes from.
type ImageReference struct {
	Image     string     `json:"image"`
	Transport string     `json:"transport" doc:"registry, oci etc."`
	Signature *Signature `json:"signature,omitempty" doc:"how the image's signature is verified"`
}

// String is the reference for humans: without the transport if that is the usual one.
func (r ImageReference) String() string {
	if r.Transport == "registry" {
		return r.Image
	}
	return r.Transport + ":" + r.Image
}

// Signature says how an image's signature is verified.
type Signature struct {
	Kind   SignatureKind
	Remote string // the ostree remote, of kind OstreeRemote
}

// SignatureKind is a way of verifying.
type SignatureKind string

// The kinds.
const (
	OstreeRemote    SignatureKind = "ostreeRemote"    // by ostree; we only read it
	ContainerPolicy SignatureKind = "containerPolicy" // by a containers-policy.json(5) that does not accept anything
	Insecure        SignatureKind = "insecure"        // by whatever policy there is
)

// remoteSignature is the one form of a signature that is an object.
type remoteSignature struct {
	OstreeRemote *string `json:"ostreeRemote"`
}

// MarshalJSON writes a string, or {"ostreeRemote": "<name>"}.
func (s Signature) MarshalJSON() ([]byte, error) {
	if s.Kind == OstreeRemote {
		return json.Marshal(remoteSignature{&s.Remote})
	}
	return json.Marshal(s.Kind)
}

// JSONSchema says what MarshalJSON writes.
func (Signature) JSONSchema() *schema.Schema {
	return &schema.Schema{OneOf: []*schema.Schema{
		{
			Type: "object", Properties: map[string]*schema.Schema{"ostreeRemote": {Type: "string"}},
			Required: []string{"ostreeRemote"}, Additional: false,
		},
		{Type: "string", Enum: []any{ContainerPolicy, Insecure}},
	}}
}

// UnmarshalJSON reads what MarshalJSON writes.
func (s *Signature) UnmarshalJSON(data []byte) error {
	var kind SignatureKind
	if json.Unmarshal(data, &kind) == nil {
		if kind != ContainerPolicy && kind != Insecure {
			return fmt.Errorf("unknown signature %q", kind)
		}
		*s = Signature{Kind: kind}
		return nil
	}
	var r remoteSignature
	if err := json.Unmarshal(data, &r); err != nil {
		return err
	}
	if r.OstreeRemote == nil {
		return fmt.Errorf("unknown signature %.100s", data)
	}
	*s = Signature{Kind: OstreeRemote, Remote: *r.OstreeRemote}
	return nil
}

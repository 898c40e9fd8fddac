package host

// ImageReference says where an image comes from.
type ImageReference struct {
	Image     string     `json:"image"`
	Transport string     `json:"transport"` // "registry", "oci" etc.
	Signature *Signature `json:"signature,omitempty"`
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
	OstreeRemote    SignatureKind = "ostreeRemote"
	ContainerPolicy SignatureKind = "containerPolicy" // by containers-policy.json
	Insecure        SignatureKind = "insecure"
)

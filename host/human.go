package host

import "io"

// HumanOptions say how much WriteHuman tells.
type HumanOptions struct {
	Verbose bool
}

// WriteHuman writes the document for humans.
func (h *Host) WriteHuman(w io.Writer, opts HumanOptions) error { return nil }

// JSON is the document as canonical JSON.
func (h *Host) JSON() ([]byte, error) { return nil, nil }

// YAML is the document as YAML.
func (h *Host) YAML() ([]byte, error) { return nil, nil }

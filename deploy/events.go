package deploy

import (
	"fmt"

	"github.com/bootc-go/bootc/composefs/verity"
)

// Event is something that was done, for a log. What is not known is empty.
type Event struct {
	ID         string // which kind of event it is, 128 bits in hexadecimal
	Text       string
	Deployment verity.Digest
	Image      string // the reference
	Digest     string // of the manifest
}

// The kinds of events; that of a rollback is upstream's. docs/reference/journal.md
// explains them.
const (
	EventStage    = "50e1b910133544a9b8a809a115877e7b"
	EventSwitch   = "701b32f585ff4cc38431c3c17ae77daa"
	EventFinalize = "1f404f89ce6c4a4d9d353571dcabaf3e"
	EventRollback = "26f3b1eb24464d12aa5e7b544a6b5468"
	EventDelete   = "3a248f4beaa44b45b7042169f60dea6b"
	EventReset    = "8d4f2a6b1c9e47d0a35be870f16c2d94"
	EventOptions  = "9e1f9287b86244eba111007fdd5f4e62"
)

// done records what was done to a deployment, as far as its origin tells.
func (s *Sysroot) done(kind, what string, id verity.Digest) {
	if s.sys.Log == nil {
		return
	}
	o, _ := s.origin(id)
	e := Event{ID: kind, Deployment: id, Digest: o.manifest.String(), Image: o.target.name()}
	e.Text = fmt.Sprintf("%s deployment %s", what, id)
	if e.Image != "" {
		e.Text += fmt.Sprintf(" of %s (%s)", e.Image, e.Digest)
	}
	s.sys.Log(e)
}

package deploy

import (
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/bootc-go/bootc/composefs/verity"
	"github.com/bootc-go/bootc/host"
)

// Missed is an update that was staged and that the shutdown could not put in place. The
// reboot then drops it, and only this is left of it.
type Missed struct {
	ID       verity.Digest `json:"deployment"`
	Digest   digest.Digest `json:"imageDigest,omitempty"` // of the manifest; empty if it is not known
	Image    string        `json:"image,omitempty"`
	Version  string        `json:"version,omitempty"`
	Reason   string        `json:"reason"`
	Recorded time.Time     `json:"recorded"`

	Reset bool `json:"factoryReset,omitempty"` // it was a factory reset

	more unknown
}

// missed remembers why what is staged could not be applied; nil forgets it. That the
// memory cannot be written is worth a warning: what it would tell is told otherwise.
func (s *Sysroot) missed(cause error) {
	mem, err := s.memory()
	if err != nil || (cause == nil && mem.Missed == nil) {
		return // a damaged one was told of
	}
	mem.Missed = nil
	if cause != nil {
		m, err := s.menus()
		if err != nil || len(m.staged) == 0 {
			return // which is the cause
		}
		id := m.staged[0].ID
		o, _ := s.stagedOrigin(m) // what is not known stays empty
		mem.Missed = &Missed{ID: id, Digest: o.manifest, Version: o.version, Reason: strings.ReplaceAll(cause.Error(), "\n", " "), Recorded: time.Now()}
		mem.Missed.Reset = m.reset != ""
		if !o.target.Ref.IsZero() {
			mem.Missed.Image = o.target.name()
		}
	}
	if err := s.writeMemory(mem); err != nil {
		s.warn("cannot take note of the shutdown: %v", err)
	}
}

// document is the update as the status document has it; nil, if there is none.
func (m *Missed) document() *host.MissedUpdate {
	if m == nil {
		return nil
	}
	return &host.MissedUpdate{
		Image: m.Image, ImageDigest: m.Digest.String(), Version: optional(m.Version), Verity: m.ID.String(),
		Reason: m.Reason, Recorded: m.Recorded,
	}
}

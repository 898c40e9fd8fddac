package deploy

import (
	"fmt"

	"github.com/bootc-go/bootc/host"
	"github.com/bootc-go/bootc/image"
)

// Target is an image that a host is to run.
type Target struct {
	Ref       image.Reference
	Signature *host.Signature // how it is verified; nil is as good as insecure
	Switch    bool            // another one than so far; only words depend on it
}

// same says whether two targets name the same image, verified in the same way.
func (t Target) same(u Target) bool {
	return t.Ref == u.Ref && t.signature() == u.signature()
}

// signature is the way of verifying, comparable.
func (t Target) signature() host.Signature {
	if t.Signature == nil {
		return host.Signature{Kind: host.Insecure}
	}
	return *t.Signature
}

// reference is the target as the status document has it.
func (t Target) reference() host.ImageReference {
	return host.ImageReference{Image: t.Ref.Name(), Transport: t.Ref.Transport(), Signature: t.Signature}
}

// name is the target as users write it.
func (t Target) name() string {
	if t.Ref.Transport() == "registry" {
		return t.Ref.Name()
	}
	return t.Ref.String()
}

// Retarget makes t what upgrades follow, without fetching anything: it changes what is
// known of the staged deployment, or else of the one that runs.
func (s *Sysroot) Retarget(t Target) error {
	if err := s.retarget(t); err != nil {
		return fmt.Errorf("cannot follow %s: %w", t.name(), err)
	}
	return nil
}

func (s *Sysroot) retarget(t Target) error {
	m, err := s.menus()
	if err != nil {
		return err
	}
	e, err := s.bootedEntry(m)
	if err != nil {
		return err
	}
	if err := s.resetStaged(m); err != nil {
		return err
	}
	if len(m.staged) > 0 {
		e = m.staged[0]
	}
	o, err := s.origin(e.ID)
	if err != nil {
		return err
	}
	o.target = t
	defer s.announce()
	return s.writeOrigin(e.ID, o)
}

// Spec is the target that upgrades follow: that of the staged deployment, else of
// the booted one. The error is ErrNotBooted if there is neither.
func (s *Sysroot) Spec() (Target, error) {
	m, err := s.menus()
	if err != nil {
		return Target{}, fmt.Errorf("cannot find out what to upgrade: %w", err)
	}
	if len(m.staged) == 0 && s.sys.Booted.ID.IsZero() {
		return Target{}, fmt.Errorf("cannot find out what to upgrade: %w", ErrNotBooted)
	}
	o, err := s.origin(s.sys.Booted.ID)
	if len(m.staged) > 0 {
		o, err = s.stagedOrigin(m)
	}
	if o.target.Ref.IsZero() {
		return Target{}, fmt.Errorf("cannot find out what to upgrade: %w; bootc switch sets it anew", err)
	}
	return o.target, nil
}

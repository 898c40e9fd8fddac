package deploy

import (
	"context"

	"github.com/bootc-go/bootc/composefs/verity"
	"github.com/bootc-go/bootc/etcmerge/accounts"
	"github.com/bootc-go/bootc/host"
	"github.com/bootc-go/bootc/pull"
)

// StageOptions say how an update is staged.
type StageOptions struct {
	DownloadOnly bool // a reboot does not apply it, until Unlock
	Parallel     int  // layers fetched at once; 0 means pull.DefaultParallel
}

// Staged is what Stage brought about.
type Staged struct {
	// Change is what was done. It is Unchanged, too, if the image turned out to
	// have the same content as the one that runs: then only the origin of the
	// booted deployment was changed, and Same is set.
	Change Change
	Same   bool

	ID           verity.Digest // of the deployment that boots next
	Entry        *host.BootEntry
	SharedKernel bool // the kernel was there already
	Stats        pull.Stats
	Notes        []accounts.Note // about account files that will be merged
}

// Stage makes the image of an update boot next, once the host has shut down and
// Finalize has run. u may come from another Sysroot, and is of use until it is
// closed. If Stage fails, what it wrote is collected and nothing has changed; see
// docs/explanation/deployments.md for the one exception. Layers that were fetched
// whole before the network failed are kept for the next attempt.
func (s *Sysroot) Stage(ctx context.Context, u *Update, o StageOptions) (*Staged, error) {
	return nil, nil
}

// Unlock lets the next shutdown apply what was staged with DownloadOnly. The error
// is ErrNotStaged if nothing is staged.
func (s *Sysroot) Unlock(ctx context.Context) error { return nil }

// Finalize applies what is staged: it merges /etc as it is now and lets the new
// menu replace the live one. It is for the last moments of a running system. Where
// nothing is staged, or what is staged is locked, it does nothing. After an error
// the live menu is the old one.
func (s *Sysroot) Finalize(ctx context.Context) error { return nil }

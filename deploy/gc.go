package deploy

import (
	"context"

	"github.com/bootc-go/bootc/composefs/repo"
)

// GCOptions say how GC goes about it.
type GCOptions struct{ DryRun bool }

// GCResult names what GC removed, or would remove.
type GCResult struct {
	Kernels []string      // kernels of no deployment; a dry run does not look
	States  []string      // state directories, by id, and leftovers in others
	Tags    []string      // of images in the repository
	Repo    repo.GCResult // a dry run misses what only such tags keep
}

// Empty reports whether there was no garbage.
func (r GCResult) Empty() bool { return true }

// GC removes what belongs to no deployment.
func (s *Sysroot) GC(ctx context.Context, o GCOptions) (GCResult, error) { return GCResult{}, nil }

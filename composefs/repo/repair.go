package repo

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// RepairResult counts what Repair removed.
type RepairResult struct {
	Objects int // files below objects
	Links   int // names of streams and images
}

// Repair removes the damaged objects, and the names of the streams and images
// that are damaged or miss an object, so that the next pull stores them anew.
// It removes nothing else: refs may dangle, and splitstreams that others refer
// to may be incomplete, until that pull. Repair waits until nobody else has
// the repository open, and returns what Fsck found before. It fails where Fsck
// fails, before it removes anything by that check.
func (r *Repo) Repair(ctx context.Context) (*FsckReport, RepairResult, error) {
	var report *FsckReport
	var res RepairResult
	err := r.writable()
	if err == nil {
		err = r.exclusively(ctx, func() (err error) {
			report, err = r.repair(ctx, &res)
			return err
		})
	}
	if err != nil {
		err = fmt.Errorf("cannot repair repository %s: %w", r.path, err)
	}
	return report, res, err
}

// repair removes objects first: only then is known which names miss one.
func (r *Repo) repair(ctx context.Context, res *RepairResult) (*FsckReport, error) {
	first := r.newChecker(FsckOptions{})
	err := first.run(ctx)
	if err == nil {
		err = r.removeBad(first.bad, true, &res.Objects)
	}
	second := r.newChecker(FsckOptions{MetadataOnly: true})
	if err == nil {
		err = second.run(ctx)
	}
	if err == nil {
		err = r.removeBad(second.bad, false, &res.Links)
	}
	if err == nil {
		err = r.Sync()
	}
	return &first.report, err
}

// removeBad removes the objects, or the links, among fixes. A directory where
// none should be is left to the user.
func (r *Repo) removeBad(fixes []fix, objects bool, n *int) error {
	for _, f := range fixes {
		if f.object != objects {
			continue
		}
		err := unix.Unlinkat(r.fd, f.path, 0)
		if err == nil {
			*n++
			continue
		}
		if !errors.Is(err, unix.EISDIR) && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("remove %s: %w", f.path, err)
		}
	}
	return nil
}

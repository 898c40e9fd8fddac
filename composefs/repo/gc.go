package repo

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
)

// GCOptions say what GC keeps.
type GCOptions struct {
	Roots  []string // names of streams or images to keep, besides what refs refer to
	DryRun bool     // remove nothing, only count
}

// GCResult counts what GC removed, or would remove.
type GCResult struct {
	ObjectsRemoved int64
	ObjectsBytes   int64
	ImagesPruned   int64 // links and refs below images
	StreamsPruned  int64 // links and refs below streams
	TempFiles      int64 // leftovers of programs that died
}

// GC removes every object, link and leftover that no ref reaches, and refs
// that dangle. It waits until nobody else has the repository open.
//
// If a splitstream or image that is reached cannot be read, GC fails and
// removes nothing: what it refers to cannot be told. Fsck says what is wrong.
func (r *Repo) GC(ctx context.Context, o GCOptions) (GCResult, error) {
	c := &collector{r: r, dryRun: o.DryRun, barrier: sync.OnceValue(r.Sync)}
	run := func() error { return c.run(ctx, o.Roots) }
	var err error
	if o.DryRun {
		err = run()
	} else if err = r.writable(); err == nil {
		err = r.exclusively(ctx, run)
	}
	if err != nil {
		err = fmt.Errorf("cannot collect garbage in %s: %w", r.path, err)
	}
	return c.result(), err
}

// collector is one run of GC.
type collector struct {
	r      *Repo
	dryRun bool
	*marker

	barrier func() error // syncs, once in this run

	objectsRemoved, objectsBytes atomic.Int64
	pruned                       [2]int64 // by category, see pruneCount
	tempFiles                    int64
}

// run removes names before what they stand for: if it is interrupted at any
// place, what remains are objects without a name, which are no damage.
//
//  1. Mark. Nothing has changed.
//  2. Links that are not reached, then refs that dangle. Whatever is still
//     named is whole.
//  3. A sync before the first object goes, or a power cut might keep a link
//     and lose its object. It need not be a link that this run removed: an
//     earlier one may have died right after that.
//  4. Objects that are not reached.
//  5. Leftovers, which nobody looks at.
func (c *collector) run(ctx context.Context, roots []string) (err error) {
	if c.marker, err = c.r.mark(ctx, roots); err != nil {
		return err
	}
	for _, cat := range []category{images, streams} {
		if err := c.sweepNames(cat); err != nil {
			return err
		}
	}
	if err := c.sweepObjects(ctx); err != nil {
		return err
	}
	return c.sweepTemps()
}

func (c *collector) result() GCResult {
	return GCResult{
		ObjectsRemoved: c.objectsRemoved.Load(),
		ObjectsBytes:   c.objectsBytes.Load(),
		ImagesPruned:   *c.pruneCount(images),
		StreamsPruned:  *c.pruneCount(streams),
		TempFiles:      c.tempFiles,
	}
}

func (c *collector) pruneCount(cat category) *int64 {
	if cat == images {
		return &c.pruned[0]
	}
	return &c.pruned[1]
}

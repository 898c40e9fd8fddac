package repo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/bootc-go/bootc/composefs/verity"
	"github.com/bootc-go/bootc/internal/progress"
)

// VerityOptions say how EnableVerity works.
type VerityOptions struct {
	Workers  int // objects at once; 0 means one per CPU
	Progress progress.Func
}

// VerityStats counts what EnableVerity met.
type VerityStats struct {
	Objects int64 // that there are
	Enabled int64 // that had no fs-verity before
}

// EnableVerity gives every object fs-verity and then makes the repository require it,
// for good. In a repository that requires it already there is nothing to do.
//
// It may be interrupted at any time, and goes on where it was when it is called
// again. An object whose content is not what its name says is ErrDamaged; all of them
// are named, and the repository stays as it is. So it does where the kernel or the file
// system lacks fs-verity: verity.ErrNotSupported.
//
// Others may use the repository meanwhile. Only for the end EnableVerity waits until
// nobody else has it open, because who opened it before would store objects without
// fs-verity; this Repo itself must not be used for anything else until then.
func (r *Repo) EnableVerity(ctx context.Context, o VerityOptions) (VerityStats, error) {
	if !r.insecure {
		return VerityStats{}, nil
	}
	if o.Workers < 1 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	stats, err := r.enableVerity(ctx, o)
	if err != nil {
		return stats, fmt.Errorf("cannot enable fs-verity in repository %s: %w", r.path, err)
	}
	return stats, nil
}

func (r *Repo) enableVerity(ctx context.Context, o VerityOptions) (VerityStats, error) {
	if err := r.writable(); err != nil {
		return VerityStats{}, err
	}
	// The bulk, beside others. What they hold open for writing comes later.
	first := &enabler{r: r, o: o, later: true}
	if err := first.all(ctx); err != nil {
		return first.stats(), err
	}
	last := &enabler{r: r, o: VerityOptions{Workers: o.Workers}}
	err := r.exclusively(ctx, func() error {
		if err := last.all(ctx); err != nil {
			return err
		}
		return r.requireVerity()
	})
	stats := last.stats()
	stats.Enabled += first.enabled.Load()
	return stats, err
}

// requireVerity gives meta.json fs-verity, which says that all objects have it. They
// are durable before it is.
func (r *Repo) requireVerity() error {
	if err := r.Sync(); err != nil {
		return err
	}
	f, err := r.openFile(metaName)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := r.kernel.enable(f, r.alg); err != nil {
		return err
	}
	data, err := io.ReadAll(io.LimitReader(f, metaMaxSize))
	if err != nil {
		return err
	}
	got, err := r.kernel.measure(f)
	if err == nil && got != verity.Sum(r.alg, data) {
		err = badMetadata(fmt.Errorf("the kernel measured %s", got))
	}
	if err != nil {
		return err
	}
	r.insecure = false
	return r.Sync()
}

// enabler goes through all objects once.
type enabler struct {
	r     *Repo
	o     VerityOptions
	later bool // an object that is open for writing may wait

	objects, enabled atomic.Int64

	mu      sync.Mutex
	damaged []error
}

func (e *enabler) stats() VerityStats {
	return VerityStats{Objects: e.objects.Load(), Enabled: e.enabled.Load()}
}

func (e *enabler) all(ctx context.Context) error {
	digests, err := e.r.allObjects()
	if err != nil {
		return err
	}
	event := progress.Event{Kind: progress.Started, Task: "verity", Text: "fs-verity", Unit: progress.Items, Total: int64(len(digests))}
	e.o.Progress.Report(event)
	g, stop := errgroup.WithContext(ctx)
	g.SetLimit(e.o.Workers)
	for _, d := range digests {
		g.Go(func() error {
			if err := stop.Err(); err != nil {
				return err
			}
			if err := e.object(d); err != nil {
				return fmt.Errorf("object %s: %w", d, err)
			}
			advanced := event
			advanced.Kind, advanced.Done = progress.Advanced, e.objects.Add(1)
			e.o.Progress.Report(advanced)
			return nil
		})
	}
	if err = g.Wait(); err == nil {
		err = errors.Join(e.damaged...)
	}
	if err == nil {
		event.Kind, event.Done = progress.Done, event.Total
		e.o.Progress.Report(event)
	}
	return err
}

// object gives one object fs-verity. Damage is noted and no error.
func (e *enabler) object(d verity.Digest) error {
	err := e.enable(d)
	switch {
	case errors.Is(err, verity.ErrBusy) && e.later:
		return nil
	case err != nil && lasting(err):
		e.mu.Lock()
		defer e.mu.Unlock()
		e.damaged = append(e.damaged, fmt.Errorf("object %s: %w", d, err))
		return nil
	}
	return err
}

func (e *enabler) enable(d verity.Digest) error {
	f, err := e.r.openFile(objectPath(d))
	if err != nil {
		return err
	}
	defer f.Close()
	got, err := e.r.kernel.measure(f)
	if errors.Is(err, verity.ErrNotEnabled) {
		if err := e.r.kernel.enable(f, e.r.alg); err != nil {
			return err
		}
		e.enabled.Add(1)
		got, err = e.r.kernel.measure(f)
	}
	if err == nil && got != d {
		err = fmt.Errorf("%w: the digest of its content is %s", ErrDamaged, got)
	}
	return err
}

// allObjects lists what is named like an object, in order.
func (r *Repo) allObjects() ([]verity.Digest, error) {
	dirs, err := r.list(objectsName)
	if err != nil {
		return nil, err
	}
	var all []verity.Digest
	for _, dir := range dirs {
		if !dir.IsDir() || strings.HasPrefix(dir.Name(), tempObject) {
			continue
		}
		digests, err := r.listObjectDir(dir.Name())
		if err != nil {
			return nil, err
		}
		all = append(all, digests...)
	}
	return all, nil
}

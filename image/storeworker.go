package image

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	libimage "go.podman.io/image/v5/image"
	"go.podman.io/image/v5/pkg/blobinfocache/none"
	storagetransport "go.podman.io/image/v5/storage"
	"go.podman.io/image/v5/types"
	"go.podman.io/storage"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/internal/progress"
)

const (
	// storeWorkerName is the name under which the program is started for work on a store.
	storeWorkerName = "bootc-image-store"

	storeMountFD = 3 // the first of ExtraFiles
)

// storeWorker works on a store, in a process of its own.
type storeWorker struct {
	storeRequest
	opts  Options
	out   *json.Encoder
	mu    sync.Mutex // of out
	store storage.Store
}

// runStoreWorker is the whole life of the process.
func runStoreWorker(stdin io.Reader, stdout io.Writer) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	w := &storeWorker{out: json.NewEncoder(stdout)}
	in := json.NewDecoder(stdin)
	err := in.Decode(&w.storeRequest)
	reply := storeReply{Result: true}
	if err == nil {
		go func() { // ends with the process
			_, _ = io.Copy(io.Discard, io.MultiReader(in.Buffered(), stdin))
			cancel()
		}()
		err = w.run(ctx, &reply)
	}
	if err != nil {
		reply.Error = err.Error()
		for kind, target := range storeErrors {
			if errors.Is(err, target) {
				reply.Kind = kind
			}
		}
	}
	w.write(reply)
}

func (w *storeWorker) write(r storeReply) {
	w.mu.Lock()
	defer w.mu.Unlock()
	_ = w.out.Encode(r) // if nobody reads it, nobody needs it
}

func (w *storeWorker) run(ctx context.Context, reply *storeReply) (err error) {
	w.opts = w.Options.options(func(e progress.Event) { w.write(storeReply{Event: &e}) }).withDefaults()
	if len(w.Check) > 0 {
		return w.check()
	}
	if err := w.mount(); err != nil {
		return err
	}
	if len(w.Need) > 0 {
		reply.Need, err = w.lookForNeed(ctx)
		return err
	}
	if err := os.MkdirAll(w.Dir, 0o755); err != nil {
		return err
	}
	w.store, err = storage.GetStore(storage.StoreOptions{GraphRoot: w.Dir, RunRoot: w.Run, GraphDriverName: "overlay"})
	if err != nil {
		return fmt.Errorf("open the images' store: %w", err)
	}
	switch {
	case w.Prune:
		reply.Removed, err = w.prune()
	default:
		err = w.pull(ctx)
	}
	if _, serr := w.store.Shutdown(true); err == nil {
		err = serr
	}
	if err == nil {
		err = w.sync()
	}
	return err
}

// mount attaches the file system, which no other process sees there.
func (w *storeWorker) mount() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := unix.MoveMount(storeMountFD, "", unix.AT_FDCWD, w.Place, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return fmt.Errorf("attach the store's file system: %w", err)
	}
	if len(w.Need) == 0 {
		return nil
	}
	if err := unix.MountSetattr(unix.AT_FDCWD, w.Place, 0, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}); err != nil {
		return fmt.Errorf("make the store's file system read-only: %w", err)
	}
	return nil
}

// sync makes the store durable.
func (w *storeWorker) sync() error {
	dir, err := os.Open(w.Dir)
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := unix.Syncfs(int(dir.Fd())); err != nil {
		return fmt.Errorf("sync the images' store: %w", err)
	}
	return nil
}

// local opens the containers-storage of the system that runs.
func (w *storeWorker) local() (storage.Store, error) {
	o, err := storage.DefaultStoreOptions()
	if err != nil {
		return nil, fmt.Errorf("open containers-storage of this system: %w", err)
	}
	s, err := storage.GetStore(o)
	if err != nil {
		return nil, fmt.Errorf("open containers-storage of this system: %w", err)
	}
	return s, nil
}

// check looks for the images in the storage of the system that runs.
func (w *storeWorker) check() error {
	local, err := w.local()
	if err != nil {
		return err
	}
	var missing []error
	for _, name := range w.Check {
		if _, err := inStore(local, name); err != nil {
			missing = append(missing, err)
		}
	}
	return errors.Join(missing...)
}

// inStore finds an image.
func inStore(s storage.Store, name string) (*storage.Image, error) {
	ref, err := storeReference(s, name)
	if err != nil {
		return nil, err
	}
	_, im, err := storagetransport.ResolveReference(ref)
	if errors.Is(err, storagetransport.ErrNoSuchImage) {
		return nil, fmt.Errorf("bound image %s is %w", name, ErrNotStored)
	}
	return im, err
}

func storeReference(s storage.Store, name string) (types.ImageReference, error) {
	named, err := parseNamed(name)
	if err != nil {
		return nil, err
	}
	return storagetransport.Transport.NewStoreReference(s, named, "")
}

// pull gets the images one after the other: the layers of one come in parallel.
func (w *storeWorker) pull(ctx context.Context) error {
	for _, name := range slices.Compact(slices.Sorted(slices.Values(w.Pull))) {
		if err := w.pullOne(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

func (w *storeWorker) pullOne(ctx context.Context, name string) error {
	ev := progress.Event{Task: "bound:" + name, Text: "bound image " + name}
	_, err := inStore(w.store, name)
	if err == nil {
		ev.Kind, ev.Unit, ev.Total = progress.Reused, progress.Items, 1
		w.opts.Progress.Report(ev)
		return nil
	}
	if !errors.Is(err, ErrNotStored) {
		return err
	}
	ev.Kind = progress.Started
	w.opts.Progress.Report(ev)
	if w.Local {
		err = w.take(name)
	} else {
		ev.Total, err = w.fetch(ctx, name, ev)
	}
	if err != nil {
		return fmt.Errorf("bound image %s: %w", name, err)
	}
	ev.Kind, ev.Done = progress.Done, ev.Total
	w.opts.Progress.Report(ev)
	return nil
}

// fetch gets an image from its registry, and returns the size of the layers that came.
func (w *storeWorker) fetch(ctx context.Context, name string, ev progress.Event) (int64, error) {
	ref, err := New(registryTransport, name)
	if err != nil {
		return 0, err
	}
	o := w.opts
	o.Progress = messages(o.Progress)
	im, err := Open(ctx, ref, o)
	if err != nil {
		return 0, err
	}
	defer im.Close() //nolint:errcheck // only read from
	to, err := storeReference(w.store, name)
	if err != nil {
		return 0, err
	}
	dst, err := to.NewImageDestination(ctx, &types.SystemContext{})
	if err != nil {
		return 0, err
	}
	f := &fetching{im: im, dst: dst, report: w.opts.Progress, event: ev}
	err = f.run(ctx)
	if cerr := dst.Close(); err == nil {
		err = cerr
	}
	return f.done.Load(), err
}

// messages passes on what is no task: those of layers would be taken for the image's.
func messages(report progress.Func) progress.Func {
	return func(e progress.Event) {
		if e.Kind == progress.Message {
			report.Report(e)
		}
	}
}

// fetching is an image on its way into the store.
type fetching struct {
	im     *Image
	dst    types.ImageDestination
	report progress.Func
	event  progress.Event
	done   atomic.Int64 // bytes of layers
}

// layersAtOnce are as many as podman fetches in parallel on a small machine.
const layersAtOnce = 3

func (f *fetching) run(ctx context.Context) error {
	if err := f.noteConfig(); err != nil {
		return err
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(layersAtOnce)
	for i := range f.im.Layers {
		g.Go(func() error { return f.layer(gctx, i) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	info := types.BlobInfo{Digest: f.im.ConfigDigest, Size: int64(len(f.im.Config))}
	if _, err := f.dst.PutBlob(ctx, bytes.NewReader(f.im.Config), info, none.NoCache, true); err != nil {
		return fmt.Errorf("store the configuration: %w", err)
	}
	if err := f.dst.PutManifest(ctx, f.im.Manifest, nil); err != nil {
		return fmt.Errorf("store the manifest: %w", err)
	}
	if err := f.dst.Commit(ctx, libimage.UnparsedInstance(f.im.src, nil)); err != nil {
		return fmt.Errorf("store the image: %w", err)
	}
	return nil
}

// noteConfig tells the library the configuration in advance. Otherwise it looks for it
// behind the reference, which it cannot if that has the digest of an index.
func (f *fetching) noteConfig() error {
	dst, ok := f.dst.(interface {
		NoteOriginalOCIConfig(config *v1.Image, err error) error
	})
	if !ok {
		return errors.New("internal error: the store takes no configuration in advance")
	}
	c, err := parseConfig(f.im.Config, len(f.im.Layers))
	if err != nil {
		return err
	}
	return dst.NoteOriginalOCIConfig(c, nil)
}

func (f *fetching) layer(ctx context.Context, i int) error {
	l := f.im.Layers[i]
	info := types.BlobInfo{Digest: l.Digest, Size: l.Size, MediaType: l.MediaType, Annotations: l.Annotations}
	reused, _, err := f.dst.TryReusingBlob(ctx, info, none.NoCache, false)
	if err != nil || reused {
		return err
	}
	r, err := f.im.OpenLayer(ctx, i)
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = f.dst.PutBlob(ctx, &counted{r, f}, info, none.NoCache, false)
	return err
}

// counted reports what is read.
type counted struct {
	io.Reader
	f *fetching
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	before := c.f.done.Add(int64(n)) - int64(n)
	if before/progressStep != (before+int64(n))/progressStep {
		e := c.f.event
		e.Kind, e.Done = progress.Advanced, before+int64(n)
		c.f.report.Report(e)
	}
	return n, err
}

// prune removes images, or the names of theirs that are not to be kept.
func (w *storeWorker) prune() (removed []string, err error) {
	keep := map[string]bool{}
	for _, name := range w.Keep {
		named, err := parseNamed(name)
		if err != nil {
			return nil, err
		}
		keep[named.String()] = true
	}
	images, err := w.store.Images()
	if err != nil {
		return nil, err
	}
	for _, im := range images {
		gone := slices.DeleteFunc(slices.Clone(im.Names), func(n string) bool { return keep[n] })
		whole := len(gone) == len(im.Names)
		if !w.DryRun && whole {
			_, err = w.store.DeleteImage(im.ID, true)
		} else if !w.DryRun && len(gone) > 0 {
			err = w.store.RemoveNames(im.ID, gone)
		}
		if err != nil {
			return removed, fmt.Errorf("remove image %s: %w", strings.Join(append(gone, im.ID), " "), err)
		}
		if whole && len(gone) == 0 {
			gone = []string{im.ID}
		}
		removed = append(removed, gone...)
	}
	slices.Sort(removed)
	return removed, nil
}

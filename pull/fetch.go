package pull

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/bootc-go/bootc/composefs/oci"
	"github.com/bootc-go/bootc/composefs/repo"
	"github.com/bootc-go/bootc/composefs/verity"
	"github.com/bootc-go/bootc/image"
	"github.com/bootc-go/bootc/internal/progress"
	"github.com/bootc-go/bootc/layers"
)

// DefaultParallel is how many layers are fetched at once. More gain nothing on a
// fast network, where two cores are busy with two layers.
const DefaultParallel = 3

// DefaultCheckpoint is how often layers that are complete get their names while
// others are still on their way, so that a power cut in a long pull does not
// cost everything. A pull from a fast network ends before the first time.
const DefaultCheckpoint = 20 * time.Second

// fetch brings in the missing layers and fills in a.layers. The layers get their
// names while the caller goes on; named waits for that. If fetch fails, those
// that were complete have their names already.
func (a *applier) fetch(ctx context.Context) (named func() error, err error) {
	a.layers = make([]oci.Layer, len(a.plan.Layers))
	indices, _ := a.plan.Fetch()
	a.stats.LayersFetched = len(indices)
	a.stats.LayersReused = len(a.layers) - len(indices)
	f := &fetcher{applier: a, streams: a.fetched, last: time.Now()}
	if err := f.run(ctx, indices); err != nil {
		_ = f.checkpoint() // err is what matters, and what is lost is only time
		return nil, err
	}
	for i, l := range a.plan.Layers {
		a.layers[i] = oci.Layer{ID: l.DiffID, Stream: f.streams[l.First]}
		if l.Present() {
			a.layers[i].Stream = l.Stream
			a.reportReused(i)
		}
	}
	done := make(chan error, 1)
	go func() { done <- f.checkpoint() }()
	return sync.OnceValue(func() error { return <-done }), nil
}

func (a *applier) reportReused(i int) {
	l := a.plan.Layers[i]
	a.opts.Progress.Report(progress.Event{
		Kind:  progress.Reused,
		Task:  string(l.Digest),
		Text:  fmt.Sprintf("layer %d of %d", i+1, len(a.plan.Layers)),
		Total: max(l.Size, 0),
	})
}

// fetcher fetches layers, several at once.
type fetcher struct {
	*applier

	mu      sync.Mutex
	streams []verity.Digest // of the fetched layers, by index
	unnamed []int           // layers that are complete and have no name yet
	last    time.Time       // when layers were named
}

// run fetches the layers with the given indices, the largest first, so that no
// large one is left to run alone in the end. The first error stops all.
func (f *fetcher) run(ctx context.Context, indices []int) error {
	slices.SortStableFunc(indices, func(i, j int) int {
		return cmp.Compare(f.plan.Layers[j].Size, f.plan.Layers[i].Size)
	})
	work := make(chan int, len(indices))
	for _, i := range indices {
		work <- i
	}
	close(work)
	parallel := f.opts.Parallel
	if parallel <= 0 {
		parallel = DefaultParallel
	}
	g, ctx := errgroup.WithContext(ctx)
	for range min(parallel, len(indices)) {
		g.Go(func() error { return f.work(ctx, work) })
	}
	return g.Wait()
}

// work is one worker: it takes layers until there are none.
func (f *fetcher) work(ctx context.Context, indices <-chan int) error {
	im := f.repo.NewImporter()
	defer func() { f.count(im.Stats()) }()
	for i := range indices {
		if err := ctx.Err(); err != nil {
			return err
		}
		stream, err := f.layer(ctx, im, i)
		if err != nil {
			return err
		}
		if err := f.complete(i, stream); err != nil {
			return err
		}
	}
	return nil
}

// maxSources is how many places a layer is fetched from before it is given up.
const maxSources = 3

// layer fetches one layer. If what a mirror sent has another digest than it
// should, it is fetched again from elsewhere: bytes that were imported already
// cannot be exchanged for others.
func (f *fetcher) layer(ctx context.Context, im *repo.Importer, i int) (verity.Digest, error) {
	for left := min(f.plan.img.Sources(), maxSources); ; {
		left--
		d, err := f.attempt(ctx, im, i)
		if left <= 0 || !errors.Is(err, image.ErrCorrupt) || ctx.Err() != nil {
			return d, err
		}
		f.opts.Progress.Report(progress.Event{Kind: progress.Message, Text: err.Error() + "; trying elsewhere"})
	}
}

// attempt fetches one layer, from the socket to objects in one pass.
func (f *fetcher) attempt(ctx context.Context, im *repo.Importer, i int) (verity.Digest, error) {
	blob, err := f.plan.img.OpenLayer(ctx, i)
	if err != nil {
		return verity.Digest{}, err
	}
	defer blob.Close()
	src := &source{r: blob}
	res, err := layers.Import(ctx, f.repo, im, src, layers.ImportOptions{DiffID: f.plan.Layers[i].DiffID})
	f.countBytes(src.n)
	switch {
	case src.err != nil:
		return verity.Digest{}, src.err // names the layer itself
	case err != nil:
		return verity.Digest{}, f.layerError(i, err)
	}
	return res.Stream, nil
}

// layerError names the layer in the way that image.OpenLayer does. The importer
// knows it by its diff_id only, which users have never seen.
func (f *fetcher) layerError(i int, err error) error {
	if inner := errors.Unwrap(err); inner != nil && strings.HasPrefix(err.Error(), "layer ") {
		err = inner
	}
	d := f.plan.Layers[i].Digest
	return fmt.Errorf("layer %d of %d (%s:%.12s): %w", i+1, len(f.plan.Layers), d.Algorithm(), d.Encoded(), err)
}

// complete notes that a layer is there, and names such layers from time to time.
func (f *fetcher) complete(i int, stream verity.Digest) error {
	f.mu.Lock()
	f.streams[i] = stream
	close(f.arrived[i])
	f.unnamed = append(f.unnamed, i)
	due := time.Since(f.last) >= cmp.Or(f.opts.Checkpoint, DefaultCheckpoint)
	f.mu.Unlock()
	if !due {
		return nil
	}
	return f.checkpoint()
}

// checkpoint makes durable what was stored so far and names the layers that are
// complete.
func (f *fetcher) checkpoint() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.unnamed) == 0 {
		return nil
	}
	if err := f.repo.Sync(); err != nil {
		return err
	}
	for _, i := range f.unnamed {
		if err := f.repo.LinkStream(oci.LayerName(f.plan.Layers[i].DiffID), f.streams[i]); err != nil {
			return err
		}
	}
	f.unnamed, f.last = nil, time.Now()
	return nil
}

func (f *fetcher) count(s repo.ImportStats) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stats.ObjectsNew += s.Objects
	f.stats.BytesNew += s.Bytes
	f.stats.ObjectsReused += s.ReusedObjects
	f.stats.BytesReused += s.ReusedBytes
}

func (f *fetcher) countBytes(n int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stats.BytesFetched += n
}

// source counts what is read of a blob and keeps the error that ended it, which
// would otherwise come out of the importer in the words of whoever read last.
type source struct {
	r   io.Reader
	n   int64
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.n += int64(n)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

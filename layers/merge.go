package layers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/bootc-go/bootc/composefs/oci"
	"github.com/bootc-go/bootc/composefs/repo"
	"github.com/bootc-go/bootc/composefs/tree"
	"github.com/bootc-go/bootc/composefs/verity"
)

// Merge returns the file system that the layers make, applied in order, the
// lowest first. It has the directories that entries lack, but is not transformed
// in any way.
func Merge(ctx context.Context, r *repo.Repo, layers []oci.Layer) (*tree.Node, error) {
	return MergeArriving(ctx, r, layers, nil)
}

// MergeArriving is Merge for layers of which some are still on their way: those
// whose Stream is zero. For layer i of them, await returns the splitstream once
// it is there, or an error, as when ctx is done. The others are read meanwhile.
func MergeArriving(ctx context.Context, r *repo.Repo, layers []oci.Layer, await func(ctx context.Context, i int) (verity.Digest, error)) (*tree.Node, error) {
	sources := make([]layerSource, len(layers))
	for i, l := range layers {
		sources[i] = layerSource{name: string(l.ID), later: l.Stream.IsZero()}
		sources[i].open = func(ctx context.Context) (chunkStream, error) {
			stream := l.Stream
			if stream.IsZero() {
				var err error
				if stream, err = await(ctx, i); err != nil {
					return nil, err
				}
			}
			return openLayer(r, stream)
		}
	}
	return mergeLayers(ctx, sources)
}

// chunkStream is a splitstream that must be closed.
type chunkStream interface {
	chunkSource
	Close() error
}

// layerSource is a layer to be merged.
type layerSource struct {
	name  string // what errors call it
	open  func(context.Context) (chunkStream, error)
	later bool // open waits
}

func openLayer(r *repo.Repo, stream verity.Digest) (chunkStream, error) {
	s, err := r.OpenStreamObject(stream)
	if err != nil {
		return nil, fmt.Errorf("its splitstream: %w", err)
	}
	if s.ContentType() != oci.ContentTypeLayer {
		return nil, errors.Join(malformed("its splitstream is not that of a layer"), s.Close())
	}
	return s, nil
}

// mergeLayers parses layers in parallel and applies them in order, each as soon
// as it and those below it are there.
func mergeLayers(ctx context.Context, sources []layerSource) (*tree.Node, error) {
	ctx, cancel := context.WithCancel(ctx)
	g, ctx := errgroup.WithContext(ctx)
	b := newBudget()
	parsed := parseAll(ctx, g, sources, b)
	m := newMerger(b)
	err := m.applyAll(ctx, sources, parsed)
	if err != nil {
		cancel()
	}
	if parseErr := g.Wait(); parseErr != nil && !errors.Is(parseErr, context.Canceled) {
		err = parseErr // the cause, if applying ended because of it
	}
	cancel()
	if err != nil {
		return nil, err
	}
	tree.CountLinks(m.root)
	return m.root, nil
}

// applyAll applies the layers as they are delivered.
func (m *merger) applyAll(ctx context.Context, sources []layerSource, parsed []chan *parsedLayer) error {
	for i := range parsed {
		select {
		case l := <-parsed[i]:
			if err := m.apply(ctx, l); err != nil {
				return layerError(sources[i].name, err)
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// parseAll starts the goroutines that parse all layers, those that are there
// and the lowest first, and returns where each will be delivered.
func parseAll(ctx context.Context, g *errgroup.Group, sources []layerSource, b *budget) []chan *parsedLayer {
	parsed := make([]chan *parsedLayer, len(sources))
	for i := range parsed {
		parsed[i] = make(chan *parsedLayer, 1)
	}
	order := make([]int, len(sources))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(lateness(sources[i]), lateness(sources[j])) })
	var next atomic.Int64
	for range min(len(sources), runtime.GOMAXPROCS(0)) {
		g.Go(func() error {
			for n := int(next.Add(1)) - 1; n < len(sources); n = int(next.Add(1)) - 1 {
				i := order[n]
				l, err := sources[i].parse(ctx, b)
				if err != nil {
					return layerError(sources[i].name, err)
				}
				parsed[i] <- l
			}
			return nil
		})
	}
	return parsed
}

func lateness(s layerSource) int {
	if s.later {
		return 1
	}
	return 0
}

func (s layerSource) parse(ctx context.Context, b *budget) (l *parsedLayer, err error) {
	stream, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stream.Close()) }()
	return parseLayer(ctx, stream, b)
}

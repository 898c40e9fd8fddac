package pull

import (
	"context"

	"github.com/bootc-go/bootc/composefs/oci"
	"github.com/bootc-go/bootc/composefs/tree"
	"github.com/bootc-go/bootc/composefs/verity"
	"github.com/bootc-go/bootc/layers"
)

// merging is a merge of the image's layers that goes on while the missing ones
// are fetched. On an update nearly all layers are here, and reading them takes
// as long as fetching the one that is not.
type merging struct {
	stop func() // ends it and waits; it may be called again
	done chan struct{}
	root *tree.Node
	err  error
}

// startMerge starts the merge, unless no image is to be made of it.
func (a *applier) startMerge(ctx context.Context) *merging {
	a.fetched = make([]verity.Digest, len(a.plan.Layers))
	a.arrived = make([]chan struct{}, len(a.plan.Layers))
	ls := make([]oci.Layer, len(a.plan.Layers))
	for i, l := range a.plan.Layers {
		a.arrived[i] = make(chan struct{})
		ls[i] = oci.Layer{ID: l.DiffID, Stream: l.Stream}
	}
	m := &merging{done: make(chan struct{})}
	if plain, boot := a.wanted(); !plain && !boot {
		m.stop = func() {}
		close(m.done)
		return m
	}
	ctx, cancel := context.WithCancel(ctx)
	m.stop = func() {
		cancel()
		<-m.done
	}
	go func() {
		defer close(m.done)
		m.root, m.err = layers.MergeArriving(ctx, a.repo, ls, a.await)
	}()
	return m
}

// wait returns the merged tree once all layers are in it.
func (m *merging) wait() (*tree.Node, error) {
	<-m.done
	return m.root, m.err
}

// await returns the splitstream of layer i once it was fetched.
func (a *applier) await(ctx context.Context, i int) (verity.Digest, error) {
	first := a.plan.Layers[i].First
	select {
	case <-a.arrived[first]:
		return a.fetched[first], nil
	case <-ctx.Done():
		return verity.Digest{}, ctx.Err()
	}
}

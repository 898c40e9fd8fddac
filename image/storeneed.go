package image

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"
)

// need sums the layers up that would be fetched, each once.
func (w *storeWorker) need(ctx context.Context) (int64, error) {
	layers := map[digest.Digest]int64{}
	for _, name := range slices.Compact(slices.Sorted(slices.Values(w.Need))) {
		_, err := inStore(w.store, name)
		if err == nil {
			continue
		}
		if !errors.Is(err, ErrNotStored) {
			return 0, err
		}
		if w.Local {
			err = w.needLocal(name, layers)
		} else {
			err = w.needRemote(ctx, name, layers)
		}
		if err != nil {
			return 0, fmt.Errorf("bound image %s: %w", name, err)
		}
	}
	var sum int64
	for _, size := range layers {
		sum += max(size, 0) // not every source knows it
	}
	return sum, nil
}

func (w *storeWorker) needRemote(ctx context.Context, name string, layers map[digest.Digest]int64) error {
	ref, err := New(registryTransport, name)
	if err != nil {
		return err
	}
	o := w.opts
	o.Progress = messages(o.Progress)
	im, err := Open(ctx, ref, o)
	if err != nil {
		return err
	}
	defer im.Close() //nolint:errcheck // only read from
	for _, l := range im.Layers {
		if here, err := w.store.LayersByCompressedDigest(l.Digest); err != nil || len(here) == 0 {
			layers[l.Digest] = l.Size
		}
	}
	return nil
}

// needLocal takes the sizes that layers have unpacked: they are not compressed there.
func (w *storeWorker) needLocal(name string, layers map[digest.Digest]int64) error {
	local, err := w.local()
	if err != nil {
		return err
	}
	im, err := inStore(local, name)
	if err != nil {
		return err
	}
	for id := im.TopLayer; id != ""; {
		l, err := local.Layer(id)
		if err != nil {
			return fmt.Errorf("layer %s: %w", id, err)
		}
		if !w.store.Exists(l.ID) {
			layers[l.UncompressedDigest] = l.UncompressedSize
		}
		id = l.Parent
	}
	return nil
}

package image

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/opencontainers/go-digest"
	"go.podman.io/storage"
	"golang.org/x/sys/unix"
)

// lookForNeed looks into the store without opening it, which would write to it: as into an
// additional one of an empty store in memory.
func (w *storeWorker) lookForNeed(ctx context.Context) (needs []StoreNeed, err error) {
	empty := w.Run + "/empty"
	if err := errors.Join(os.Mkdir(empty, 0o700), unix.Mount("tmpfs", empty, "tmpfs", 0, "mode=700")); err != nil {
		return nil, fmt.Errorf("make a place for an empty store: %w", err)
	}
	o := storage.StoreOptions{GraphRoot: empty, RunRoot: w.Run + "/run", GraphDriverName: "overlay"}
	if is, err := w.isStore(); err != nil {
		return nil, err
	} else if is {
		o.GraphDriverOptions = []string{"overlay.imagestore=" + w.Dir}
	}
	if w.store, err = storage.GetStore(o); err != nil {
		return nil, fmt.Errorf("open the images' store: %w", err)
	}
	needs, err = w.need(ctx)
	if _, serr := w.store.Shutdown(true); err == nil {
		err = serr
	}
	return needs, err
}

// isStore reports whether there ever was an image in the store.
func (w *storeWorker) isStore() (bool, error) {
	for _, lock := range []string{"overlay-images/images.lock", "overlay-layers/layers.lock"} {
		_, err := os.Stat(w.Dir + "/" + lock)
		if errors.Is(err, os.ErrNotExist) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("look for the images' store: %w", err)
		}
	}
	return true, nil
}

// need finds out what pull would do about each image, once.
func (w *storeWorker) need(ctx context.Context) (needs []StoreNeed, err error) {
	seen := map[digest.Digest]bool{}
	for _, name := range slices.Compact(slices.Sorted(slices.Values(w.Need))) {
		n := StoreNeed{Name: name}
		_, err := inStore(w.store, name)
		switch {
		case err == nil:
			n.Here = true
		case !errors.Is(err, ErrNotStored):
			return nil, err
		default:
			layers := map[digest.Digest]int64{}
			if w.Local {
				err = w.needLocal(name, layers)
			} else {
				err = w.needRemote(ctx, name, layers)
			}
			if err != nil {
				return nil, fmt.Errorf("bound image %s: %w", name, err)
			}
			for layer, size := range layers {
				if !seen[layer] {
					n.Bytes += max(size, 0) // not every source knows it
				}
				seen[layer] = true
			}
		}
		needs = append(needs, n)
	}
	return needs, nil
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

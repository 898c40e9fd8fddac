package image

import (
	"fmt"
	"io"
	"slices"

	"go.podman.io/storage"
	"go.podman.io/storage/pkg/archive"
)

// take copies an image from the storage of the system that runs: layers, manifests and
// configuration as they are there, under the same ids, so that it has the same digest
// here.
func (w *storeWorker) take(name string) error {
	local, err := w.local()
	if err != nil {
		return err
	}
	im, err := inStore(local, name)
	if err != nil {
		return err
	}
	named, err := parseNamed(name)
	if err != nil {
		return err
	}
	if _, err := w.store.Image(im.ID); err == nil {
		return w.store.AddNames(im.ID, []string{named.String()})
	}
	if err := w.takeLayers(local, im.TopLayer); err != nil {
		return err
	}
	o := &storage.ImageOptions{CreationDate: im.Created, Digest: im.Digest}
	for _, key := range im.BigDataNames {
		data, err := local.ImageBigData(im.ID, key)
		if err != nil {
			return fmt.Errorf("read %s of the image: %w", key, err)
		}
		o.BigData = append(o.BigData, storage.ImageBigDataOption{Key: key, Data: data, Digest: im.BigDataDigests[key]})
	}
	if _, err := w.store.CreateImage(im.ID, []string{named.String()}, im.TopLayer, im.Metadata, o); err != nil {
		return fmt.Errorf("store the image: %w", err)
	}
	return nil
}

// takeLayers copies the layer top, and those below it first, as they are missing.
func (w *storeWorker) takeLayers(local storage.Store, top string) error {
	var chain []*storage.Layer
	for id := top; id != ""; {
		l, err := local.Layer(id)
		if err != nil {
			return fmt.Errorf("layer %s: %w", id, err)
		}
		chain = append(chain, l)
		id = l.Parent
	}
	for _, l := range slices.Backward(chain) {
		if w.store.Exists(l.ID) {
			continue
		}
		if err := w.takeLayer(local, l); err != nil {
			return fmt.Errorf("layer %s: %w", l.ID, err)
		}
	}
	return nil
}

func (w *storeWorker) takeLayer(local storage.Store, l *storage.Layer) error {
	plain := archive.Uncompressed
	diff, err := local.Diff("", l.ID, &storage.DiffOptions{Compression: &plain})
	if err != nil {
		return err
	}
	o := &storage.LayerOptions{UncompressedDigest: l.UncompressedDigest}
	if l.CompressedDigest != "" { // by which registries know it
		o.OriginalDigest, o.OriginalSize = l.CompressedDigest, &l.CompressedSize
	}
	_, _, err = w.store.PutLayer(l.ID, l.Parent, nil, l.MountLabel, false, o, diff)
	_, _ = io.Copy(io.Discard, diff) // the other end waits for it
	if cerr := diff.Close(); err == nil {
		err = cerr
	}
	return err
}

package oci

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/bootc-go/bootc/composefs/repo"
	"github.com/bootc-go/bootc/composefs/verity"
)

// Parts are what an image in a repository consists of.
type Parts struct {
	Manifest []byte // as the registry served it
	Config   []byte

	ManifestDigest digest.Digest                   // names the image
	Layers         map[digest.Digest]verity.Digest // the layers' streams, by the IDs of LayerIDs

	Image     verity.Digest // the plain EROFS image; zero if none was made
	BootImage verity.Digest // the EROFS image to boot; zero if none was made
	Xattrs    Xattrs        // what BootImage was made with
}

// Write stores the streams of the manifest and the config and publishes their
// names, those of the EROFS images first. The layers' streams must be in the
// repository under their names, the EROFS images at least as objects. Nothing
// changes if the image is there already.
//
// EROFS images that the config refers to already stay referred to: an image may
// be pulled first without and later with its boot image.
//
// Write waits for other writers, until ctx ends.
func Write(ctx context.Context, r *repo.Repo, im *repo.Importer, p Parts) (*Image, error) {
	w := &writer{repo: r, im: im, parts: p}
	if err := w.check(); err != nil {
		return nil, fmt.Errorf("cannot store image %s: %w", p.ManifestDigest, err)
	}
	release, err := lockNames(ctx, r)
	if err != nil {
		return nil, fmt.Errorf("cannot store image %s: %w", p.ManifestDigest, err)
	}
	defer release()
	if err := w.write(); err != nil {
		return nil, fmt.Errorf("cannot store image %s: %w", p.ManifestDigest, err)
	}
	return Open(r, p.ManifestDigest)
}

// writer stores one image.
type writer struct {
	repo  *repo.Repo
	im    *repo.Importer
	parts Parts

	manifest *Manifest
	ids      []digest.Digest
	links    []repo.Link // names of what is stored, in the order to publish them
}

// check refuses parts that do not make a whole.
func (w *writer) check() (err error) {
	if err := checkDigest(w.parts.ManifestDigest, w.parts.Manifest); err != nil {
		return fmt.Errorf("manifest: %w", err)
	}
	if w.manifest, err = ParseManifest(w.parts.Manifest); err != nil {
		return err
	}
	if err := checkDigest(w.manifest.Config.Digest, w.parts.Config); err != nil {
		return fmt.Errorf("config %s: %w", w.manifest.Config.Digest, err)
	}
	if w.ids, err = LayerIDs(w.manifest, w.parts.Config); err != nil {
		return err
	}
	for n, id := range w.ids {
		if w.parts.Layers[id].IsZero() {
			return fmt.Errorf("internal error: no stream for layer %d of %d (%s)", n+1, len(w.ids), id)
		}
	}
	return nil
}

// write stores all streams and then publishes the names, that of the config
// behind those of the EROFS images and before those of the manifests that need
// it. One barrier is enough for all: it makes durable the EROFS images too, which
// on an update were written a moment ago. A power cut before the last name leaves a
// manifest that refers to the config's former stream, which is whole and which
// GC keeps, since references are followed by digest.
func (w *writer) write() error {
	config, err := w.writeConfig()
	if err != nil {
		return err
	}
	if err := w.repointOthers(config); err != nil {
		return err
	}
	if err := w.writeManifest(w.parts.ManifestDigest, w.parts.Manifest, w.manifestRefs(config)); err != nil {
		return err
	}
	if err := w.linkImages(); err != nil {
		return err
	}
	for _, l := range w.links {
		if err := w.repo.LinkStream(l.Name, l.Digest); err != nil {
			return err
		}
	}
	return nil
}

// linkImages makes images of the objects that are to be images.
func (w *writer) linkImages() error {
	for _, d := range []verity.Digest{w.parts.Image, w.parts.BootImage} {
		if d.IsZero() {
			continue
		}
		if err := w.repo.LinkImage(d); err != nil {
			return err
		}
	}
	return nil
}

// layerRefs are the references to the layers.
func (w *writer) layerRefs() map[string]verity.Digest {
	refs := make(map[string]verity.Digest, len(w.ids)+2)
	for _, id := range w.ids {
		refs[string(id)] = w.parts.Layers[id]
	}
	return refs
}

// manifestRefs are the references of the manifest's stream. To cfsctl a manifest
// of docker's is that of an artifact, whose layers go by their blobs' digests, so
// it finds them by those as well.
func (w *writer) manifestRefs(config verity.Digest) map[string]verity.Digest {
	refs := w.layerRefs()
	if w.manifest.Config.MediaType == dockerConfig {
		for i, l := range w.manifest.Layers {
			refs[string(l.Digest)] = w.parts.Layers[w.ids[i]]
		}
	}
	refs[configKey(w.manifest.Config.Digest)] = config
	return refs
}

// writeConfig stores the config's stream and returns its digest.
func (w *writer) writeConfig() (verity.Digest, error) {
	d := w.manifest.Config.Digest
	refs := w.layerRefs()
	if err := w.keepImages(d, refs); err != nil {
		return verity.Digest{}, err
	}
	if !w.parts.Image.IsZero() {
		refs[imageKey] = w.parts.Image
	}
	if !w.parts.BootImage.IsZero() {
		refs[bootKey(w.parts.Xattrs)] = w.parts.BootImage
	}
	return w.put(ConfigName(d), document{ContentTypeConfig, d, w.parts.Config, refs})
}

// keepImages adds the references to EROFS images that the config's present
// stream has, if there is one.
func (w *writer) keepImages(config digest.Digest, refs map[string]verity.Digest) error {
	old, err := lookup(w.repo, ConfigName(config), ContentTypeConfig, config)
	if old == nil {
		return err
	}
	for key, d := range imagesOf(old.refs) {
		ok, err := w.repo.HasImage(d)
		if err != nil {
			return err
		}
		if ok {
			refs[key] = d
		}
	}
	return nil
}

func (w *writer) writeManifest(d digest.Digest, data []byte, refs map[string]verity.Digest) error {
	_, err := w.put(ManifestName(d), document{ContentTypeManifest, d, data, refs})
	return err
}

// repointOthers makes the other manifests with the same config refer to its new
// stream. cfsctl follows references by name only, so a stream that has lost its
// name is a dead end to it, and its gc would remove what stands behind.
func (w *writer) repointOthers(config verity.Digest) error {
	links, err := w.repo.Streams()
	if err != nil {
		return err
	}
	key := configKey(w.manifest.Config.Digest)
	for _, l := range links {
		d, err := manifestOf(l.Name)
		if err != nil || d == w.parts.ManifestDigest {
			continue
		}
		other, err := readDocument(w.repo, l.Digest, ContentTypeManifest, d)
		if lost(err) {
			continue // Fsck's business, and no reason to fail here
		}
		if err != nil {
			return fmt.Errorf("manifest %s: %w", d, err)
		}
		if former, ok := other.refs[key]; !ok || former == config {
			continue
		}
		other.refs[key] = config
		if err := w.writeManifest(d, other.data, other.refs); err != nil {
			return err
		}
	}
	return nil
}

// document is a document to store.
type document struct {
	contentType uint64
	digest      digest.Digest
	data        []byte
	refs        map[string]verity.Digest
}

// put stores a document that is to have a name, unless what has the name is the
// same, and returns its stream's digest.
func (w *writer) put(name string, doc document) (verity.Digest, error) {
	old, err := lookup(w.repo, name, doc.contentType, doc.digest)
	if err != nil {
		return verity.Digest{}, err
	}
	if old != nil && maps.Equal(old.refs, doc.refs) {
		return old.stream, nil
	}
	stream, err := w.store(doc)
	if err == nil {
		w.links = append(w.links, repo.Link{Name: name, Digest: stream})
	}
	return stream, err
}

// store stores a document as an object and the splitstream around it.
func (w *writer) store(doc document) (verity.Digest, error) {
	object, err := w.im.Put(doc.data)
	if err != nil {
		return verity.Digest{}, err
	}
	s := w.repo.NewStream(w.im, doc.contentType)
	defer s.Abort()
	for _, name := range slices.Sorted(maps.Keys(doc.refs)) {
		if err := s.AddNamedRef(name, doc.refs[name]); err != nil {
			return verity.Digest{}, err
		}
	}
	if err := s.WriteExternal(object, int64(len(doc.data))); err != nil {
		return verity.Digest{}, err
	}
	return s.Commit()
}

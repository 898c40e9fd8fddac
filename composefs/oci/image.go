package oci

import (
	"fmt"

	"github.com/opencontainers/go-digest"

	"github.com/bootc-go/bootc/composefs/repo"
	"github.com/bootc-go/bootc/composefs/verity"
)

// ErrNotFound is the error, by errors.Is, of a tag, image or layer that the
// repository does not have.
var ErrNotFound = repo.ErrNotFound

// Layer is one layer of a stored image.
type Layer struct {
	ID     digest.Digest // the diff_id; of an artifact, the blob's digest
	Stream verity.Digest // the object that holds its splitstream
}

// Image is an image or an artifact as the repository has it.
type Image struct {
	ManifestDigest digest.Digest
	ConfigDigest   digest.Digest
	ManifestStream verity.Digest // the object that holds the manifest's splitstream
	ConfigStream   verity.Digest

	ManifestJSON []byte // as the registry served it
	ConfigJSON   []byte
	Manifest     *Manifest
	Config       *Config // nil for an artifact

	Layers []Layer // bottom first
	Images         // made of the layers
}

// IsContainer reports whether the image has a file system, as artifacts have not.
func (i *Image) IsContainer() bool { return i.Manifest.IsContainer() }

// Open opens the image whose manifest has the digest d. The content of manifest
// and config is compared with their digests. The error is ErrNotFound if there
// is no such manifest.
func Open(r *repo.Repo, d digest.Digest) (*Image, error) {
	if err := d.Validate(); err != nil {
		return nil, err
	}
	img := &Image{ManifestDigest: d}
	refs, err := img.readManifest(r)
	if err != nil {
		return nil, fmt.Errorf("image %s: %w", d, err)
	}
	if err := img.readConfig(r, refs); err != nil {
		return nil, fmt.Errorf("image %s: %w", d, err)
	}
	return img, nil
}

// readManifest fills in the manifest and returns its stream's named references.
func (i *Image) readManifest(r *repo.Repo) (map[string]verity.Digest, error) {
	stream, ok, err := r.LookupStream(ManifestName(i.ManifestDigest))
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, ErrNotFound
	}
	i.ManifestStream = stream
	doc, err := readDocument(r, stream, ContentTypeManifest, i.ManifestDigest)
	if err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	i.ManifestJSON = doc.data
	i.Manifest, err = ParseManifest(doc.data)
	return doc.refs, err
}

// readConfig fills in what the manifest's references lead to.
func (i *Image) readConfig(r *repo.Repo, refs map[string]verity.Digest) error {
	i.ConfigDigest = i.Manifest.Config.Digest
	stream, ok := refs[configKey(i.ConfigDigest)]
	if !ok {
		return fmt.Errorf("the manifest's stream does not refer to config %s", i.ConfigDigest)
	}
	i.ConfigStream = stream
	doc, err := readDocument(r, stream, ContentTypeConfig, i.ConfigDigest)
	if err != nil {
		return fmt.Errorf("config: %w", err)
	}
	i.ConfigJSON = doc.data
	if i.IsContainer() {
		refs = doc.refs
		if i.Config, err = ParseConfig(doc.data); err != nil {
			return err
		}
	}
	return i.resolve(refs)
}

// resolve sorts the named references into layers and EROFS images.
func (i *Image) resolve(refs map[string]verity.Digest) error {
	ids, err := LayerIDs(i.Manifest, i.ConfigJSON)
	if err != nil {
		return err
	}
	for n, id := range ids {
		stream, ok := refs[string(id)]
		if !ok {
			return fmt.Errorf("layer %d of %d (%s): the config's stream does not refer to it", n+1, len(ids), id)
		}
		i.Layers = append(i.Layers, Layer{ID: id, Stream: stream})
	}
	i.Images = imagesOf(refs)
	return nil
}

package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/types"
)

// Image is an image whose manifest and configuration are here and verified.
// Its methods may be called from several goroutines.
type Image struct {
	Ref            Reference
	Manifest       []byte        // as the source has it
	ManifestDigest digest.Digest // of Manifest
	ManifestType   string        // its media type
	IndexDigest    digest.Digest // of the index that Manifest was picked from, or ""
	Config         []byte
	ConfigDigest   digest.Digest
	Platform       v1.Platform // says the configuration
	Layers         []Layer     // lowest first; as many as the configuration has diff_ids

	doc      *document
	instance *digest.Digest // within an index, or nil
	src      types.ImageSource
	registry *registry // nil for other transports
	opts     Options

	once  sync.Once
	local *local // for other transports
}

// Layer is a layer as the manifest and the configuration describe it.
type Layer struct {
	Digest      digest.Digest // of the blob that OpenLayer yields
	DiffID      digest.Digest // of the tar inside
	Size        int64         // of the blob in bytes, -1 if the source does not say
	MediaType   string        // tells about the compression, but may lie
	Annotations map[string]string
}

// OpenLayer streams layer i (the first is 0) as it is stored, compressed or
// not, until ctx ends or it is closed. The stream ends with io.EOF only if size
// and digest are right. Reading that fails for a passing reason is resumed
// where it stopped; the reader sees only what cannot be mended, in one sentence
// that names the layer and the registry.
//
// Nothing is asked for before the first Read. A stream is for one goroutine;
// several streams may be read at once.
func (im *Image) OpenLayer(ctx context.Context, i int) (io.ReadCloser, error) {
	if i < 0 || i >= len(im.Layers) {
		return nil, fmt.Errorf("internal error: no layer %d of %d", i+1, len(im.Layers))
	}
	l := im.Layers[i]
	return newStream(ctx, im.origin(), blob{
		digest: l.Digest,
		size:   l.Size,
		name:   layerName(i, len(im.Layers), l.Digest),
		task:   fmt.Sprintf("layer %d of %d", i+1, len(im.Layers)),
	}, im.opts), nil
}

// Sources is the number of places that may have the image's blobs: a registry
// and its mirrors. After a blob with wrong bytes the next OpenLayer begins at
// the next of them.
func (im *Image) Sources() int {
	if im.registry == nil {
		return 1
	}
	return len(im.registry.endpoints)
}

// origin is where the image's blobs come from.
func (im *Image) origin() origin {
	if im.registry != nil {
		return im.registry
	}
	im.once.Do(func() { im.local = &local{src: im.src, what: im.Ref.String()} })
	return im.local
}

// Close frees the connections and files behind the image. Layers that are still
// open must be closed first.
func (im *Image) Close() error {
	if im.registry != nil {
		im.registry.close()
	}
	if im.src == nil {
		return errors.New("internal error: image was not opened")
	}
	return im.src.Close()
}

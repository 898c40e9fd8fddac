package image

import (
	"context"
	"errors"
	"io"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Image is an image whose manifest and configuration are here and verified.
// Its methods may be called from several goroutines.
type Image struct {
	Ref            Reference
	Manifest       []byte        // as the source has it
	ManifestDigest digest.Digest // of Manifest
	ManifestType   string        // media type
	IndexDigest    digest.Digest // of the index that Manifest was picked from, or ""
	Config         []byte
	ConfigDigest   digest.Digest
	Platform       v1.Platform // says the configuration
	Layers         []Layer     // lowest first
}

// Layer is a layer as the manifest and the configuration describe it.
type Layer struct {
	Digest      digest.Digest // of the blob that OpenLayer yields
	DiffID      digest.Digest // of the tar inside
	Size        int64         // of the blob, -1 if the source does not say
	MediaType   string
	Annotations map[string]string
}

// Open fetches what there is to know about an image short of its layers.
func Open(ctx context.Context, ref Reference, o Options) (*Image, error) {
	return nil, errors.New("not there yet")
}

// OpenLayer streams layer i (the first is 0) as it is stored, compressed or
// not. The stream ends with io.EOF only if size and digest are right. A read
// that fails for a passing reason is resumed where it stopped; the caller sees
// only what cannot be mended, in one sentence that names the layer.
func (im *Image) OpenLayer(ctx context.Context, i int) (io.ReadCloser, error) {
	return nil, errors.New("not there yet")
}

// Close frees the connections and files behind the image. Layers that are still
// open must be closed first.
func (im *Image) Close() error { return nil }

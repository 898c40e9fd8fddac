package oci

import (
	"errors"

	"github.com/opencontainers/go-digest"

	"github.com/bootc-go/bootc/composefs/verity"
)

// checkLayer checks a layer of an image: its name, and that what the config
// refers to is a tar of the digest that names it.
func (c *checker) checkLayer(id digest.Digest, refs map[string]verity.Digest) {
	stream, ok := refs[string(id)]
	if !ok {
		c.found("layer-ref-missing", string(id), nil)
		return
	}
	switch _, ok, err := c.repo.LookupStream(LayerName(id)); {
	case err != nil:
		c.found("layer-check-failed", string(id), err)
	case !ok:
		c.found("layer-stream-missing", string(id), nil)
	}
	switch l := c.layer(id, stream); {
	case errors.Is(l.err, ErrNotFound):
		c.found("layer-object-missing", string(id), l.err)
	case l.err != nil:
		c.found("layer-check-failed", string(id), l.err)
	case l.digest != id:
		c.found("layer-digest-mismatch", string(id), "the tar has the digest "+string(l.digest))
	}
}

// layer reads the tar of a layer, unless it was read before.
func (c *checker) layer(id digest.Digest, stream verity.Digest) layerState {
	if l, ok := c.layers[stream]; ok {
		return l
	}
	var l layerState
	l.digest, l.err = c.digestOf(stream, ContentTypeLayer, id.Algorithm())
	c.layers[stream] = l
	return l
}

// digestOf computes the digest of what a splitstream reassembles to.
func (c *checker) digestOf(stream verity.Digest, contentType uint64, alg digest.Algorithm) (digest.Digest, error) {
	s, err := c.repo.OpenStreamObject(stream)
	if err != nil {
		return "", err
	}
	defer s.Close() //nolint:errcheck // nothing was written
	if s.ContentType() != contentType {
		return "", errors.New("its stream is of another type")
	}
	h := alg.Digester()
	if err := s.Cat(h.Hash()); err != nil {
		return "", err
	}
	return h.Digest(), nil
}

// checkBlobs checks the blobs of an artifact.
func (c *checker) checkBlobs(ids []digest.Digest, refs map[string]verity.Digest) {
	for _, id := range ids {
		stream, ok := refs[string(id)]
		if !ok {
			c.found("artifact-layer-ref-missing", string(id), nil)
			continue
		}
		s, err := c.repo.OpenStreamObject(stream)
		if err != nil {
			c.found("artifact-layer-object-missing", string(id), err)
			continue
		}
		_ = s.Close()
	}
}

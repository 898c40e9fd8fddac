package oci

import (
	"context"
	"errors"
	"hash"
	"io"
	"runtime"
	"sync"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/bootc-go/bootc/composefs/repo"
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
	switch l, ok := c.layers[stream]; {
	case !ok: // the config was not readable a moment ago
		c.found("layer-check-failed", string(id), "it was not read")
	case errors.Is(l.err, ErrNotFound):
		c.found("layer-object-missing", string(id), l.err)
	case l.err != nil:
		c.found("layer-check-failed", string(id), l.err)
	case l.digest != id:
		c.found("layer-digest-mismatch", string(id), "the tar has the digest "+string(l.digest))
	}
}

// layerState is the digest of a layer's tar, or why there is none.
type layerState struct {
	digest digest.Digest
	err    error
}

// readLayers reads the layers of all images that links lead to, each stream
// once and several at a time.
func readLayers(ctx context.Context, r *repo.Repo, links []repo.Ref) (map[verity.Digest]layerState, error) {
	states := map[verity.Digest]layerState{}
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for _, l := range layersOf(r, links) {
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			d, err := digestOf(r, l)
			mu.Lock()
			defer mu.Unlock()
			states[l.Stream] = layerState{d, err}
			return nil
		})
	}
	return states, g.Wait()
}

// layersOf lists the layers of the images that links lead to, each once. What
// cannot be read is reported elsewhere.
func layersOf(r *repo.Repo, links []repo.Ref) []Layer {
	seen := map[verity.Digest]bool{}
	var ls []Layer
	for _, link := range links {
		d, err := manifestOf(link.Target)
		if err != nil {
			continue
		}
		for _, l := range layersIn(r, d) {
			if !seen[l.Stream] {
				seen[l.Stream] = true
				ls = append(ls, l)
			}
		}
	}
	return ls
}

// layersIn lists the layers that the config of the image d refers to. Unlike
// Open it does without those to which the reference is missing.
func layersIn(r *repo.Repo, d digest.Digest) []Layer {
	img := &Image{ManifestDigest: d}
	refs, err := img.readManifest(r)
	if err != nil || !img.IsContainer() {
		return nil
	}
	config := img.Manifest.Config.Digest
	doc, err := readDocument(r, refs[configKey(config)], ContentTypeConfig, config)
	if err != nil {
		return nil
	}
	ids, err := LayerIDs(img.Manifest, doc.data)
	if err != nil {
		return nil
	}
	var ls []Layer
	for _, id := range ids {
		if stream, ok := doc.refs[string(id)]; ok {
			ls = append(ls, Layer{ID: id, Stream: stream})
		}
	}
	return ls
}

// digestOf computes the digest of a layer's tar.
func digestOf(r *repo.Repo, l Layer) (digest.Digest, error) {
	s, err := r.OpenStreamObject(l.Stream)
	if err != nil {
		return "", err
	}
	defer s.Close() //nolint:errcheck // nothing was written
	if s.ContentType() != ContentTypeLayer {
		return "", errors.New("its stream is not that of a layer")
	}
	h := l.ID.Algorithm().Digester()
	if err := s.Cat(&summer{Hash: h.Hash()}); err != nil {
		return "", err
	}
	return h.Digest(), nil
}

// summer is a hash that reads. Copying to a plain one takes a new buffer for
// each of the many thousand objects of an image.
type summer struct {
	hash.Hash
	buf [32 << 10]byte
}

// ReadFrom implements io.ReaderFrom.
func (s *summer) ReadFrom(r io.Reader) (total int64, err error) {
	for {
		n, err := r.Read(s.buf[:])
		_, _ = s.Write(s.buf[:n]) // never fails
		total += int64(n)
		if errors.Is(err, io.EOF) {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
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

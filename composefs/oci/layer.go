package oci

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"

	"github.com/bootc-go/bootc/composefs/repo"
	"github.com/bootc-go/bootc/composefs/verity"
)

// LayerInfo describes a stored layer; its JSON is that of cfsctl oci layer
// --json. All sizes are bytes.
type LayerInfo struct {
	DiffID      digest.Digest   `json:"diffId"`
	Verity      string          `json:"verity"` // digest of the splitstream
	Size        uint64          `json:"size"`   // of the tar
	EntryCount  int             `json:"entryCount"`
	Splitstream SplitstreamInfo `json:"splitstream"`
}

// SplitstreamInfo says how a layer is split.
type SplitstreamInfo struct {
	ExternalObjects int    `json:"externalObjects"` // each counted once
	ExternalSize    uint64 `json:"externalSize"`    // of all files that are objects
	InlineSize      uint64 `json:"inlineSize"`      // the rest of the tar
}

// InspectLayer describes the layer whose tar has the digest diffID.
func InspectLayer(r *repo.Repo, diffID digest.Digest) (*LayerInfo, error) {
	s, err := OpenLayer(r, diffID)
	if err != nil {
		return nil, err
	}
	defer s.Close() //nolint:errcheck // nothing was written
	skim := &skimmer{repo: r, stream: s}
	n, err := countEntries(skim)
	if err != nil {
		return nil, fmt.Errorf("layer %s: %w", diffID, err)
	}
	return &LayerInfo{
		DiffID:     diffID,
		Verity:     s.Digest().String(),
		Size:       s.Size(),
		EntryCount: n,
		Splitstream: SplitstreamInfo{
			ExternalObjects: len(s.ObjectRefs()),
			ExternalSize:    skim.external,
			InlineSize:      s.Size() - min(s.Size(), skim.external),
		},
	}, nil
}

// OpenLayer opens the splitstream of the layer whose tar has the digest diffID.
// StreamReader.Cat gives the tar back. A missing layer is ErrNotFound.
func OpenLayer(r *repo.Repo, diffID digest.Digest) (*repo.StreamReader, error) {
	if err := diffID.Validate(); err != nil {
		return nil, fmt.Errorf("layer %s: %w", diffID, err)
	}
	d, ok, err := r.LookupStream(LayerName(diffID))
	if err == nil && !ok {
		err = ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("layer %s: %w", diffID, err)
	}
	s, err := r.OpenStreamObject(d)
	if err != nil {
		return nil, fmt.Errorf("layer %s: %w", diffID, err)
	}
	if s.ContentType() != ContentTypeLayer {
		_ = s.Close()
		return nil, fmt.Errorf("layer %s: its stream is not that of a layer", diffID)
	}
	return s, nil
}

func countEntries(tarball io.Reader) (n int, err error) {
	tr := tar.NewReader(tarball)
	for {
		h, err := tr.Next()
		switch {
		case errors.Is(err, io.EOF):
			return n, nil
		case err != nil:
			return 0, err
		case h.Typeflag != tar.TypeXGlobalHeader:
			n++
		}
	}
}

// skimmer reads the tar of a layer without the content of its objects: zeros
// stand for them, of which the tar reader sees nothing but the number.
type skimmer struct {
	repo     *repo.Repo
	stream   *repo.StreamReader
	inline   []byte
	zeros    int64
	external uint64 // bytes in objects so far
}

func (s *skimmer) Read(p []byte) (int, error) {
	for len(s.inline) == 0 && s.zeros == 0 {
		if err := s.next(); err != nil {
			return 0, err
		}
	}
	if s.zeros > 0 {
		n := int(min(int64(len(p)), s.zeros))
		clear(p[:n])
		s.zeros -= int64(n)
		return n, nil
	}
	n := copy(p, s.inline)
	s.inline = s.inline[n:]
	return n, nil
}

func (s *skimmer) next() error {
	c, err := s.stream.Next()
	if err != nil {
		return err
	}
	if c.External.IsZero() {
		s.inline = c.Inline
		return nil
	}
	size, err := objectSize(s.repo, c.External)
	s.zeros = size
	s.external += uint64(size)
	return err
}

func objectSize(r *repo.Repo, d verity.Digest) (int64, error) {
	f, err := r.OpenObject(d)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return fi.Size(), nil
}

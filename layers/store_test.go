package layers

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"testing"

	"github.com/bootc-go/bootc/composefs/repo"
	"github.com/bootc-go/bootc/composefs/tree"
	"github.com/bootc-go/bootc/composefs/verity"
)

// memStore is where tests without a repository keep objects.
type memStore struct {
	objects map[verity.Digest][]byte
	largest int // the largest piece of memory that a Put was given
}

func newMemStore() *memStore { return &memStore{objects: map[verity.Digest][]byte{}} }

func (s *memStore) Put(data []byte) (verity.Digest, error) {
	d := verity.Sum(verity.SHA512, data)
	s.objects[d] = bytes.Clone(data)
	s.largest = max(s.largest, len(data))
	return d, nil
}

func (s *memStore) PutReader(r io.Reader, size int64) (verity.Digest, error) {
	data, err := io.ReadAll(io.LimitReader(r, size+1))
	if err != nil {
		return verity.Digest{}, err
	}
	if int64(len(data)) != size {
		return verity.Digest{}, fmt.Errorf("%d bytes instead of %d", len(data), size)
	}
	return s.Put(data)
}

// content returns what a file of a merged tree holds.
func (s *memStore) content(f *tree.File) []byte {
	switch {
	case f == nil:
		return nil
	case f.Size > maxInline:
		return s.objects[f.Digest]
	}
	return f.Inline
}

// memStream is a splitstream in memory.
type memStream struct {
	chunks []repo.Chunk
}

func (s *memStream) WriteInline(p []byte) error {
	if len(p) == 0 {
		return nil
	}
	if n := len(s.chunks); n > 0 && s.chunks[n-1].External.IsZero() {
		s.chunks[n-1].Inline = append(s.chunks[n-1].Inline, p...)
		return nil
	}
	s.chunks = append(s.chunks, repo.Chunk{Inline: bytes.Clone(p)})
	return nil
}

func (s *memStream) WriteExternal(d verity.Digest, _ int64) error {
	s.chunks = append(s.chunks, repo.Chunk{External: d})
	return nil
}

// bytes puts the tar together again.
func (s *memStream) bytes(store *memStore) []byte {
	var b []byte
	for _, c := range s.chunks {
		if c.External.IsZero() {
			b = append(b, c.Inline...)
		} else {
			b = append(b, store.objects[c.External]...)
		}
	}
	return b
}

// reader reads s, its inline bytes in pieces of at most size, each of them
// overwritten when the next is asked for.
func (s *memStream) reader(size int) *memReader {
	return &memReader{chunks: s.chunks, size: size}
}

type memReader struct {
	chunks []repo.Chunk
	inline []byte
	size   int
	buf    []byte
}

func (r *memReader) Next() (repo.Chunk, error) {
	for i := range r.buf {
		r.buf[i] = 0xdb
	}
	if len(r.inline) == 0 {
		if len(r.chunks) == 0 {
			return repo.Chunk{}, io.EOF
		}
		c := r.chunks[0]
		r.chunks = r.chunks[1:]
		if !c.External.IsZero() {
			return c, nil
		}
		r.inline = c.Inline
	}
	n := min(r.size, len(r.inline))
	r.buf = append(r.buf[:0], r.inline[:n]...)
	r.inline = r.inline[n:]
	return repo.Chunk{Inline: r.buf}, nil
}

func (r *memReader) Close() error { return nil }

// memLayer is an imported layer.
type memLayer struct {
	store  *memStore
	stream *memStream
	result ImportResult
}

func importMem(store *memStore, blob io.Reader, o ImportOptions) (*memLayer, error) {
	l := &memLayer{store: store, stream: &memStream{}}
	var err error
	l.result, err = importLayer(context.Background(), store, l.stream, blob, o)
	return l, err
}

// mergeMem merges layers whose splitstreams come in pieces of a size.
func mergeMem(layers []*memLayer, size int) (*tree.Node, error) {
	var sources []layerSource
	for i, l := range layers {
		sources = append(sources, layerSource{
			name: fmt.Sprintf("sha256:%064d", i),
			open: func(context.Context) (chunkStream, error) { return l.stream.reader(size), nil },
		})
	}
	return mergeLayers(context.Background(), sources)
}

// mergeTars imports and merges uncompressed layers.
func mergeTars(t testing.TB, store *memStore, tars ...[]byte) (*tree.Node, error) {
	t.Helper()
	var layers []*memLayer
	for i, data := range tars {
		l, err := importMem(store, bytes.NewReader(data), ImportOptions{})
		if err != nil {
			return nil, fmt.Errorf("tar %d: %w", i, err)
		}
		layers = append(layers, l)
	}
	return mergeMem(layers, 1<<16)
}

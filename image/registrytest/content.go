package registrytest

import (
	"bytes"
	"io"
	"log" //nolint:depguard // http.Server takes nothing else
	"os"
	"testing"

	"github.com/opencontainers/go-digest"
)

// content is a blob, in memory or in a file.
type content interface {
	open() (io.ReadSeekCloser, error)
}

type memory []byte

func (m memory) open() (io.ReadSeekCloser, error) {
	return struct {
		io.ReadSeeker
		io.Closer
	}{bytes.NewReader(m), io.NopCloser(nil)}, nil
}

type file string

func (f file) open() (io.ReadSeekCloser, error) { return os.Open(string(f)) }

// AddBlob stores a blob; every repository has it.
func (r *Registry) AddBlob(data []byte) digest.Digest {
	d := digest.FromBytes(data)
	r.add(d, memory(data))
	return d
}

// AddFile serves the file at path, which must stay as it is, as a blob. It
// reads it once, for its digest.
func (r *Registry) AddFile(t testing.TB, path string) digest.Digest {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d, err := digest.FromReader(f)
	if err != nil {
		t.Fatal(err)
	}
	r.add(d, file(path))
	return d
}

// Replace makes the registry serve other bytes for a digest than those it
// names.
func (r *Registry) Replace(d digest.Digest, data []byte) { r.add(d, memory(data)) }

// DeleteBlob forgets a blob.
func (r *Registry) DeleteBlob(d digest.Digest) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.blobs, d)
}

func (r *Registry) add(d digest.Digest, c content) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.blobs[d] = c
}

func (r *Registry) blob(d digest.Digest) (content, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c, ok := r.blobs[d]
	return c, ok
}

func silent() *log.Logger { return log.New(io.Discard, "", 0) }

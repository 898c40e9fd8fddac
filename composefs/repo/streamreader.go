package repo

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/klauspost/compress/zstd"

	"github.com/bootc-go/bootc/composefs/verity"
)

// StreamReader reads one splitstream. It belongs to one goroutine.
type StreamReader struct {
	r       *Repo
	src     io.ReaderAt
	file    *os.File // what Close closes
	digest  verity.Digest
	layout  streamLayout
	objects []verity.Digest
	named   []NamedRef

	dec  *zstd.Decoder // opened by the first Next
	buf  []byte        // decompressed
	rest []byte        // what of buf is still to be given out
	run  uint64        // bytes of the inline chunk still to come

	inline, externals uint64 // given out
	err               error  // what Next returns for good
}

// OpenStreamObject opens the splitstream with the digest d, after checking
// that it has that digest; what this Repo has checked and nobody changed since is
// not read again. A missing one is ErrNotFound.
func (r *Repo) OpenStreamObject(d verity.Digest) (*StreamReader, error) {
	f, size, err := r.openVerifiedOnce(d)
	if err != nil {
		return nil, fmt.Errorf("cannot open splitstream %s: %w", d, err)
	}
	s, err := r.readStream(f, size)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("cannot open splitstream %s: %w", d, err)
	}
	s.digest, s.file = d, f
	return s, nil
}

// OpenStream opens the splitstream called name: "oci-layer-sha256:…",
// "refs/…", or a digest in hexadecimal.
func (r *Repo) OpenStream(name string) (*StreamReader, error) {
	d, ok, err := r.LookupStream(name)
	if err != nil {
		return nil, err
	}
	if !ok {
		if d, err = verity.ParseHex(name); err != nil {
			return nil, fmt.Errorf("cannot open splitstream %s: %w", name, ErrNotFound)
		}
	}
	return r.OpenStreamObject(d)
}

// readStream reads all but the stream itself.
func (r *Repo) readStream(src io.ReaderAt, size int64) (*StreamReader, error) {
	l, err := readLayout(src, size, r.alg)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	s := &StreamReader{r: r, src: src, layout: l}
	if err := s.readRefs(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return s, nil
}

func (s *StreamReader) readRefs() error {
	streams, err := readDigests(s.src, s.layout.streamRefs, s.r.alg)
	if err != nil {
		return fmt.Errorf("stream references: %w", err)
	}
	if s.objects, err = readDigests(s.src, s.layout.objectRefs, s.r.alg); err != nil {
		return fmt.Errorf("object references: %w", err)
	}
	if s.named, err = s.readNamed(streams); err != nil {
		return fmt.Errorf("named references: %w", err)
	}
	return nil
}

// Close releases the reader.
func (s *StreamReader) Close() error {
	s.release()
	return nil
}

func (s *StreamReader) release() {
	if s.dec != nil {
		s.r.giveDecoder(s.dec)
		s.dec = nil
	}
	if s.file != nil {
		s.file.Close()
		s.file = nil
	}
	s.err = errors.New("the splitstream is closed")
}

// Digest is the splitstream's own digest.
func (s *StreamReader) Digest() verity.Digest { return s.digest }

// ContentType is what the writer said the stream is.
func (s *StreamReader) ContentType() uint64 { return s.layout.contentType }

// Size is the length in bytes of the reassembled stream, as the splitstream
// claims it; Cat verifies it.
func (s *StreamReader) Size() uint64 { return s.layout.size }

// ObjectRefs returns the objects that the stream refers to. The caller must
// not change the slice.
func (s *StreamReader) ObjectRefs() []verity.Digest { return s.objects }

// NamedRefs returns the references to other streams and images, in byte order
// of their names. The caller must not change the slice.
func (s *StreamReader) NamedRefs() []NamedRef { return s.named }

// NamedRef returns the digest that name refers to.
func (s *StreamReader) NamedRef(name string) (verity.Digest, bool) {
	i, ok := slices.BinarySearchFunc(s.named, name, compareName)
	if !ok {
		return verity.Digest{}, false
	}
	return s.named[i].Digest, true
}

package layers

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
)

// inflater decodes one gzip member from a bufio.Reader, which it leaves right
// behind the member. A faster decoder is one more implementation of it.
type inflater interface {
	io.Reader
	Reset(r io.Reader) error // begins a member, whose header it reads
}

// newInflater returns a decoder that must be Reset before it is read.
func newInflater() inflater { return &member{} }

// member is klauspost's decoder, kept from going on with the next member by
// itself: it takes the padding of a file for a bad header.
type member struct{ gzip.Reader }

// Reset begins a member.
func (m *member) Reset(r io.Reader) error {
	if err := m.Reader.Reset(r); err != nil {
		return err
	}
	m.Multistream(false)
	return nil
}

// inflaters keeps decoders, whose tables and windows are large.
var inflaters = sync.Pool{New: func() any { return newInflater() }}

// gzipReader reads the members of a gzip file one after the other, with the
// zeros that may pad the last one, to the very end of its input.
type gzipReader struct {
	br  *bufio.Reader
	z   inflater
	err error
}

func newGzipReader(br *bufio.Reader) (io.ReadCloser, error) {
	g := &gzipReader{br: br, z: inflaters.Get().(inflater)} //nolint:forcetypeassert // nothing else is put there
	if err := g.z.Reset(br); err != nil {
		return nil, gzipError(noEOF(err))
	}
	return g, nil
}

// Read implements io.Reader.
func (g *gzipReader) Read(p []byte) (n int, err error) {
	for n == 0 && g.err == nil && len(p) > 0 {
		n, err = g.z.Read(p)
		if isEnd(err) {
			err = g.next()
		}
		if err != nil && !isEnd(err) {
			err = gzipError(err)
		}
		g.err = err
	}
	if n > 0 {
		return n, nil
	}
	return 0, g.err
}

// next begins the next member. It is io.EOF if there is none.
func (g *gzipReader) next() error {
	for zeros := false; ; zeros = true {
		b, err := g.br.Peek(1)
		switch {
		case err != nil:
			return err
		case b[0] == 0:
			g.br.Discard(1) //nolint:errcheck // it was peeked at
		case zeros:
			return malformed("data behind the padding at its end")
		default:
			return noEOF(g.z.Reset(g.br))
		}
	}
}

// Close gives the decoder back.
func (g *gzipReader) Close() error {
	if g.z != nil {
		inflaters.Put(g.z)
	}
	g.z, g.err = nil, errClosed
	return nil
}

// errClosed is what a closed decoder returns.
var errClosed = errors.New("the decoder is closed")

// gzipError marks what the decoder found wrong; errors of its input stay as
// they are.
func gzipError(err error) error {
	if errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) {
		return malformed("%v", err) // says gzip itself
	}
	return fmt.Errorf("gzip: %w", err)
}

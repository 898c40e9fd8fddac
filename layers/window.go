package layers

import (
	"io"
	"sync"
)

const (
	// windowSize is the size in bytes of the buffer that a layer is read
	// through. A file that fits into half of it is handed on in one piece.
	windowSize = 1 << 20
	maxWhole   = windowSize / 2

	// maxEmptyReads is after how many reads of nothing a reader is given up.
	maxEmptyReads = 100
)

// windowBuffers keeps the buffers of layers that are done for the next ones.
var windowBuffers = sync.Pool{New: func() any { return new([windowSize]byte) }}

// window reads a tar through a buffer, of which it shows parts without copying.
type window struct {
	r     io.Reader
	total int64        // bytes read from r
	max   int64        // of total
	ended func() error // says why to stop, if there is a reason
	buf   []byte
	pos   int // buf[pos:end] was read and not yet consumed
	end   int
	err   error // what ended r
}

// peek returns the next n bytes, at most the buffer's size, without consuming
// them. They are valid until the next call of any method but skip. If there are
// fewer, it returns them with the error that ended r.
func (w *window) peek(n int) ([]byte, error) {
	for w.end-w.pos < n {
		if err := w.fill(n); err != nil {
			return w.buf[w.pos:w.end], err
		}
	}
	return w.buf[w.pos : w.pos+n], nil
}

// skip consumes n bytes that peek has returned.
func (w *window) skip(n int) { w.pos += n }

// fill reads once, after making room for n bytes at w.pos.
func (w *window) fill(n int) error {
	if w.pos == w.end {
		w.pos, w.end = 0, 0
	}
	if w.pos+n > len(w.buf) {
		w.end = copy(w.buf, w.buf[w.pos:w.end])
		w.pos = 0
	}
	k, err := w.read(w.buf[w.end:])
	w.end += k
	return err
}

// read reads at least one byte into p, or fails.
func (w *window) read(p []byte) (int, error) {
	for range maxEmptyReads {
		if w.err == nil {
			w.err = w.ended()
		}
		if w.err != nil {
			return 0, w.err
		}
		var n int
		n, w.err = w.r.Read(p)
		w.total += int64(n)
		if w.total > w.max {
			w.err = unsupported("layers of more than %d bytes uncompressed are not supported", w.max)
			return 0, w.err
		}
		if n > 0 {
			return n, nil
		}
	}
	if w.err == nil {
		w.err = io.ErrNoProgress
	}
	return 0, w.err
}

// content reads the n bytes of a large file, the buffered ones first.
type content struct {
	w *window
	n int64 // bytes left
}

// Read implements io.Reader. That the tar ends too early is
// io.ErrUnexpectedEOF.
func (c *content) Read(p []byte) (int, error) {
	if c.n == 0 {
		return 0, io.EOF
	}
	p = p[:min(int64(len(p)), c.n)]
	if len(p) == 0 {
		return 0, nil
	}
	n, err := copy(p, c.w.buf[c.w.pos:c.w.end]), error(nil)
	c.w.skip(n)
	if n == 0 {
		n, err = c.w.read(p)
	}
	c.n -= int64(n)
	return n, noEOF(err)
}

package erofs

import (
	"errors"
	"fmt"
	"io"
)

const (
	windowSize  = 16 << 10
	windowCount = 64
)

// source reads an image in windows, some of which it keeps: an image is mostly
// read from front to back, in a few places at once.
type source struct {
	r       io.ReaderAt
	size    uint64 // of the image; nothing behind it is read
	windows [windowCount]window
}

// window is a piece of the image that begins at a multiple of windowSize.
type window struct {
	number uint64
	data   []byte // nil if the window is not in use
}

// read fills b with what is at off.
func (s *source) read(b []byte, off uint64) error {
	if off > s.size || uint64(len(b)) > s.size-off {
		return fmt.Errorf("%d bytes at %d are beyond the end, %d", len(b), off, s.size)
	}
	for len(b) > 0 {
		w, err := s.window(off / windowSize)
		if err != nil {
			return err
		}
		n := copy(b, w[off%windowSize:])
		b, off = b[n:], off+uint64(n)
	}
	return nil
}

func (s *source) window(number uint64) ([]byte, error) {
	w := &s.windows[number%windowCount]
	if w.data != nil && w.number == number {
		return w.data, nil
	}
	start := number * windowSize
	data := w.data[:0]
	if cap(data) == 0 {
		data = make([]byte, windowSize)
	}
	data = data[:min(windowSize, s.size-start)]
	w.data = nil
	n, err := s.r.ReadAt(data, int64(start))
	if n < len(data) {
		if err == nil || errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, fmt.Errorf("reading %d bytes at %d: %w", len(data), start, err)
	}
	w.number, w.data = number, data
	return data, nil
}

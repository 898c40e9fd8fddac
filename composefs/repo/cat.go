package repo

import (
	"errors"
	"fmt"
	"io"

	"github.com/bootc-go/bootc/composefs/verity"
)

// Cat writes the reassembled stream to w, and verifies that it has the size
// that the splitstream claims. It continues where Next stopped, so it comes
// before any Next.
func (s *StreamReader) Cat(w io.Writer) error {
	left, err := s.cat(w)
	if err == nil && left > 0 {
		err = fmt.Errorf("%w: %d bytes short of the %d that it claims", ErrDamaged, left, s.layout.size)
	}
	if err != nil {
		return fmt.Errorf("cannot reassemble splitstream %s: %w", s.digest, err)
	}
	return nil
}

// cat returns how many bytes are missing in the end.
func (s *StreamReader) cat(w io.Writer) (left uint64, err error) {
	for left = s.layout.size; ; {
		c, err := s.Next()
		if errors.Is(err, io.EOF) {
			return left, nil
		}
		if err != nil {
			return left, err
		}
		n, err := s.catChunk(w, c, left)
		if err != nil {
			return left, err
		}
		left -= n
	}
}

func (s *StreamReader) catChunk(w io.Writer, c Chunk, left uint64) (uint64, error) {
	if !c.External.IsZero() {
		return s.catObject(w, c.External, left)
	}
	if uint64(len(c.Inline)) > left {
		return 0, fmt.Errorf("%w: more bytes than the %d that it claims", ErrDamaged, s.layout.size)
	}
	n, err := w.Write(c.Inline)
	return uint64(n), err
}

// catObject copies an object, unless it is too large for what is left of the
// stream.
func (s *StreamReader) catObject(w io.Writer, d verity.Digest, left uint64) (uint64, error) {
	f, err := s.r.OpenObject(d)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err == nil && uint64(st.Size()) > left {
		err = fmt.Errorf("%w: object %s has %d bytes where %d are left", ErrDamaged, d, st.Size(), left)
	}
	if err != nil {
		return 0, err
	}
	n, err := io.Copy(w, io.LimitReader(f, st.Size()))
	return uint64(n), err
}

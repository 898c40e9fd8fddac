package repo

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/bootc-go/bootc/composefs/verity"
)

// chunkBuffer is the size in bytes of what is decompressed at once.
const chunkBuffer = 256 << 10

// Chunk is a piece of a stream: bytes, or an object whose content stands
// there.
type Chunk struct {
	Inline   []byte        // valid until the next call of Next
	External verity.Digest // zero if the chunk is inline
}

// Next returns the next chunk, io.EOF after the last. A long run of inline
// bytes comes in several chunks. It never yields more inline bytes than
// Size.
func (s *StreamReader) Next() (Chunk, error) {
	if s.err != nil {
		return Chunk{}, s.err
	}
	c, err := s.next()
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("splitstream %s: %w: %w", s.digest, ErrDamaged, err)
	}
	s.err = err
	return c, err
}

func (s *StreamReader) next() (Chunk, error) {
	if s.dec == nil {
		if err := s.start(); err != nil {
			return Chunk{}, err
		}
	}
	if s.run == 0 {
		n, err := s.prefix()
		if err != nil {
			return Chunk{}, err
		}
		if n >= 0 {
			return s.external(uint64(n))
		}
		if err := s.beginRun(-uint64(n)); err != nil {
			return Chunk{}, err
		}
	}
	return s.piece()
}

func (s *StreamReader) start() (err error) {
	sec := s.layout.stream
	s.dec, err = s.r.decoder(io.NewSectionReader(s.src, int64(sec.start), int64(sec.len())))
	if s.buf == nil {
		s.buf = make([]byte, chunkBuffer)
	}
	return err
}

// prefix reads what begins a chunk. io.EOF is the end of the stream.
func (s *StreamReader) prefix() (int64, error) {
	for len(s.rest) < chunkPrefixLen {
		err := s.fill()
		if errors.Is(err, io.EOF) && len(s.rest) == 0 {
			return 0, s.end()
		}
		if err != nil {
			return 0, noEOF(err)
		}
	}
	n := int64(binary.LittleEndian.Uint64(s.rest))
	s.rest = s.rest[chunkPrefixLen:]
	return n, nil
}

// end judges the whole stream. With external chunks only Cat can.
func (s *StreamReader) end() error {
	if s.externals == 0 && s.inline != s.layout.size {
		return fmt.Errorf("it holds %d bytes and claims %d", s.inline, s.layout.size)
	}
	return io.EOF
}

// fill decompresses more, behind what is left. It yields at least a byte or an
// error.
func (s *StreamReader) fill() error {
	kept := copy(s.buf, s.rest)
	for {
		n, err := s.dec.Read(s.buf[kept:])
		s.rest = s.buf[:kept+n]
		if n > 0 {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// beginRun begins an inline chunk of n bytes.
func (s *StreamReader) beginRun(n uint64) error {
	if taken := s.inline + s.externals; taken > s.layout.size || n > s.layout.size-taken {
		return fmt.Errorf("a chunk of %d bytes exceeds the stream's size of %d", n, s.layout.size)
	}
	s.run = n
	return nil
}

// piece gives out what is decompressed of the run, without copying it.
func (s *StreamReader) piece() (Chunk, error) {
	if len(s.rest) == 0 {
		if err := s.fill(); err != nil {
			return Chunk{}, noEOF(err)
		}
	}
	n := min(uint64(len(s.rest)), s.run)
	c := Chunk{Inline: s.rest[:n:n]}
	s.rest = s.rest[n:]
	s.run -= n
	s.inline += n
	return c, nil
}

// external gives out an object. It counts as one byte at least, which bounds
// the number of chunks by the size that the stream claims. Only a stream of
// nothing may have one empty object.
func (s *StreamReader) external(i uint64) (Chunk, error) {
	if i >= uint64(len(s.objects)) {
		return Chunk{}, fmt.Errorf("a chunk refers to object %d of %d", i, len(s.objects))
	}
	s.externals++
	if s.inline+s.externals > max(s.layout.size, 1) {
		return Chunk{}, fmt.Errorf("more chunks than the stream's size of %d allows", s.layout.size)
	}
	return Chunk{External: s.objects[i]}, nil
}

package layers

import (
	"bytes"
	"io"

	"github.com/bootc-go/bootc/composefs/verity"
)

// objectWriter stores the content of files.
type objectWriter interface {
	Put(data []byte) (verity.Digest, error)
	PutReader(r io.Reader, size int64) (verity.Digest, error)
}

// streamWriter takes the splitstream of a layer.
type streamWriter interface {
	WriteInline(p []byte) error
	WriteExternal(d verity.Digest, size int64) error
}

// splitter takes a tar apart: the content of files above maxInline goes to
// objects, and all else, in its place among references to them, to stream. It
// is the layout of composefs-rs, which reads the result.
type splitter struct {
	window
	headers headerReader
	checker checker
	budget  *budget
	objects objectWriter
	stream  streamWriter
	entries int64
	outside int64 // bytes that are not the content of files
	dense   int64 // those of them that are inline and not zero
}

// longTail is the length in bytes from which what follows the archive is an
// object: the splitstream is compressed in memory.
const longTail = 64 << 10

// spendOutside keeps a layer from being nothing but its splitstream.
func (s *splitter) spendOutside(n int) error {
	if s.outside += int64(n); s.outside > maxOutside {
		return unsupported("more than %d bytes besides the content of files are not supported", int64(maxOutside))
	}
	return nil
}

// writeInline bounds the memory of the splitstream, of which zeros, the most of
// an honest tar's headers and padding, take next to nothing.
func (s *splitter) writeInline(p []byte) error {
	if err := s.spendOutside(len(p)); err != nil {
		return err
	}
	s.dense += int64(len(p) - bytes.Count(p, zeroBlock[:1]))
	if s.dense > maxDense {
		return unsupported("more than %d bytes in headers and small files, zeros aside, are not supported", maxDense)
	}
	return s.stream.WriteInline(p)
}

// block implements blocks: what the header reader sees goes into the stream.
func (s *splitter) block() ([]byte, error) {
	b, err := s.peek(blockSize)
	if err != nil {
		if len(b) > 0 {
			err = noEOF(err)
		}
		return nil, err
	}
	s.skip(blockSize)
	return b, s.writeInline(b)
}

// split reads the tar to the end of its data, what follows the end of the
// archive included.
func (s *splitter) split() error {
	s.headers.src = s
	for {
		h, err := s.headers.next()
		if isEnd(err) {
			return s.tail()
		}
		if err != nil {
			return err
		}
		if err := s.entry(h); err != nil {
			return err
		}
	}
}

// entry checks one entry and passes on its content.
func (s *splitter) entry(h *header) error {
	e, err := s.checker.check(h)
	if err != nil {
		return err
	}
	s.entries++
	if err := s.budget.spend(&e); err != nil {
		return err
	}
	if e.size == 0 {
		return nil
	}
	var kept [maxShown + 1]byte // the name is gone once more is read
	name := kept[:copy(kept[:], e.name)]
	if err := s.content(e.size, e.padding()); err != nil {
		return entryError(name, noEOF(err))
	}
	return nil
}

func (s *splitter) content(size int64, padding int) error {
	if size <= maxInline {
		return s.inline(int(size) + padding)
	}
	d, err := s.put(size)
	if err != nil {
		return err
	}
	if err := s.stream.WriteExternal(d, size); err != nil {
		return err
	}
	return s.inline(padding)
}

// put stores a file as an object.
func (s *splitter) put(size int64) (verity.Digest, error) {
	if size > maxWhole {
		return s.objects.PutReader(&content{&s.window, size}, size)
	}
	data, err := s.peek(int(size))
	if err != nil {
		return verity.Digest{}, err
	}
	s.skip(len(data))
	return s.objects.Put(data)
}

// inline passes on n bytes as they are.
func (s *splitter) inline(n int) error {
	data, err := s.peek(n)
	if err != nil || n == 0 {
		return err
	}
	s.skip(n)
	return s.writeInline(data)
}

// tail passes on what follows the archive's end: the rest of GNU tar's last
// record, and whatever else the diff_id covers. Readers of entries do not get
// there, so that objects may stand there, which they may not among headers.
func (s *splitter) tail() error {
	for {
		data, err := s.peek(maxWhole)
		if err != nil && !isEnd(err) {
			return err
		}
		s.skip(len(data))
		if err := s.tailPiece(data); err != nil || len(data) < maxWhole {
			return err
		}
	}
}

func (s *splitter) tailPiece(data []byte) error {
	if len(data) < longTail {
		return s.writeInline(data)
	}
	if err := s.spendOutside(len(data)); err != nil {
		return err
	}
	d, err := s.objects.Put(data)
	if err != nil {
		return err
	}
	return s.stream.WriteExternal(d, int64(len(data)))
}

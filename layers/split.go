package layers

import (
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
	inlined int64 // bytes written inline
}

// writeInline keeps a layer from being nothing but its splitstream, which is
// compressed in memory.
func (s *splitter) writeInline(p []byte) error {
	s.inlined += int64(len(p))
	if s.inlined > maxInlined {
		return unsupported("more than %d bytes besides the content of files are not supported", int64(maxInlined))
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
// record, and whatever else the diff_id covers.
func (s *splitter) tail() error {
	for {
		_, err := s.peek(1)
		if isEnd(err) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := s.inline(s.end - s.pos); err != nil {
			return err
		}
	}
}

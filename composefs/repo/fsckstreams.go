package repo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/bootc-go/bootc/composefs/verity"
)

// stream checks the splitstream d: header, references, and every chunk.
func (c *checker) stream(path string, d verity.Digest) {
	first := c.checked.add(d)
	s, err := c.r.OpenStreamObject(d)
	if err != nil {
		c.failed(StreamOpenFailed, path, d, err)
		return
	}
	defer s.release()
	missing := c.streamRefs(path, s)
	if err := c.streamChunks(s); err != nil && (!missing || !errors.Is(err, ErrNotFound)) {
		c.failed(StreamReadFailed, path, d, err)
	}
	if first {
		for _, ref := range s.NamedRefs() {
			c.named = append(c.named, ref.Digest)
		}
	}
}

// streamRefs checks that everything that the stream refers to is there.
func (c *checker) streamRefs(path string, s *StreamReader) (missing bool) {
	for _, o := range s.ObjectRefs() {
		if _, ok := c.size(o); !ok {
			c.report.MissingObjects++
			c.found(MissingObjectRef, path, o, "%s", o)
			missing = true
		}
	}
	for _, ref := range s.NamedRefs() {
		if _, ok := c.size(ref.Digest); !ok {
			c.report.MissingObjects++
			c.found(MissingNamedRef, path, ref.Digest, "ref %s: %s", ref.Name, ref.Digest)
		}
	}
	return missing
}

// streamChunks reads all chunks, without the objects, and adds up their sizes.
func (c *checker) streamChunks(s *StreamReader) error {
	var total uint64
	for {
		chunk, err := s.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		size, ok := int64(len(chunk.Inline)), true
		if !chunk.External.IsZero() {
			size, ok = c.size(chunk.External)
		}
		if !ok {
			return ErrNotFound // and reported already
		}
		total += uint64(size)
	}
	if total != s.Size() {
		return fmt.Errorf("%w: it yields %d bytes and claims %d", ErrDamaged, total, s.Size())
	}
	return nil
}

// namedStreams checks what splitstreams refer to by name and no link stands
// for, and so on.
func (c *checker) namedStreams(ctx context.Context) error {
	for len(c.named) > 0 {
		if err := cmp.Or(c.err, ctx.Err()); err != nil {
			return err
		}
		d := c.named[0]
		c.named = c.named[1:]
		if c.checked.has(d) {
			continue
		}
		what, err := c.r.sniff(d)
		if passing(err) {
			c.stop(objectPath(d), err)
		}
		if err != nil || what != splitstream {
			continue // missing or unreadable, which is reported, or no splitstream
		}
		c.report.StreamsChecked++
		before := len(c.report.Findings)
		if c.stream(objectPath(d), d); len(c.report.Findings) > before {
			c.report.StreamsCorrupted++
		}
	}
	return nil
}

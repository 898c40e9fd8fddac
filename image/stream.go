package image

import (
	"context"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/opencontainers/go-digest"

	"github.com/bootc-go/bootc/internal/progress"
)

const (
	// progressStep is how many bytes are read between two progress events.
	progressStep = 256 << 10
	// worthwhile is how many bytes must have come since a failure for it not
	// to count among the failures in a row.
	worthwhile = 64 << 10
)

// blob is what is to be read, and what messages call it.
type blob struct {
	digest digest.Digest
	size   int64  // -1 if unknown
	name   string // "layer 3 of 12 (sha256:9f2c1a2b3c4d)"
	task   string // "layer 3 of 12"
}

// origin is where blobs are.
type origin interface {
	// open starts to read the blob at an offset. Its errors, and those of the
	// body, are sentences without the blob's name.
	open(ctx context.Context, b blob, off int64) (body, error)
}

// body is a blob, or the rest of it. Close may leave what was not read.
type body interface {
	io.ReadCloser
	// place is where the bytes come from, for messages.
	place() string
	// blame tells the origin that these bytes were bad or came too slowly.
	blame()
}

// stream reads a blob to its end across interruptions, and verifies it. It is
// for one goroutine.
type stream struct {
	ctx    context.Context //nolint:containedctx // a stream is one operation, which Read continues
	cancel context.CancelFunc
	from   origin
	blob   blob
	retry  retrier

	body     body   // nil if it must be opened
	last     string // the place of the last body
	hash     hash.Hash
	off      int64
	mark     int64 // off at the last failure
	reported int64
	err      error // sticky
}

// newStream starts to read a blob; nothing is opened until the first Read.
func newStream(ctx context.Context, from origin, b blob, o Options) io.ReadCloser {
	ctx, cancel := context.WithCancel(ctx)
	s := &stream{ctx: ctx, cancel: cancel, from: from, blob: b, retry: newRetrier(o), hash: b.digest.Algorithm().Hash()}
	s.report(progress.Started)
	return s
}

// Read returns the blob's bytes, then io.EOF if they were right.
func (s *stream) Read(p []byte) (int, error) {
	for s.err == nil {
		if s.off == s.blob.size {
			s.err = s.finish()
			break
		}
		if len(p) == 0 {
			return 0, nil
		}
		n, err := s.read(p)
		s.take(p[:n])
		if err != nil {
			s.err = s.recover(err)
		}
		if n > 0 {
			return n, nil
		}
	}
	return 0, s.err
}

// read opens the body if need be, and reads no more than the blob's size from
// it: a source that goes on for ever is left at that.
func (s *stream) read(p []byte) (int, error) {
	if s.body == nil {
		b, err := s.from.open(s.ctx, s.blob, s.off)
		if err != nil {
			return 0, err
		}
		s.body, s.last = b, b.place()
	}
	if s.blob.size >= 0 {
		p = p[:min(int64(len(p)), s.blob.size-s.off)]
	}
	n, err := s.body.Read(p)
	if errors.Is(err, io.EOF) && s.off+int64(n) == s.blob.size {
		err = nil
	}
	return n, err
}

// take accounts for bytes that were read.
func (s *stream) take(p []byte) {
	s.hash.Write(p)
	s.off += int64(len(p))
	if s.off-s.reported >= progressStep {
		s.report(progress.Advanced)
	}
}

// recover decides what an error of read means. It returns nil if reading can
// go on.
func (s *stream) recover(err error) error {
	if s.blob.size < 0 && errors.Is(err, io.EOF) {
		s.blob.size = s.off
		return nil
	}
	if err := interrupted(s.ctx); err != nil {
		return err
	}
	f := s.failure(err)
	if s.off-s.mark >= worthwhile {
		s.retry.failures = 0
	} else if s.body != nil {
		s.body.blame()
	}
	s.mark = s.off
	s.drop()
	return s.retry.failed(s.ctx, f.in(s.blob.name))
}

// failure makes a sentence of an error.
func (s *stream) failure(err error) *failure {
	if f, ok := errors.AsType[*failure](err); ok {
		return f
	}
	f := &failure{class: classify(err), cause: err}
	so := fmt.Sprintf("after %s of %s bytes", comma(s.off), comma(s.blob.size))
	switch {
	case errors.Is(err, io.EOF):
		f.class = class{ErrCorrupt, true}
		f.text = fmt.Sprintf("%s ended %s", s.last, so)
	case errors.Is(err, errStalled):
		f.text = fmt.Sprintf("%s sent nothing for %s, %s", s.last, s.retry.Stall, so)
	case errors.Is(err, io.ErrUnexpectedEOF):
		f.text = fmt.Sprintf("%s broke off %s", s.last, so)
	default:
		f.text = fmt.Sprintf("%s broke off %s: %s", s.last, so, reason(err))
	}
	return f
}

// finish verifies the digest.
func (s *stream) finish() error {
	got := digest.NewDigest(s.blob.digest.Algorithm(), s.hash)
	if got != s.blob.digest {
		if s.body != nil {
			s.body.blame()
		}
		f := &failure{class: class{ErrCorrupt, false}, text: fmt.Sprintf("%s has wrong bytes: their digest is %s", s.last, got)}
		return f.in(s.blob.name)
	}
	s.drop()
	s.report(progress.Done)
	return io.EOF
}

func (s *stream) drop() {
	if s.body != nil {
		_ = s.body.Close() // only read from
		s.body = nil
	}
}

func (s *stream) report(k progress.Kind) {
	s.reported = s.off
	if s.blob.task == "" {
		return
	}
	s.retry.progress.Report(progress.Event{
		Kind: k, Task: s.blob.digest.String(), Text: s.blob.task, Unit: progress.Bytes, Done: s.off, Total: max(s.blob.size, 0),
	})
}

// Close frees the connection. Bytes not read yet are not waited for.
func (s *stream) Close() error {
	s.cancel()
	s.drop()
	if s.err == nil {
		s.err = errClosed
	}
	return nil
}

var errClosed = errors.New("read after close")

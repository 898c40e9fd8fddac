package image

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// endpointBody is the body of an answer, watched for stalls.
type endpointBody struct {
	from  *endpoint
	group *registry // whom to tell about bad bytes
	resp  io.ReadCloser
	ctx   context.Context //nolint:containedctx // of the request whose answer this is
	dog   *watchdog
}

func (b *endpointBody) place() string { return b.from.place() }

func (b *endpointBody) blame() { b.group.leave(b.from) }

// Read gives up when nothing comes for a while. The time in which nobody reads
// does not count.
func (b *endpointBody) Read(p []byte) (int, error) {
	b.dog.wait()
	n, err := b.resp.Read(p)
	b.dog.came()
	if err != nil && errors.Is(context.Cause(b.ctx), errStalled) {
		err = errStalled
	}
	return n, err
}

// Close ends the request; the connection is lost unless all was read.
func (b *endpointBody) Close() error {
	b.dog.end()
	return b.resp.Close()
}

// skip reads past bytes that are here already, from a registry that does not
// serve ranges.
func (b *endpointBody) skip(n int64) error {
	done, err := io.CopyN(io.Discard, struct{ io.Reader }{b}, n)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, io.EOF):
		return &failure{class: class{ErrCorrupt, true}, text: fmt.Sprintf("%s ended after %s bytes, when it had sent %s before", b.place(), comma(done), comma(n))}
	}
	return &failure{class: classify(err), cause: err, text: fmt.Sprintf("%s broke off: %s", b.place(), reason(err))}
}

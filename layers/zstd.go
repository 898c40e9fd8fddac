package layers

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// maxWindow is the largest window in bytes that a zstd frame may ask for, and
// so what a decoder holds: the limit of zstd(1) and libzstd. What tools for
// containers write needs 8 MiB at most.
const maxWindow = 1 << 27

// zstdDecoders keeps decoders, whose tables and windows are large.
var zstdDecoders sync.Pool

// zstdReader reads the frames of a zstd file, the skippable ones passed over.
type zstdReader struct{ z *zstd.Decoder }

// newZstdReader decodes in the caller's goroutine: several layers are read at
// once, and one goroutine for each costs half as much as one for each block.
func newZstdReader(br *bufio.Reader) (io.ReadCloser, error) {
	if z, ok := zstdDecoders.Get().(*zstd.Decoder); ok {
		return &zstdReader{z}, z.Reset(br)
	}
	z, err := zstd.NewReader(br, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderMaxMemory(maxWindow))
	if err != nil {
		return nil, fmt.Errorf("zstd: %w", err)
	}
	return &zstdReader{z}, nil
}

// Read implements io.Reader.
func (r *zstdReader) Read(p []byte) (int, error) {
	if r.z == nil {
		return 0, errClosed
	}
	n, err := r.z.Read(p)
	switch {
	case err == nil || isEnd(err):
		return n, err
	case errors.Is(err, zstd.ErrWindowSizeExceeded), errors.Is(err, zstd.ErrDecoderSizeExceeded):
		return n, unsupported("zstd: a window of more than %d bytes is not supported", maxWindow)
	}
	return n, fmt.Errorf("zstd: %w", err)
}

// Close gives the decoder back.
func (r *zstdReader) Close() error {
	if r.z != nil && r.z.Reset(nil) == nil {
		zstdDecoders.Put(r.z)
	}
	r.z = nil
	return nil
}

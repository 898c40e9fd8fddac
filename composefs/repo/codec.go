package repo

import (
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

const (
	// zstdWindow is that of our encoder: it bounds what it holds, and headers
	// of tar entries gain nothing from a larger one.
	zstdWindow = 1 << 20
	// zstdMaxWindow bounds what the decoder holds, however much a frame asks
	// for. The level that composefs-rs uses asks for 2 MiB.
	zstdMaxWindow = 32 << 20
)

// encoder lends an encoder that writes to w; giveEncoder takes it back.
func (r *Repo) encoder(w io.Writer) (*zstd.Encoder, error) {
	if e, ok := r.encoders.Get().(*zstd.Encoder); ok {
		e.Reset(w)
		return e, nil
	}
	e, err := zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
		zstd.WithWindowSize(zstdWindow), zstd.WithEncoderCRC(false), zstd.WithZeroFrames(true))
	if err != nil {
		return nil, fmt.Errorf("internal error: zstd: %w", err)
	}
	return e, nil
}

func (r *Repo) giveEncoder(e *zstd.Encoder) {
	e.Reset(nil)
	r.encoders.Put(e)
}

// decoder lends a decoder that reads from rd; giveDecoder takes it back.
func (r *Repo) decoder(rd io.Reader) (*zstd.Decoder, error) {
	if d, ok := r.decoders.Get().(*zstd.Decoder); ok {
		return d, d.Reset(rd)
	}
	return newDecoder(rd)
}

func newDecoder(rd io.Reader) (*zstd.Decoder, error) {
	return zstd.NewReader(rd, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(zstdMaxWindow))
}

func (r *Repo) giveDecoder(d *zstd.Decoder) {
	if d.Reset(nil) == nil {
		r.decoders.Put(d)
	}
}

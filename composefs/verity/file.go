package verity

import (
	"context"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sync/errgroup"
)

// chunkSize is how much one worker reads at a time. It is a whole number of
// subtrees below a level-1 block for both algorithms.
const chunkSize = 1 << 20

// SumReaderAt returns the digest of the first size bytes of r, which it reads
// with up to workers goroutines at once, in at most workers MiB of memory. If r
// ends earlier the error is io.ErrUnexpectedEOF.
func SumReaderAt(ctx context.Context, alg Algorithm, r io.ReaderAt, size int64, workers int) (Digest, error) {
	s := &fileSum{alg: alg, r: r, size: size, chunks: max(size-1, 0) / chunkSize}
	s.workers = max(min(int64(workers), s.chunks), 1)
	h := NewHasher(alg)
	if err := s.parallel(ctx, h); err != nil {
		return Digest{}, err
	}
	if err := s.tail(h); err != nil {
		return Digest{}, err
	}
	return h.Sum(), nil
}

// fileSum is one file on its way through the workers. All of its chunks are
// whole; what is left, 1 to chunkSize bytes, is the tail.
type fileSum struct {
	alg     Algorithm
	r       io.ReaderAt
	size    int64
	chunks  int64
	workers int64
}

// parallel hashes the chunks, each down to the hashes of its level-1 blocks,
// which h takes in order.
func (s *fileSum) parallel(ctx context.Context, h *Hasher) error {
	if s.chunks == 0 {
		return ctx.Err()
	}
	g, ctx := errgroup.WithContext(ctx)
	out := make([]chan []byte, s.workers)
	for w := range out {
		out[w] = make(chan []byte, 4)
		g.Go(func() error { return s.work(ctx, int64(w), out[w]) })
	}
	g.Go(func() error { return s.collect(ctx, h, out) })
	return g.Wait()
}

// work hashes each chunk whose turn it is: w, w+workers, ...
func (s *fileSum) work(ctx context.Context, w int64, out chan<- []byte) error {
	buf := make([]byte, chunkSize)
	var leaves []byte
	sum := blocksOf(s.alg)
	for i := w; i < s.chunks; i += s.workers {
		if err := s.read(buf, i*chunkSize); err != nil {
			return err
		}
		leaves = sum(leaves[:0], buf)
		select {
		case out <- sum(nil, leaves):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// collect gives h what the workers found, in the order of the file.
func (s *fileSum) collect(ctx context.Context, h *Hasher, out []chan []byte) error {
	h.level(1)
	for i := range s.chunks {
		select {
		case hashes := <-out[i%s.workers]:
			h.push(2, hashes)
			h.size += chunkSize
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (s *fileSum) tail(h *Hasher) error {
	buf := make([]byte, s.size-s.chunks*chunkSize)
	if err := s.read(buf, s.chunks*chunkSize); err != nil {
		return err
	}
	h.Write(buf) //nolint:errcheck // a Hasher does not fail
	return nil
}

// read fills buf from offset off.
func (s *fileSum) read(buf []byte, off int64) error {
	if len(buf) == 0 {
		return nil
	}
	n, err := s.r.ReadAt(buf, off)
	switch {
	case n == len(buf):
		return nil
	case errors.Is(err, io.EOF):
		return fmt.Errorf("end of data after %d of %d bytes: %w", off+int64(n), s.size, io.ErrUnexpectedEOF)
	}
	return err
}

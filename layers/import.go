package layers

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"

	"github.com/bootc-go/bootc/composefs/oci"
	"github.com/bootc-go/bootc/composefs/repo"
	"github.com/bootc-go/bootc/composefs/verity"
)

// ImportOptions say what a layer must be.
type ImportOptions struct {
	DiffID digest.Digest // of the uncompressed tar; empty to take what comes
}

// ImportResult describes an imported layer.
type ImportResult struct {
	DiffID      digest.Digest // of the tar, verified if the options gave one
	Stream      verity.Digest // the object that holds the splitstream
	Compression Compression
	TarSize     int64 // bytes of the tar
	Entries     int64 // in the tar, whiteouts included
}

// Import reads a layer's blob to its end and stores its files as objects and
// the rest of its tar as a splitstream, which gets no name: the caller gives
// it one after [repo.Repo.Sync]. The diff_id is verified before the splitstream
// is stored. What memory it takes does not depend on what the blob claims: it is
// a few MiB, the window of a zstd frame (128 MiB at most), and the splitstream in
// compressed form, copied as it grows (see docs/reference/layers.md).
//
// The blob's own digest is not looked at: blob is expected to fail instead of
// ending if its bytes are wrong. Such an error is returned before any that
// follows from the wrong bytes, even if those are noticed first.
func Import(ctx context.Context, r *repo.Repo, im *repo.Importer, blob io.Reader, o ImportOptions) (ImportResult, error) {
	stream := r.NewStream(im, oci.ContentTypeLayer)
	defer stream.Abort()
	res, err := importLayer(ctx, im, stream, blob, o)
	if err == nil {
		res.Stream, err = stream.Commit()
	}
	if err != nil {
		return ImportResult{}, layerError(string(o.DiffID), err)
	}
	return res, nil
}

// layerError names the layer that err is about.
func layerError(name string, err error) error {
	if name == "" {
		return fmt.Errorf("layer: %w", err)
	}
	return fmt.Errorf("layer %s: %w", name, err)
}

// importLayer is Import without the repository.
func importLayer(ctx context.Context, objects objectWriter, stream streamWriter, blob io.Reader, o ImportOptions) (ImportResult, error) {
	src := &source{r: blob}
	res, err := splitBlob(ctx, objects, stream, src, o)
	if errors.Is(err, ErrMalformed) || errors.Is(err, ErrDiffID) || errors.Is(err, io.ErrUnexpectedEOF) {
		src.drain(ctx)
	}
	if src.err != nil {
		err = src.err
	}
	return res, err
}

func splitBlob(ctx context.Context, objects objectWriter, stream streamWriter, src *source, o ImportOptions) (res ImportResult, err error) {
	alg := digest.Canonical
	if o.DiffID != "" {
		if err := o.DiffID.Validate(); err != nil {
			return res, fmt.Errorf("diff_id %q: %w", o.DiffID, err)
		}
		alg = o.DiffID.Algorithm()
	}
	data, compression, err := Decompress(src)
	if err != nil {
		return res, src.blame(err)
	}
	defer data.Close()
	buf := windowBuffers.Get().(*[windowSize]byte) //nolint:forcetypeassert // nothing else is put there
	defer windowBuffers.Put(buf)
	tar := readAhead(&decoded{data, src}, alg.Hash())
	defer tar.close()
	s := splitter{
		window:  window{r: tar, max: maxTar, ended: ctx.Err, buf: buf[:]},
		budget:  newBudget(),
		objects: objects,
		stream:  stream,
	}
	if err := s.split(); err != nil {
		return res, err
	}
	res = ImportResult{DiffID: digest.NewDigest(alg, tar.sum), Compression: compression, TarSize: s.total, Entries: s.entries}
	if o.DiffID != "" && res.DiffID != o.DiffID {
		return res, fmt.Errorf("%w: its digest is %s", ErrDiffID, res.DiffID)
	}
	return res, nil
}

// source is a blob that remembers why it failed: a decoder may lose that.
type source struct {
	r   io.Reader
	err error
}

// Read implements io.Reader.
func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && !isEnd(err) && s.err == nil {
		s.err = err
	}
	return n, err
}

// drain reads what is left, so that a blob whose bytes are wrong says so.
func (s *source) drain(ctx context.Context) {
	buf := make([]byte, inputSize)
	for empty := 0; s.err == nil && ctx.Err() == nil && empty < maxEmptyReads; empty++ {
		n, err := s.Read(buf)
		if err != nil {
			return
		}
		if n > 0 {
			empty = 0
		}
	}
}

// blame returns err as the blob's fault, unless the blob could not be read.
func (s *source) blame(err error) error {
	if s.err != nil || errors.Is(err, ErrUnsupported) || errors.Is(err, ErrMalformed) {
		return err
	}
	return malformed("%v", err)
}

// decoded is the output of a decoder, whose own errors are the blob's fault.
type decoded struct {
	r   io.Reader
	src *source
}

// Read implements io.Reader.
func (d *decoded) Read(p []byte) (int, error) {
	n, err := d.r.Read(p)
	if err != nil && !isEnd(err) {
		err = d.src.blame(err)
	}
	return n, err
}

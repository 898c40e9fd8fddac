package conform

import (
	"context"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"

	"github.com/opencontainers/go-digest"

	"github.com/bootc-go/bootc/internal/progress"
)

// blob is content that is being read. It is read to one byte behind the size that its
// descriptor claims at most, and measured on the way.
type blob struct {
	from io.ReadCloser
	c    *checker
	d    descriptor
	n    int64
	told int64     // of n
	hash hash.Hash // nil if the algorithm is not known
	err  error     // that ended it, but io.EOF
}

// progressStep is the number of bytes between two reports.
const progressStep = 1 << 20

// open opens what d describes. It returns nil if that is not there, which it reports.
func (c *checker) open(d descriptor) *blob {
	if !d.ok {
		return nil
	}
	r, err := c.src.Blob(c.ctx, d.Descriptor)
	if err != nil {
		c.unreadable(d, err)
		return nil
	}
	b := &blob{from: r, c: c, d: d}
	if a := d.Digest.Algorithm(); a.Available() {
		b.hash = a.Hash()
	}
	b.report(progress.Started)
	return b
}

// unreadable reports that what d describes cannot be had.
func (c *checker) unreadable(d descriptor, err error) {
	switch {
	case c.ctx.Err() != nil:
	case c.layout && errors.Is(err, fs.ErrNotExist):
		c.add("layout-blob-absent", d.at, "the layout does not have %s", d.Digest)
	default:
		c.add("blob-unreadable", d.at, "%s cannot be read: %v", d.Digest, err)
	}
}

// Read implements io.Reader.
func (b *blob) Read(p []byte) (int, error) {
	if err := b.c.ctx.Err(); err != nil {
		b.err = err
		return 0, err
	}
	left := b.d.Size + 1 - b.n
	if left <= 0 {
		return 0, io.EOF
	}
	n, err := b.from.Read(p[:min(int64(len(p)), left)])
	b.n += int64(n)
	if b.hash != nil {
		b.hash.Write(p[:n])
	}
	if b.n-b.told >= progressStep {
		b.told = b.n
		b.report(progress.Advanced)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		b.err = err
	}
	return n, err
}

// report tells how far it is, unless it is read in no time.
func (b *blob) report(k progress.Kind) {
	if b.d.Size >= progressStep {
		b.c.o.Progress.Report(progress.Event{Kind: k, Task: b.d.Digest.String(), Text: b.d.at.path, Done: b.n, Total: b.d.Size})
	}
}

// finish reads the rest, closes the blob, and reports whether it is what its
// descriptor says.
func (b *blob) finish() bool {
	_, _ = io.Copy(io.Discard, b) // b.err has it
	b.from.Close()
	b.report(progress.Done)
	if b.err != nil {
		b.c.unreadable(b.d, b.err)
		return false
	}
	return b.c.measured(b)
}

// measured compares what was read with the descriptor. Of content that is longer than
// it should be the digest is not known.
func (c *checker) measured(b *blob) bool {
	d := b.d
	switch {
	case b.n > d.Size:
		c.add("descriptor-size-content", d.at.key("size"), "the size is %d, the content of %s is longer", d.Size, d.Digest)
		return false
	case b.hash == nil:
		c.add("descriptor-digest-unverified", d.at.key("digest"), "the content cannot be compared with %s", d.Digest)
	case digest.NewDigest(d.Digest.Algorithm(), b.hash) != d.Digest:
		c.wrongContent(d, digest.NewDigest(d.Digest.Algorithm(), b.hash))
		return false
	}
	if b.n < d.Size {
		c.add("descriptor-size-content", d.at.key("size"), "the size is %d, the content of %s has %d bytes", d.Size, d.Digest, b.n)
		return false
	}
	return true
}

func (c *checker) wrongContent(d descriptor, is digest.Digest) {
	if c.layout {
		c.add("layout-blob-content", place{document: "blob", digest: d.Digest.String()}, "the content has the digest %s", is)
		return
	}
	c.add("descriptor-digest-content", d.at.key("digest"), "the content of %s has the digest %s", d.Digest, is)
}

// read returns the document that d describes, if it is that.
func (c *checker) read(d descriptor) ([]byte, bool) {
	if d.ok && d.Size > maxDocument {
		c.add("limit-document", d.at, "the document has %d bytes; bootc reads %d, and registries need not take more", d.Size, maxDocument)
		return nil, false
	}
	b := c.open(d)
	if b == nil {
		return nil, false
	}
	data, _ := io.ReadAll(b) // finish has the error
	return data, b.finish()
}

// opaque verifies content that is not understood.
func (c *checker) opaque(d descriptor) {
	if !d.ok || c.verified[d.Digest] {
		return
	}
	c.verified[d.Digest] = true
	if b := c.open(d); b != nil {
		b.finish()
	}
}

// checker is one check.
type checker struct {
	findings
	ctx    context.Context //nolint:containedctx // a check is one operation
	src    Source
	o      Options
	layout bool // the source is a layout

	images     []Image
	manifests  int                    // that were visited
	visited    map[digest.Digest]bool // manifests and indexes
	verified   map[digest.Digest]bool // opaque blobs
	layers     map[string]bool        // by blob, type and diff_id
	referenced map[digest.Digest]bool
}

func newChecker(ctx context.Context, src Source, o Options) *checker {
	return &checker{
		ctx: ctx, src: src, o: o,
		visited: map[digest.Digest]bool{}, verified: map[digest.Digest]bool{},
		layers: map[string]bool{}, referenced: map[digest.Digest]bool{},
	}
}

// report ends the check.
func (c *checker) report() (*Report, error) {
	if err := c.ctx.Err(); err != nil {
		return nil, context.Cause(c.ctx)
	}
	return &Report{Findings: c.list, Images: c.images}, nil
}

// nth is how messages call a layer.
func nth(i, n int) string { return fmt.Sprintf("layer %d of %d", i+1, n) }

package conform

import (
	"archive/tar"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/bootc-go/bootc/layers"
)

// maxTar is how many bytes of a layer's tar are read: what bootc takes.
const maxTar = 1 << 40

// layer checks the layer that d describes, whose tar should have the digest diffID. What
// a blob of another content has in it is not reported.
func (c *checker) layer(d descriptor, diffID, name string) {
	kind, known := layerKinds[d.MediaType]
	if !known {
		c.opaque(d)
		return
	}
	key := d.Digest.String() + " " + d.MediaType + " " + diffID
	if !d.ok || c.layers[key] {
		return
	}
	c.layers[key] = true
	d.at.path, d.at.document = name, "layer"
	b := c.open(descriptor{Descriptor: d.Descriptor, at: d.at, ok: true})
	if b == nil {
		return
	}
	l := layer{p: place{document: "layer", digest: d.Digest.String()}, kind: kind, section: sectionOf(kind)}
	l.read(b, diffID)
	if b.finish() {
		c.take(&l.findings)
	}
}

// sectionOf is where the specification says what a media type is compressed with.
func sectionOf(k layerKind) string {
	switch k.compression {
	case layers.Gzip:
		return "layer.md: +gzip Media Types"
	case layers.Zstd:
		return "layer.md: +zstd Media Types"
	case layers.Uncompressed:
	}
	return inFormat
}

// layer is a layer that is being read.
type layer struct {
	findings
	p       place
	kind    layerKind
	section string
}

// read reads the blob to its end, unless it cannot be read.
func (l *layer) read(b *blob, diffID string) {
	data, is, err := layers.Decompress(b)
	if err != nil {
		l.addFor(l.section, "layer-compression", l.p, "the media type says %s: %v", l.kind.compression, err)
		return
	}
	defer data.Close()
	if is != l.kind.compression {
		l.addFor(l.section, "layer-compression", l.p, "the media type says %s, the content is %s", l.kind.compression, is)
	}
	want := digest.Digest(diffID)
	t := &tarStream{r: data}
	if diffID != "" && want.Algorithm().Available() {
		t.hash = want.Algorithm().Hash()
	}
	whole := l.archive(t)
	tail, err := t.drain()
	switch {
	case b.err != nil: // finish reports it
	case t.err != nil:
		l.addFor(l.section, "layer-compressed-data", l.p, "the compressed data end or break after %d bytes of the tar: %v", t.n, t.err)
	case err != nil:
		l.add("limit-entries", l.p, "%v", err)
	case t.hash != nil && digest.NewDigest(want.Algorithm(), t.hash) != want:
		l.add("layer-diff-id", l.p, "the digest of the tar is %s, the configuration says %s", digest.NewDigest(want.Algorithm(), t.hash), want)
	case tail && whole:
		l.add("layer-data-behind-archive", l.p, "something follows the end of the tar")
	}
}

// archive reads the entries, and reports whether it came to their end.
func (l *layer) archive(t *tarStream) bool {
	e := newEntryChecker(l)
	r := tar.NewReader(t)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return true
		}
		if err != nil {
			if t.err == nil {
				l.add("layer-tar", l.p, "the tar cannot be read on from its byte %d: %v", t.n, err)
			}
			return false
		}
		if err := e.entry(h); err != nil {
			l.add("limit-entries", l.p, "%v", err)
			return false
		}
	}
}

// tarStream is uncompressed data that is hashed on the way.
type tarStream struct {
	r    io.Reader
	n    int64
	hash hash.Hash // or nil
	err  error     // of the decoder
}

// Read implements io.Reader.
func (t *tarStream) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	t.n += int64(n)
	if t.hash != nil {
		t.hash.Write(p[:n])
	}
	if err != nil && !errors.Is(err, io.EOF) {
		t.err = err
	}
	if t.n > maxTar {
		return n, errTooLong
	}
	return n, err
}

var errTooLong = fmt.Errorf("the tar has more than %d bytes", int64(maxTar))

// drain reads what follows the archive, and reports whether that is more than zeros.
func (t *tarStream) drain() (more bool, err error) {
	buf := make([]byte, 1<<16)
	for {
		n, err := t.Read(buf)
		more = more || strings.Trim(string(buf[:n]), "\x00") != ""
		switch {
		case errors.Is(err, errTooLong):
			return more, err
		case err != nil:
			return more, nil //nolint:nilerr // t.err has it, unless it is the end
		}
	}
}

package conform

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// The files of a layout.
const (
	layoutFile = v1.ImageLayoutFile
	indexFile  = v1.ImageIndexFile
	blobsDir   = v1.ImageBlobsDir
)

// maxBlobs is how many files a directory of blobs may have.
const maxBlobs = 1 << 20

// Layout checks the layout fsys: its files, and all that its index leads to. If
// Options.Ref or Options.Platform chooses, blobs of others are not read. The error is
// that fsys is no directory, that nothing is called Ref, or that the context is over.
func Layout(ctx context.Context, fsys fs.FS, o Options) (*Report, error) {
	if _, err := fs.ReadDir(fsys, "."); err != nil {
		return nil, fmt.Errorf("cannot read the layout: %w", err)
	}
	c := newChecker(ctx, layoutSource{fsys}, o)
	c.layout = true
	c.marker(fsys)
	found := c.topIndex(fsys)
	c.blobs(fsys)
	if o.Ref != "" && !found {
		return nil, fmt.Errorf("cannot check the layout: nothing in it is called %q", o.Ref)
	}
	return c.report()
}

// layoutSource gives the blobs of a layout.
type layoutSource struct{ fsys fs.FS }

// Blob implements Source.
func (s layoutSource) Blob(_ context.Context, d v1.Descriptor) (io.ReadCloser, error) {
	return s.fsys.Open(blobPath(d.Digest))
}

func blobPath(d digest.Digest) string {
	return path.Join(blobsDir, d.Algorithm().String(), d.Encoded())
}

// file reads a file of the layout, and reports what keeps it from that.
func (c *checker) file(fsys fs.FS, name string, missing Code) ([]byte, bool) {
	p := place{document: name}
	f, err := fsys.Open(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		c.add(missing, p, "there is no file %s", name)
		return nil, false
	case err != nil:
		c.add("blob-unreadable", p, "%s cannot be read: %v", name, err)
		return nil, false
	}
	defer io.Closer(f).Close()
	data, err := io.ReadAll(io.LimitReader(f, maxDocument+1))
	switch {
	case err != nil:
		c.add("blob-unreadable", p, "%s cannot be read: %v", name, err)
	case len(data) > maxDocument:
		c.add("limit-document", p, "%s has more than %d bytes", name, maxDocument)
	default:
		return data, true
	}
	return nil, false
}

// marker checks the file that makes a directory a layout.
func (c *checker) marker(fsys fs.FS) {
	data, ok := c.file(fsys, layoutFile, "layout-marker-missing")
	if !ok {
		return
	}
	p := place{document: layoutFile}
	n := c.document(data, p, "layout-marker-json")
	if n == nil {
		return
	}
	if !has(n, p, "imageLayoutVersion") {
		c.add("layout-version-missing", p, "there is no imageLayoutVersion")
		return
	}
	if v, ok := c.str(n, p, "imageLayoutVersion", inLayoutFile); ok && v != v1.ImageLayoutVersion {
		c.add("layout-version", p.key("imageLayoutVersion"), "the version is %q, not %q", shorten(v), v1.ImageLayoutVersion)
	}
}

// topIndex checks index.json, and reports whether something in it is wanted.
func (c *checker) topIndex(fsys fs.FS) (found bool) {
	data, ok := c.file(fsys, indexFile, "layout-index-missing")
	if !ok {
		return false
	}
	p := place{document: indexFile}
	n := c.document(data, p, "json-syntax")
	if n == nil {
		return false
	}
	c.indexDocument(n, p, 0, func(d descriptor) bool {
		is := c.o.Ref == "" || d.Annotations[keyRef] == c.o.Ref
		found = found || is
		return is
	})
	return found
}

// blobs checks the names of all blobs and, if everything is wanted, the content of
// those that nothing leads to.
func (c *checker) blobs(fsys fs.FS) {
	algorithms, err := fs.ReadDir(fsys, blobsDir)
	if err != nil {
		c.add("layout-blobs-missing", place{document: blobsDir}, "there is no directory %s", blobsDir)
		return
	}
	for _, a := range algorithms {
		dir := path.Join(blobsDir, a.Name())
		if !a.IsDir() || !algorithmName.MatchString(a.Name()) {
			c.add("layout-blob-name", place{document: blobsDir}.at(dir), "%q is no directory named by an algorithm", shorten(a.Name()))
			continue
		}
		c.blobDir(fsys, dir, a.Name())
	}
}

func (c *checker) blobDir(fsys fs.FS, dir, algorithm string) {
	files, err := fs.ReadDir(fsys, dir)
	p := place{document: blobsDir}
	if err != nil {
		c.add("blob-unreadable", p.at(dir), "%s cannot be read: %v", dir, err)
		return
	}
	for _, f := range files[:min(len(files), maxBlobs)] {
		at := p.at(path.Join(dir, f.Name()))
		switch d := digest.Digest(algorithm + ":" + f.Name()); {
		case f.IsDir() || !encodedName.MatchString(f.Name()) || !named(algorithm, f.Name()):
			c.add("layout-blob-name", at, "%q is no name of a blob by %s", shorten(f.Name()), algorithm)
		case !c.referenced[d] && c.o.Ref == "" && c.o.Platform == nil:
			c.unreferenced(fsys, f, d, at)
		}
	}
}

// unreferenced verifies a blob that nothing leads to.
func (c *checker) unreferenced(fsys fs.FS, f fs.DirEntry, d digest.Digest, at place) {
	st, err := fs.Stat(fsys, blobPath(d))
	if err != nil || !st.Mode().IsRegular() {
		c.add("layout-blob-name", at, "%q is no file", shorten(f.Name()))
		return
	}
	c.add("layout-blob-unreferenced", at, "nothing in the layout leads to this blob of %d bytes", st.Size())
	c.opaque(descriptor{Descriptor: v1.Descriptor{Digest: d, Size: st.Size()}, at: at, ok: true})
}

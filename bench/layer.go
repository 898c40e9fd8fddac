package main

import (
	"archive/tar"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
)

// blob is a file of an OCI layout.
type blob struct {
	Digest string // "sha256:" and hexadecimal digits
	Size   int64
}

// layerBlob is a layer as stored, and what it holds.
type layerBlob struct {
	blob
	DiffID  string
	TarSize int64
	Entries int
}

// epoch is the modification time of all entries.
var epoch = time.Unix(1700000000, 0)

// capability grants CAP_NET_BIND_SERVICE, in the form of security.capability.
const capability = "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"

// counter counts and hashes what passes.
type counter struct {
	w io.Writer
	h hash.Hash
	n int64
}

func newCounter(w io.Writer) *counter { return &counter{w: w, h: sha256.New()} }

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.h.Write(p[:n])
	c.n += int64(n)
	return n, err
}

func (c *counter) digest() string { return fmt.Sprintf("sha256:%x", c.h.Sum(nil)) }

// writeLayer stores a layer of those files among the blobs in dir.
func writeLayer(dir string, p *pools, files []file, first bool) (layerBlob, error) {
	tmp, err := os.CreateTemp(dir, "layer.")
	if err != nil {
		return layerBlob{}, err
	}
	defer tmp.Close()
	packed := newCounter(tmp)
	zip, err := gzip.NewWriterLevel(packed, 6)
	if err != nil {
		return layerBlob{}, err
	}
	plain := newCounter(zip)
	t := tarball{w: tar.NewWriter(plain), pools: p, dirs: map[string]bool{}}
	if err := t.write(files, first); err != nil {
		return layerBlob{}, err
	}
	if err := zip.Close(); err != nil {
		return layerBlob{}, err
	}
	l := layerBlob{blob{packed.digest(), packed.n}, plain.digest(), plain.n, t.entries}
	return l, os.Rename(tmp.Name(), filepath.Join(dir, strings.TrimPrefix(l.Digest, "sha256:")))
}

// tarball writes one layer.
type tarball struct {
	w       *tar.Writer
	pools   *pools
	dirs    map[string]bool
	entries int
}

func (t *tarball) write(files []file, first bool) error {
	if first {
		for _, dir := range []string{"boot", "dev", "etc", "proc", "run", "sys", "sysroot", "tmp", "var"} {
			if err := t.dir(dir); err != nil {
				return err
			}
		}
	}
	for _, f := range files {
		if err := t.dir(path.Dir(f.path)); err != nil {
			return err
		}
		if err := t.file(f); err != nil {
			return fmt.Errorf("%s: %w", f.path, err)
		}
	}
	return t.w.Close()
}

// dir writes a directory and its parents, each once.
func (t *tarball) dir(name string) error {
	if name == "." || t.dirs[name] {
		return nil
	}
	if err := t.dir(path.Dir(name)); err != nil {
		return err
	}
	t.dirs[name] = true
	t.entries++
	return t.w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: 0o755, ModTime: epoch})
}

func (t *tarball) file(f file) error {
	h := &tar.Header{Typeflag: tar.TypeReg, Name: f.path, Mode: f.mode, Size: f.size, ModTime: epoch}
	switch {
	case f.symlink != "":
		h.Typeflag, h.Linkname = tar.TypeSymlink, f.symlink
	case f.link != "":
		h.Typeflag, h.Linkname = tar.TypeLink, f.link
	case f.cap:
		h.PAXRecords = map[string]string{"SCHILY.xattr.security.capability": capability}
	}
	t.entries++
	if err := t.w.WriteHeader(h); err != nil {
		return err
	}
	return t.pools.content(f.kind, f.size, f.seed, func(p []byte) error {
		_, err := t.w.Write(p)
		return err
	})
}

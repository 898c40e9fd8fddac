package main

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bootc-go/bootc/conform"
	"github.com/bootc-go/bootc/image"
)

func (v *validation) path(name string) string { return filepath.Join(v.work, name) }

// fetched checks an image that is no layout. What is read of it is kept in the directory
// layout, so that nothing is fetched twice.
func (v *validation) fetched(ctx context.Context, layout string, o conform.Options) (*conform.Report, error) {
	raw, err := image.OpenRaw(ctx, v.ref, v.options)
	if err != nil {
		return nil, err
	}
	defer raw.Close() //nolint:errcheck // only read from
	top := v1.Descriptor{MediaType: raw.MediaType, Digest: digest.FromBytes(raw.Manifest), Size: int64(len(raw.Manifest))}
	s := &spool{raw: raw, dir: layout}
	if err := s.keep(top.Digest, func(w io.Writer) error {
		_, err := w.Write(raw.Manifest)
		return err
	}); err != nil {
		return nil, err
	}
	found, err := conform.Check(ctx, s, top, o)
	if err == nil && raw.Unpacked {
		found.Findings = append(found.Findings, conform.Finding{
			Code: "source-unpacked", Severity: conform.Info, Section: "bootc: docs/reference/image-validate.md", Document: "reference",
			Text: "layers are not there as they were pulled: their compression, media types and digests were not checked",
		})
	}
	return found, err
}

// spool is an image that is copied to a directory while it is read.
type spool struct {
	raw *image.Raw
	dir string
}

// Blob implements conform.Source.
func (s *spool) Blob(ctx context.Context, d v1.Descriptor) (io.ReadCloser, error) {
	f, err := os.Open(s.path(d.Digest))
	if !errors.Is(err, fs.ErrNotExist) {
		return f, err
	}
	err = s.keep(d.Digest, func(w io.Writer) error {
		if isManifestType(d.MediaType) {
			data, err := s.raw.Document(ctx, d.Digest)
			if err == nil {
				_, err = w.Write(data)
			}
			return err
		}
		r, err := s.raw.Blob(ctx, d)
		if err != nil {
			return err
		}
		defer r.Close()
		_, err = io.Copy(w, r)
		return err
	})
	if err != nil {
		return nil, err
	}
	return os.Open(s.path(d.Digest))
}

func isManifestType(t string) bool {
	switch t {
	case v1.MediaTypeImageManifest, v1.MediaTypeImageIndex,
		"application/vnd.docker.distribution.manifest.v2+json", "application/vnd.docker.distribution.manifest.list.v2+json":
		return true
	}
	return false
}

func (s *spool) path(d digest.Digest) string { return blobFile(s.dir, d) }

func blobFile(layout string, d digest.Digest) string {
	return filepath.Join(layout, v1.ImageBlobsDir, d.Algorithm().String(), d.Encoded())
}

// keep writes a blob. One that is not whole does not stay.
func (s *spool) keep(d digest.Digest, fill func(io.Writer) error) error {
	return writeTemporary(s.path(d), fill)
}

// writeTemporary writes a file that does not outlive the program, in a directory that is
// made at need. It is not there if writing it fails.
func writeTemporary(name string, fill func(io.Writer) error) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = fill(f)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return errors.Join(err, os.Remove(name))
	}
	return nil
}

func writeTemporaryJSON(name string, v any) error {
	return writeTemporary(name, func(w io.Writer) error { return json.NewEncoder(w).Encode(v) })
}

// extract unpacks the archive of a layout into the directory dir, which it makes. Only
// directories and files are made, and none outside.
func extract(archive, dir string) error {
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for t := tar.NewReader(f); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = extractEntry(root, h, t)
		}
		if err != nil {
			return err
		}
	}
}

func extractEntry(root *os.Root, h *tar.Header, r io.Reader) error {
	name := path.Clean(h.Name)
	switch h.Typeflag {
	case tar.TypeDir:
		return root.MkdirAll(name, 0o700)
	case tar.TypeReg:
		if err := root.MkdirAll(path.Dir(name), 0o700); err != nil {
			return err
		}
		f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
		if err != nil {
			return err
		}
		_, err = io.Copy(f, r)
		return errors.Join(err, f.Close())
	case tar.TypeXGlobalHeader:
		return nil
	}
	return fmt.Errorf("the archive's entry %q is neither a file nor a directory", h.Name)
}

// view makes a layout in dir that has the image im of another layout, and only that. It
// returns the reference of the image in it.
func view(dir, layout string, im conform.Image) (image.Reference, error) {
	blobs, err := filepath.Abs(filepath.Join(layout, v1.ImageBlobsDir))
	if err != nil {
		return image.Reference{}, err
	}
	desc := im.Descriptor
	desc.Platform, desc.Annotations = nil, nil
	index := v1.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageIndex, Manifests: []v1.Descriptor{desc}}
	for _, err := range []error{
		os.MkdirAll(dir, 0o700),
		os.Symlink(blobs, filepath.Join(dir, v1.ImageBlobsDir)),
		writeTemporaryJSON(filepath.Join(dir, v1.ImageIndexFile), index),
		writeTemporaryJSON(filepath.Join(dir, v1.ImageLayoutFile), v1.ImageLayout{Version: v1.ImageLayoutVersion}),
	} {
		if err != nil {
			return image.Reference{}, err
		}
	}
	return image.New("oci", dir)
}

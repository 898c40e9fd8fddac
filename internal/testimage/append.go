package testimage

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bootc-go/bootc/image/registrytest"
	"github.com/bootc-go/bootc/internal/testcache"
	"github.com/bootc-go/bootc/internal/testtool"
)

// Append returns base with one more layer, without the work of a build. edit, if
// not nil, is the last to change the image's configuration. The layout goes with
// the test.
func Append(t testing.TB, base Image, entries []registrytest.Entry, edit func(*v1.Image)) Image {
	t.Helper()
	manifest, config := base.documents(t)
	dir := filepath.Join(testcache.TempDir(t), "layout")
	run(t, exec.Command(testtool.Path(t, "cp"), "-al", base.Layout, dir))

	layer := registrytest.Tar(t, entries...)
	manifest.Layers = append(manifest.Layers, writeBlob(t, dir, v1.MediaTypeImageLayer, layer))
	config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, digest.FromBytes(layer))
	config.History = append(config.History, v1.History{Comment: "testimage.Append"})
	if edit != nil {
		edit(&config)
	}
	manifest.Config = writeBlob(t, dir, v1.MediaTypeImageConfig, marshal(t, config))
	d := writeBlob(t, dir, v1.MediaTypeImageManifest, marshal(t, manifest))
	d.Annotations = map[string]string{v1.AnnotationRefName: Tag}
	index := v1.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageIndex, Manifests: []v1.Descriptor{d}}
	replace(t, filepath.Join(dir, v1.ImageIndexFile), marshal(t, index))
	return Image{dir, []byte(d.Digest)}
}

// documents reads the image's manifest and configuration.
func (i Image) documents(t testing.TB) (manifest v1.Manifest, config v1.Image) {
	t.Helper()
	var index v1.Index
	unmarshal(t, filepath.Join(i.Layout, v1.ImageIndexFile), &index)
	unmarshal(t, i.blob(index.Manifests[0].Digest), &manifest)
	unmarshal(t, i.blob(manifest.Config.Digest), &config)
	return manifest, config
}

// Digest is that of the image's manifest.
func (i Image) Digest(t testing.TB) digest.Digest {
	t.Helper()
	var index v1.Index
	unmarshal(t, filepath.Join(i.Layout, v1.ImageIndexFile), &index)
	return index.Manifests[0].Digest
}

// Layers are the digests of the image's layers, the lowest first.
func (i Image) Layers(t testing.TB) []digest.Digest {
	t.Helper()
	manifest, _ := i.documents(t)
	var digests []digest.Digest
	for _, l := range manifest.Layers {
		digests = append(digests, l.Digest)
	}
	return digests
}

// File returns the path and the content of the regular file of the image that
// matches the pattern of path.Match. The layers are not compressed.
func (i Image) File(t testing.TB, pattern string) (name string, data []byte) {
	t.Helper()
	for _, d := range i.Layers(t) {
		f, err := os.Open(i.blob(d))
		if err != nil {
			t.Fatal(err)
		}
		for in := tar.NewReader(f); ; {
			header, err := in.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if ok, _ := path.Match(pattern, header.Name); ok && header.Typeflag == tar.TypeReg {
				name = header.Name
				if data, err = io.ReadAll(in); err != nil {
					t.Fatal(err)
				}
			}
		}
		f.Close()
	}
	if name == "" {
		t.Fatalf("the image has no file %s", pattern)
	}
	return name, data
}

func (i Image) blob(d digest.Digest) string {
	return filepath.Join(i.Layout, v1.ImageBlobsDir, d.Algorithm().String(), d.Encoded())
}

func writeBlob(t testing.TB, layout, mediaType string, data []byte) v1.Descriptor {
	t.Helper()
	d := digest.FromBytes(data)
	replace(t, Image{Layout: layout}.blob(d), data)
	return v1.Descriptor{MediaType: mediaType, Digest: d, Size: int64(len(data))}
}

// replace writes a file anew: what it replaces may be a link to another layout's.
func replace(t testing.TB, file string, data []byte) {
	t.Helper()
	if err := os.RemoveAll(file); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func marshal(t testing.TB, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func unmarshal(t testing.TB, file string, v any) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, v); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

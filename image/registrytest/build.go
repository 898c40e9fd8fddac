package registrytest

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"maps"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// The media types of docker's second schema.
const (
	dockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	dockerList     = "application/vnd.docker.distribution.manifest.list.v2+json"
	dockerConfig   = "application/vnd.docker.container.image.v1+json"
	dockerLayer    = "application/vnd.docker.image.rootfs.diff.tar"
)

// Compression is how a layer's tar is compressed.
type Compression uint8

// The compressions.
const (
	None Compression = iota
	Gzip
	Zstd
)

func (c Compression) suffix(docker bool) string {
	switch c {
	case Gzip:
		if docker {
			return ".gzip"
		}
		return "+gzip"
	case Zstd:
		return "+zstd"
	case None:
	}
	return ""
}

// compress returns the blob of a tar.
func (c Compression) compress(t testing.TB, data []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	var w io.WriteCloser
	var err error
	switch c {
	case Gzip:
		w = gzip.NewWriter(&buf)
	case Zstd:
		w, err = zstd.NewWriter(&buf)
	case None:
		return data
	}
	if err == nil {
		_, err = w.Write(data)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// Layer is a layer to build: of entries, of a ready tar, or of a ready blob.
type Layer struct {
	Entries     []Entry
	Tar         []byte // instead of Entries
	Blob        []byte // the compressed bytes, instead of compressing the tar
	Compression Compression
	Annotations map[string]string
	Edit        func(*v1.Descriptor) // last change to the layer's descriptor: a lie about its size, URLs, …
	DiffID      digest.Digest        // a lie about the tar's digest
}

// Image is an image to build.
type Image struct {
	Layers       []Layer
	Architecture string // "amd64" if empty
	OS           string // "linux" if empty
	Variant      string
	Labels       map[string]string
	Docker       bool               // docker's second schema instead of OCI
	EditConfig   func(*v1.Image)    // last change to the configuration
	EditManifest func(*v1.Manifest) // last change to the manifest
}

// Built is an image or an index, ready for [Registry.Push] or [WriteLayout].
type Built struct {
	Descriptor v1.Descriptor // of Manifest
	Manifest   []byte
	Config     []byte                   // nil for an index
	Layers     []v1.Descriptor          // nil for an index
	DiffIDs    []digest.Digest          // nil for an index
	Blobs      map[digest.Digest][]byte // config and layers
	Children   []*Built                 // an index's images
}

// Build makes the layers, the configuration and the manifest of an image. It
// makes the same bytes each time.
func Build(t testing.TB, im Image) *Built {
	t.Helper()
	b := &Built{Blobs: map[digest.Digest][]byte{}}
	for _, l := range im.Layers {
		b.addLayer(t, im, l)
	}
	b.addConfig(t, im)
	m := v1.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: pick(im.Docker, dockerManifest, v1.MediaTypeImageManifest),
		Config:    descriptor(pick(im.Docker, dockerConfig, v1.MediaTypeImageConfig), b.Config),
		Layers:    b.Layers,
	}
	if im.EditManifest != nil {
		im.EditManifest(&m)
	}
	b.Manifest = marshal(t, m)
	b.Descriptor = descriptor(m.MediaType, b.Manifest)
	b.Descriptor.Platform = &v1.Platform{Architecture: im.arch(), OS: im.os(), Variant: im.Variant}
	return b
}

func (im Image) arch() string { return pick(im.Architecture == "", "amd64", im.Architecture) }
func (im Image) os() string   { return pick(im.OS == "", "linux", im.OS) }

func (b *Built) addLayer(t testing.TB, im Image, l Layer) {
	t.Helper()
	data := l.Tar
	if data == nil {
		data = Tar(t, l.Entries...)
	}
	blob := l.Blob
	if blob == nil {
		blob = l.Compression.compress(t, data)
	}
	desc := descriptor(pick(im.Docker, dockerLayer, v1.MediaTypeImageLayer)+l.Compression.suffix(im.Docker), blob)
	desc.Annotations = l.Annotations
	diffID := digest.FromBytes(data)
	if l.DiffID != "" {
		diffID = l.DiffID
	}
	b.Blobs[desc.Digest] = blob
	if l.Edit != nil {
		l.Edit(&desc)
	}
	b.Layers = append(b.Layers, desc)
	b.DiffIDs = append(b.DiffIDs, diffID)
}

func (b *Built) addConfig(t testing.TB, im Image) {
	t.Helper()
	created := Stamp().UTC()
	c := v1.Image{
		Created:  &created,
		Platform: v1.Platform{Architecture: im.arch(), OS: im.os(), Variant: im.Variant},
		Config:   v1.ImageConfig{Labels: im.Labels},
		RootFS:   v1.RootFS{Type: "layers", DiffIDs: b.DiffIDs},
	}
	for range b.DiffIDs {
		c.History = append(c.History, v1.History{Created: &created, CreatedBy: "registrytest"})
	}
	if im.EditConfig != nil {
		im.EditConfig(&c)
	}
	b.Config = marshal(t, c)
	b.Blobs[digest.FromBytes(b.Config)] = b.Config
}

// Index makes an index (a docker manifest list, if the images are docker's) of
// images.
func Index(t testing.TB, images ...*Built) *Built {
	t.Helper()
	b := &Built{Children: images, Blobs: map[digest.Digest][]byte{}}
	idx := v1.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageIndex}
	for _, c := range images {
		idx.Manifests = append(idx.Manifests, c.Descriptor)
		maps.Copy(b.Blobs, c.Blobs)
		if c.Descriptor.MediaType == dockerManifest {
			idx.MediaType = dockerList
		}
	}
	b.Manifest = marshal(t, idx)
	b.Descriptor = descriptor(idx.MediaType, b.Manifest)
	return b
}

func descriptor(mediaType string, data []byte) v1.Descriptor {
	return v1.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}
}

func marshal(t testing.TB, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func pick(cond bool, yes, no string) string {
	if cond {
		return yes
	}
	return no
}

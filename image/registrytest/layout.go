package registrytest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// WriteLayout writes an image or an index as an OCI layout directory, under a
// tag. The directory is made; a layout that is there already gets another tag.
func WriteLayout(t testing.TB, dir, tag string, b *Built) {
	t.Helper()
	writeBlobs(t, dir, b)
	idx := readIndex(t, dir)
	desc := b.Descriptor
	if tag != "" {
		desc.Annotations = map[string]string{v1.AnnotationRefName: tag}
	}
	idx.Manifests = append(idx.Manifests, desc)
	write(t, filepath.Join(dir, v1.ImageIndexFile), marshal(t, idx))
	write(t, filepath.Join(dir, v1.ImageLayoutFile), marshal(t, v1.ImageLayout{Version: v1.ImageLayoutVersion}))
}

func writeBlobs(t testing.TB, dir string, b *Built) {
	t.Helper()
	for d, data := range b.Blobs {
		write(t, blobPath(dir, d), data)
	}
	write(t, blobPath(dir, b.Descriptor.Digest), b.Manifest)
	for _, c := range b.Children {
		writeBlobs(t, dir, c)
	}
}

func blobPath(dir string, d digest.Digest) string {
	return filepath.Join(dir, v1.ImageBlobsDir, d.Algorithm().String(), d.Encoded())
}

func write(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// readIndex reads a layout's index.json, or begins one.
func readIndex(t testing.TB, dir string) v1.Index {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, v1.ImageIndexFile))
	if os.IsNotExist(err) {
		return v1.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageIndex}
	}
	idx := v1.Index{}
	if err == nil {
		err = json.Unmarshal(data, &idx)
	}
	if err != nil {
		t.Fatal(err)
	}
	return idx
}

// AddLayout serves the images of an OCI layout directory from where they are,
// without reading the layers. Each tagged manifest of the layout's index gets
// its tag in the repository. It returns the digest of the last one.
func (r *Registry) AddLayout(t testing.TB, repo, dir string) digest.Digest {
	t.Helper()
	var last digest.Digest
	for _, desc := range readIndex(t, dir).Manifests {
		last = r.addFromLayout(t, repo, desc.Annotations[v1.AnnotationRefName], dir, desc)
	}
	return last
}

func (r *Registry) addFromLayout(t testing.TB, repo, tag, dir string, desc v1.Descriptor) digest.Digest {
	t.Helper()
	data, err := os.ReadFile(blobPath(dir, desc.Digest))
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Manifests, Layers []v1.Descriptor
		Config            v1.Descriptor
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		t.Fatal(err)
	}
	for _, c := range doc.Manifests {
		r.addFromLayout(t, repo, "", dir, c)
	}
	if !isIndex(desc.MediaType) {
		for _, b := range append(doc.Layers, doc.Config) {
			r.add(b.Digest, file(blobPath(dir, b.Digest)))
		}
	}
	return r.AddManifest(repo, tag, desc.MediaType, data)
}

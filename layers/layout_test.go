package layers

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// writeLayout makes an OCI layout of one image, tagged "latest", of
// uncompressed layers.
func writeLayout(t testing.TB, dir string, tars ...[]byte) {
	t.Helper()
	blobs := filepath.Join(dir, "blobs", "sha256")
	if err := os.MkdirAll(blobs, 0o755); err != nil {
		t.Fatal(err)
	}
	put := func(mediaType string, data []byte) v1.Descriptor {
		d := digest.FromBytes(data)
		writeFile(t, filepath.Join(blobs, d.Encoded()), data)
		return v1.Descriptor{MediaType: mediaType, Digest: d, Size: int64(len(data))}
	}
	config := v1.Image{
		Platform: v1.Platform{Architecture: "amd64", OS: "linux"},
		RootFS:   v1.RootFS{Type: "layers", DiffIDs: []digest.Digest{}},
	}
	manifest := v1.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageManifest}
	for _, data := range tars {
		layer := put(v1.MediaTypeImageLayer, data)
		manifest.Layers = append(manifest.Layers, layer)
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, layer.Digest)
		config.History = append(config.History, v1.History{CreatedBy: "test"})
	}
	manifest.Config = put(v1.MediaTypeImageConfig, marshal(t, config))
	top := put(v1.MediaTypeImageManifest, marshal(t, manifest))
	top.Annotations = map[string]string{v1.AnnotationRefName: "latest"}
	index := v1.Index{Versioned: specs.Versioned{SchemaVersion: 2}, Manifests: []v1.Descriptor{top}}
	writeFile(t, filepath.Join(dir, "index.json"), marshal(t, index))
	writeFile(t, filepath.Join(dir, "oci-layout"), []byte(`{"imageLayoutVersion":"1.0.0"}`))
}

// readLayout returns the layers of a layout's only image, and their diff_ids.
func readLayout(t testing.TB, dir string) (blobs [][]byte, types []string, diffIDs []digest.Digest) {
	t.Helper()
	read := func(d digest.Digest) []byte {
		data, err := os.ReadFile(filepath.Join(dir, "blobs", d.Algorithm().String(), d.Encoded()))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	data, err := os.ReadFile(filepath.Join(dir, "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	var index v1.Index
	var manifest v1.Manifest
	var config v1.Image
	unmarshal(t, data, &index)
	unmarshal(t, read(index.Manifests[0].Digest), &manifest)
	unmarshal(t, read(manifest.Config.Digest), &config)
	for _, l := range manifest.Layers {
		blobs, types = append(blobs, read(l.Digest)), append(types, l.MediaType)
	}
	return blobs, types, config.RootFS.DiffIDs
}

func marshal(t testing.TB, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func unmarshal(t testing.TB, data []byte, v any) {
	t.Helper()
	if err := json.Unmarshal(data, v); err != nil {
		t.Fatal(err)
	}
}

func writeFile(t testing.TB, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(name, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

package oci

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
)

const (
	hexA = "862439bf1b2d79b2b89840992a06c40146072daa1a7f3a069989b6d9e7efb7d8"
	hexB = "c5ce35f27c70c01b3b08c5220f0b0024ade3524cb5ca2f17d2c3ba1826bc9e00"
)

func manifestJSON(configType string, layers ...string) []byte {
	var ls []string
	for _, d := range layers {
		ls = append(ls, fmt.Sprintf(`{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":%q,"size":1}`, d))
	}
	return fmt.Appendf(nil, `{"schemaVersion":2,"config":{"mediaType":%q,"digest":"sha256:%s","size":2},"layers":[%s]}`,
		configType, hexB, strings.Join(ls, ","))
}

func configJSON(diffIDs ...string) []byte {
	return fmt.Appendf(nil, `{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":["%s"]}}`,
		strings.Join(diffIDs, `","`))
}

func TestLayerIDs(t *testing.T) {
	blob, diff := "sha256:"+hexA, "sha256:"+hexB
	for _, tc := range []struct {
		configType string
		want       string
	}{
		{"application/vnd.oci.image.config.v1+json", diff},
		{"application/vnd.docker.container.image.v1+json", diff},
		{"application/vnd.oci.empty.v1+json", blob},
	} {
		m, err := ParseManifest(manifestJSON(tc.configType, blob))
		if err != nil {
			t.Fatal(err)
		}
		ids, err := LayerIDs(m, configJSON(diff))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff([]digest.Digest{digest.Digest(tc.want)}, ids); d != "" {
			t.Errorf("%s: %s", tc.configType, d)
		}
	}
}

func TestRefusedDocuments(t *testing.T) {
	const image = "application/vnd.oci.image.config.v1+json"
	good := "sha256:" + hexA
	for name, data := range map[string][]byte{
		"empty":           nil,
		"not an object":   []byte(`[]`),
		"no config":       []byte(`{"schemaVersion":2,"layers":[]}`),
		"index":           []byte(`{"schemaVersion":2,"manifests":[]}`),
		"image and index": bytes.Replace(manifestJSON(image, good), []byte(`"layers"`), []byte(`"manifests":[],"layers"`), 1),
		"index is a map":  bytes.Replace(manifestJSON(image, good), []byte(`"layers"`), []byte(`"manifests":{},"layers"`), 1),
		"digest climbs":   manifestJSON(image, "sha256:../../../../../../etc/passwd"),
		"digest short":    manifestJSON(image, good[:len(good)-1]),
		"digest upper":    manifestJSON(image, strings.ToUpper(good)),
		"digest unknown":  manifestJSON(image, "md5:d41d8cd98f00b204e9800998ecf8427e"),
		"large":           append(manifestJSON(image, good), bytes.Repeat([]byte(" "), MaxDocument)...),
		"deep":            []byte(strings.Repeat(`{"layers":[`, 100000)),
	} {
		if _, err := ParseManifest(data); err == nil {
			t.Errorf("manifest, %s: accepted", name)
		}
	}
	for name, data := range map[string][]byte{
		"empty":         nil,
		"digest climbs": configJSON("sha256:../x"),
		"diff_id empty": configJSON(""),
		"created is 1":  []byte(`{"created":1}`),
		"large":         append(configJSON(good), bytes.Repeat([]byte(" "), MaxDocument)...),
	} {
		if _, err := ParseConfig(data); err == nil {
			t.Errorf("config, %s: accepted", name)
		}
	}
	null := bytes.Replace(manifestJSON(image, good), []byte(`"layers"`), []byte(`"manifests":null,"layers"`), 1)
	m, err := ParseManifest(null)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := LayerIDs(m, configJSON(good, good)); err == nil {
		t.Error("two diff_ids for one layer: accepted")
	}
}

func FuzzDocuments(f *testing.F) {
	f.Add(manifestJSON("application/vnd.oci.image.config.v1+json", "sha256:"+hexA), configJSON("sha256:"+hexB))
	f.Add(manifestJSON("application/vnd.oci.empty.v1+json", "sha256:"+hexA, "sha256:"+hexB), []byte(`{}`))
	f.Add([]byte(`{"config":{"digest":1}}`), []byte(`{"rootfs":{"diff_ids":{}}}`))
	f.Add([]byte(`{"layers":null,"layers":[{}]}`), []byte(`null`))
	f.Fuzz(func(t *testing.T, manifest, config []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		m, err := ParseManifest(manifest)
		if err == nil {
			var ids []digest.Digest
			if ids, err = LayerIDs(m, config); err == nil && len(ids) != len(m.Layers) {
				t.Errorf("%d layers have %d IDs", len(m.Layers), len(ids))
			}
			for _, id := range ids {
				if strings.ContainsAny(LayerName(id), "/\x00") {
					t.Errorf("layer %q would leave its directory", id)
				}
			}
		}
		runtime.ReadMemStats(&after)
		if got, limit := after.TotalAlloc-before.TotalAlloc, uint64(1<<20+200*(len(manifest)+len(config))); got > limit {
			t.Errorf("%d bytes of input took %d bytes", len(manifest)+len(config), got)
		}
	})
}

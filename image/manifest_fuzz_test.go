package image

import (
	"strings"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// FuzzManifest: whatever a registry sends as manifest and as configuration,
// reading them does not panic, and what is accepted keeps its promises.
func FuzzManifest(f *testing.F) {
	d := "sha256:" + strings.Repeat("a", 64)
	desc := `{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"` + d + `","size":3}`
	config := `{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"` + d + `","size":2}`
	for _, seed := range []struct{ manifest, mediaType, config string }{
		{`{"schemaVersion":2,"config":` + config + `,"layers":[` + desc + `]}`, v1.MediaTypeImageManifest, `{"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":["` + d + `"]}}`},
		{`{"schemaVersion":2,"manifests":[` + desc + `]}`, v1.MediaTypeImageIndex, `{}`},
		{`{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.list.v2+json","manifests":[{"digest":"` + d + `","platform":{"os":"linux","architecture":"arm64","variant":"v8"}}]}`, "", `null`},
		{`{"schemaVersion":1,"fsLayers":[]}`, "application/json", `[]`},
		{`{"schemaVersion":2,"config":null,"layers":null,"manifests":null}`, "", `{"rootfs":{"diff_ids":["x"]}}`},
	} {
		f.Add([]byte(seed.manifest), seed.mediaType, []byte(seed.config))
	}
	f.Fuzz(func(t *testing.T, data []byte, mediaType string, config []byte) {
		doc, err := parseDocument(data, mediaType)
		if err != nil {
			return
		}
		if doc.isIndex() {
			fuzzIndex(t, doc, data)
			return
		}
		if doc.checkImage() != nil {
			return
		}
		if doc.Config == nil || len(doc.Layers) == 0 || doc.Manifests != nil || doc.Config.Size > maxDocument {
			t.Fatalf("accepted %+v", doc)
		}
		c, err := parseConfig(config, len(doc.Layers))
		if err != nil {
			return
		}
		for i, l := range layersOf(doc, c) {
			if l.Size < 0 || l.Digest.Validate() != nil || l.DiffID.Validate() != nil {
				t.Fatalf("layer %d: %+v", i, l)
			}
		}
	})
}

func fuzzIndex(t *testing.T, doc *document, data []byte) {
	t.Helper()
	o := Options{OS: "linux", Arch: "arm64"}
	chosen, err := choose(doc, data, Reference{}, o, o.systemContext())
	if err == nil && (chosen.Digest.Validate() != nil || chosen.Size > maxDocument || isIndexType(chosen.MediaType)) {
		t.Fatalf("chose %+v", chosen)
	}
	if len(doc.offers()) > len(data)+64 {
		t.Fatal("the offers are longer than the index")
	}
}

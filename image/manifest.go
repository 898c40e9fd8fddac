package image

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/manifest"
)

// maxDocument bounds manifests, indexes and configurations, in bytes; the
// distribution specification wants registries to take manifests up to this.
const maxDocument = 4 << 20

// document is a manifest or an index, as far as it concerns us (OCI image
// specification, manifest.md and image-index.md; docker's schema 2 has the same
// fields).
type document struct {
	SchemaVersion int             `json:"schemaVersion"`
	MediaType     string          `json:"mediaType"`
	ArtifactType  string          `json:"artifactType"`
	Config        *v1.Descriptor  `json:"config"`
	Layers        []v1.Descriptor `json:"layers"`
	Manifests     []v1.Descriptor `json:"manifests"`
	FSLayers      json.RawMessage `json:"fsLayers"` // schema 1
}

// parseDocument reads a manifest or an index. mediaType is what the source calls
// it, and may be empty or wrong; the returned document has the right one.
func parseDocument(data []byte, mediaType string) (*document, error) {
	if len(data) > maxDocument {
		return nil, unsupported("the manifest is larger than %s bytes", comma(maxDocument))
	}
	var d document
	if err := json.Unmarshal(data, &d); err != nil {
		return nil, &failure{class: class{ErrCorrupt, false}, cause: err, text: "the manifest is no JSON document of the expected form: " + err.Error()}
	}
	switch {
	case isSchema1(d.MediaType) || d.FSLayers != nil || d.SchemaVersion == 1:
		return nil, unsupported("the manifest is of docker's schema 1, which was abandoned in 2017: push the image again with a current tool")
	case d.SchemaVersion != 2:
		return nil, unsupported("the manifest has schemaVersion %d, want 2", d.SchemaVersion)
	}
	if err := d.settleType(mediaType); err != nil {
		return nil, err
	}
	return &d, nil
}

func isSchema1(mediaType string) bool {
	return mediaType == manifest.DockerV2Schema1MediaType || mediaType == manifest.DockerV2Schema1SignedMediaType
}

// settleType finds out what the document is. One that could be read as an image
// and as an index is refused: its signer and we might read it differently
// (CVE-2021-41190).
func (d *document) settleType(claimed string) error {
	image, index := d.Config != nil || d.Layers != nil, d.Manifests != nil
	switch {
	case image && index:
		return unsupported("the manifest is ambiguous: it has layers and also manifests")
	case !image && !index:
		return unsupported("the manifest lists neither layers nor manifests (media type %q)", first(d.MediaType, claimed))
	}
	if d.MediaType == "" && (isIndexType(claimed) == index && isIndexType(claimed) || isImageType(claimed) && image) {
		d.MediaType = claimed
	}
	if d.MediaType == "" {
		d.MediaType = map[bool]string{false: v1.MediaTypeImageManifest, true: v1.MediaTypeImageIndex}[index]
	}
	if index && !isIndexType(d.MediaType) || image && !isImageType(d.MediaType) {
		return unsupported("the manifest has the media type %q, which is none of an image", d.MediaType)
	}
	return nil
}

func isIndexType(t string) bool {
	return t == v1.MediaTypeImageIndex || t == manifest.DockerV2ListMediaType
}

func isImageType(t string) bool {
	return t == v1.MediaTypeImageManifest || t == manifest.DockerV2Schema2MediaType
}

func (d *document) isIndex() bool { return isIndexType(d.MediaType) }

// checkImage refuses what is no image of file system layers, by name.
func (d *document) checkImage() error {
	if err := d.checkConfig(); err != nil {
		return err
	}
	if len(d.Layers) == 0 {
		return unsupported("the image has no layers")
	}
	for i, l := range d.Layers {
		if err := checkLayer(l); err != nil {
			return err.in(layerName(i, len(d.Layers), l.Digest))
		}
	}
	return nil
}

func (d *document) checkConfig() error {
	if d.Config == nil {
		return unsupported("the manifest names no configuration")
	}
	if t := d.Config.MediaType; t != v1.MediaTypeImageConfig && t != manifest.DockerV2Schema2ConfigMediaType {
		return unsupported("it is an artifact (%q), not an image", first(d.ArtifactType, t))
	}
	if err := checkDescriptor(*d.Config); err != nil {
		return err.in("configuration")
	}
	if d.Config.Size > maxDocument {
		return unsupported("the configuration has %s bytes, more than %s", comma(d.Config.Size), comma(maxDocument))
	}
	return nil
}

func checkDescriptor(d v1.Descriptor) *failure {
	if err := d.Digest.Validate(); err != nil {
		return &failure{class: class{ErrCorrupt, false}, cause: err, text: fmt.Sprintf("the manifest gives %q as digest: %v", d.Digest, err)}
	}
	if d.Size < 0 {
		return &failure{class: class{ErrCorrupt, false}, text: fmt.Sprintf("the manifest gives %d as size", d.Size)}
	}
	return nil
}

// checkLayer refuses foreign, encrypted and other layers that are no tar.
func checkLayer(l v1.Descriptor) *failure {
	if err := checkDescriptor(l); err != nil {
		return err
	}
	t := l.MediaType
	switch {
	case len(l.URLs) > 0:
		return unsupported("foreign layers are not supported, and this one must be fetched from %s", l.URLs[0])
	case strings.Contains(t, "foreign") || strings.Contains(t, "nondistributable"):
		return unsupported("foreign layers are not supported (%s)", t)
	case strings.Contains(t, "+encrypted"):
		return unsupported("encrypted layers are not supported (%s)", t)
	case !isLayerType(t):
		return unsupported("%q is no file system layer", t)
	}
	return nil
}

// isLayerType reports whether the media type is that of a tar, whatever its
// compression is said to be; the content decides about that.
func isLayerType(t string) bool {
	for _, prefix := range []string{v1.MediaTypeImageLayer, manifest.DockerV2SchemaLayerMediaTypeUncompressed} {
		if rest, ok := strings.CutPrefix(t, prefix); ok && (rest == "" || rest[0] == '+' || rest[0] == '.') {
			return true
		}
	}
	return false
}

func unsupported(format string, args ...any) *failure {
	return &failure{class: class{ErrUnsupported, false}, text: fmt.Sprintf(format, args...)}
}

// parseConfig reads a configuration and checks that it fits the manifest's
// number of layers.
func parseConfig(data []byte, layers int) (*v1.Image, error) {
	var c v1.Image
	if err := json.Unmarshal(data, &c); err != nil {
		return nil, &failure{class: class{ErrCorrupt, false}, cause: err, text: "the configuration is no JSON document of the expected form: " + err.Error()}
	}
	if n := len(c.RootFS.DiffIDs); n != layers {
		return nil, &failure{class: class{ErrCorrupt, false}, text: fmt.Sprintf("the configuration lists %d layers, the manifest %d", n, layers)}
	}
	for i, d := range c.RootFS.DiffIDs {
		if err := d.Validate(); err != nil {
			return nil, &failure{class: class{ErrCorrupt, false}, cause: err, text: fmt.Sprintf("the configuration gives %q as diff_id of layer %d: %v", d, i+1, err)}
		}
	}
	return &c, nil
}

// layerName is how messages call layer i of n.
func layerName(i, n int, d digest.Digest) string {
	return fmt.Sprintf("layer %d of %d (%s)", i+1, n, short(d))
}

// short is enough of a digest for people: "sha256:9f2c1a2b3c4d".
func short(d digest.Digest) string {
	if i := strings.IndexByte(string(d), ':'); len(d) > i+13 {
		return string(d[:i+13])
	}
	return string(d)
}

// comma writes a number with thousands separated: "41,943,040".
func comma(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

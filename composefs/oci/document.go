package oci

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"
	imgspec "github.com/opencontainers/image-spec/specs-go/v1"
)

// MaxDocument is the size in bytes above which a manifest or a config is
// refused; registries commonly refuse to store larger ones.
const MaxDocument = 4 << 20

// dockerConfig is the media type of an image's config before OCI named it; the
// document is the same.
const dockerConfig = "application/vnd.docker.container.image.v1+json"

// Manifest is what this package reads of an image manifest.
type Manifest struct {
	MediaType string               `json:"mediaType"`
	Config    imgspec.Descriptor   `json:"config"`
	Layers    []imgspec.Descriptor `json:"layers"`
	Subject   *imgspec.Descriptor  `json:"subject"`
}

// IsContainer reports whether the manifest is that of an image, whose layers
// make a file system, and not of an artifact.
func (m *Manifest) IsContainer() bool {
	t := m.Config.MediaType
	return t == imgspec.MediaTypeImageConfig || t == dockerConfig
}

// ParseManifest reads a manifest of at most MaxDocument bytes. Every digest in
// it is well-formed.
func ParseManifest(data []byte) (*Manifest, error) {
	var doc struct {
		Manifest
		Manifests []imgspec.Descriptor `json:"manifests"` // null is none, as to package image
	}
	if err := unmarshal(data, &doc); err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	if doc.Manifests != nil {
		return nil, errors.New("manifest: is an index of images, not an image")
	}
	if err := doc.Config.Digest.Validate(); err != nil {
		return nil, fmt.Errorf("manifest: config: %w", err)
	}
	for i, l := range doc.Layers {
		if err := l.Digest.Validate(); err != nil {
			return nil, fmt.Errorf("manifest: layer %d of %d: %w", i+1, len(doc.Layers), err)
		}
	}
	return &doc.Manifest, nil
}

// Config is what this package reads of an image's config.
type Config struct {
	Architecture string  `json:"architecture"`
	OS           string  `json:"os"`
	Created      *string `json:"created"`
	Config       struct {
		Labels map[string]string `json:"Labels"`
	} `json:"config"`
	RootFS struct {
		DiffIDs []digest.Digest `json:"diff_ids"`
	} `json:"rootfs"`
}

// ParseConfig reads a config of at most MaxDocument bytes. Every digest in it is
// well-formed.
func ParseConfig(data []byte) (*Config, error) {
	var c Config
	if err := unmarshal(data, &c); err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	for i, d := range c.RootFS.DiffIDs {
		if err := d.Validate(); err != nil {
			return nil, fmt.Errorf("config: diff_id %d of %d: %w", i+1, len(c.RootFS.DiffIDs), err)
		}
	}
	return &c, nil
}

func unmarshal(data []byte, doc any) error {
	if len(data) > MaxDocument {
		return fmt.Errorf("%d bytes are more than the %d allowed", len(data), MaxDocument)
	}
	return json.Unmarshal(data, doc)
}

// LayerIDs are the names that the layers have in a repository, in the order in
// which they apply: the diff_ids of an image, the blobs' digests of an artifact.
func LayerIDs(m *Manifest, config []byte) ([]digest.Digest, error) {
	if !m.IsContainer() {
		ids := make([]digest.Digest, len(m.Layers))
		for i, l := range m.Layers {
			ids[i] = l.Digest
		}
		return ids, nil
	}
	c, err := ParseConfig(config)
	if err != nil {
		return nil, err
	}
	ids := c.RootFS.DiffIDs
	if len(ids) != len(m.Layers) {
		return nil, fmt.Errorf("the manifest has %d layers, the config %d diff_ids", len(m.Layers), len(ids))
	}
	return ids, nil
}

package main

import (
	"crypto/sha256"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sync/errgroup"
)

// The sources that decide an image's bytes are part of its cache key.
var (
	//go:embed content.go
	contentSource []byte
	//go:embed plan.go
	planSource []byte
	//go:embed layer.go
	layerSource []byte
	//go:embed layout.go
	layoutSource []byte
)

// The media types of what a layout holds.
const (
	manifestType = "application/vnd.oci.image.manifest.v1+json"
	configType   = "application/vnd.oci.image.config.v1+json"
	layerType    = "application/vnd.oci.image.layer.v1.tar+gzip"
)

// facts are what is worth saying about a generated image. They are stored
// beside it, as facts.json, and tell that it is complete.
type facts struct {
	Params      params
	Entries     int
	TarSize     int64
	GzipSize    int64
	Changed     layerBlob // the update's layer
	NewFiles    int       // files of the update with new content
	NewSize     int64     // their sizes, each rounded up to blocks of 4 KiB
	ConfigSize  int64     // of the update: what is transferred besides the layer
	ManifestLen int64
}

// generator makes images below a cache directory.
type generator struct {
	dir   string
	pools *pools // made when the first image needs them
}

// repository is the name of an image's directory, and of its repository on the
// server.
func (p params) repository() string {
	h := sha256.New()
	for _, source := range [][]byte{contentSource, planSource, layerSource, layoutSource} {
		h.Write(source)
	}
	fmt.Fprintf(h, "%+v", p)
	return fmt.Sprintf("%s-%x", p.Name, h.Sum(nil)[:6])
}

// image returns the layout directory of the image, which it makes if it is not
// there yet.
func (g *generator) image(p params) (string, error) {
	dir := filepath.Join(g.dir, p.repository())
	if _, err := os.Stat(filepath.Join(dir, "facts.json")); err == nil {
		return dir, nil
	}
	if g.pools == nil {
		g.pools = newPools(20261121)
	}
	tmp := dir + ".new"
	if err := os.RemoveAll(tmp); err != nil {
		return "", err
	}
	if err := g.write(tmp, p); err != nil {
		return "", fmt.Errorf("cannot generate %s: %w", p.Name, err)
	}
	return dir, os.Rename(tmp, dir)
}

// write makes the layout: v1, and v2 if there is to be an update.
func (g *generator) write(dir string, p params) error {
	blobs := filepath.Join(dir, "blobs", "sha256")
	if err := os.MkdirAll(blobs, 0o755); err != nil {
		return err
	}
	pl := newPlan(p)
	layers, update, err := g.layers(blobs, pl)
	if err != nil {
		return err
	}
	f := facts{Params: p}
	for _, l := range layers {
		f.Entries += l.Entries
		f.TarSize += l.TarSize
		f.GzipSize += l.Size
	}
	l := layout{dir: dir}
	if err := l.tag("v1", layers); err != nil {
		return err
	}
	if p.Update {
		layers[pl.changed] = update
		if err := l.tag("v2", layers); err != nil {
			return err
		}
		f.Changed, f.ConfigSize, f.ManifestLen = update, l.config.Size, l.manifests[1].Size
		f.NewFiles, f.NewSize = pl.newFiles()
	}
	if err := l.close(); err != nil {
		return err
	}
	return writeJSON(filepath.Join(dir, "facts.json"), f)
}

// layers writes all layers, and the update's, two at a time.
func (g *generator) layers(blobs string, pl *plan) (layers []layerBlob, update layerBlob, err error) {
	var group errgroup.Group
	group.SetLimit(2)
	layers = make([]layerBlob, len(pl.layers))
	for i, files := range pl.layers {
		group.Go(func() (err error) {
			layers[i], err = writeLayer(blobs, g.pools, files, i == 0)
			return err
		})
	}
	if pl.update != nil {
		group.Go(func() (err error) {
			update, err = writeLayer(blobs, g.pools, pl.update, false)
			return err
		})
	}
	return layers, update, group.Wait()
}

// newFiles counts the files that the update changes, and their blocks.
func (pl *plan) newFiles() (n int, size int64) {
	for i, f := range pl.update {
		if f.seed != pl.layers[pl.changed][i].seed {
			n++
			size += (f.size + 4095) &^ 4095
		}
	}
	return n, size
}

// layout is an OCI image layout under construction.
type layout struct {
	dir       string
	config    blob // of the last image
	manifests []descriptor
}

type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int64             `json:"size"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// tag adds an image of those layers.
func (l *layout) tag(name string, layers []layerBlob) error {
	var descriptors []descriptor
	var diffIDs []string
	for _, b := range layers {
		descriptors = append(descriptors, descriptor{MediaType: layerType, Digest: b.Digest, Size: b.Size})
		diffIDs = append(diffIDs, b.DiffID)
	}
	var err error
	l.config, err = l.put(map[string]any{
		"architecture": "amd64", "os": "linux", "created": epoch.UTC(),
		"config": map[string]any{"Labels": map[string]string{"containers.bootc": "1", "version": name}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": diffIDs},
	})
	if err != nil {
		return err
	}
	m, err := l.put(map[string]any{
		"schemaVersion": 2, "mediaType": manifestType, "layers": descriptors,
		"config": descriptor{MediaType: configType, Digest: l.config.Digest, Size: l.config.Size},
	})
	if err != nil {
		return err
	}
	l.manifests = append(l.manifests, descriptor{
		MediaType: manifestType, Digest: m.Digest, Size: m.Size,
		Annotations: map[string]string{"org.opencontainers.image.ref.name": name},
	})
	return nil
}

// put stores v in JSON as a blob.
func (l *layout) put(v any) (blob, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return blob{}, err
	}
	sum := fmt.Sprintf("%x", sha256.Sum256(data))
	return blob{"sha256:" + sum, int64(len(data))}, os.WriteFile(filepath.Join(l.dir, "blobs", "sha256", sum), data, 0o644)
}

// close writes the index.
func (l *layout) close() error {
	if err := writeJSON(filepath.Join(l.dir, "oci-layout"), map[string]string{"imageLayoutVersion": "1.0.0"}); err != nil {
		return err
	}
	return writeJSON(filepath.Join(l.dir, "index.json"), map[string]any{"schemaVersion": 2, "manifests": l.manifests})
}

func writeJSON(path string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(data, '\n'), 0o644)
}

func readJSON(path string, v any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return json.Unmarshal(data, v)
}

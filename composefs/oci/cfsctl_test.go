package oci_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/bootc-go/bootc/composefs/oci"
	"github.com/bootc-go/bootc/composefs/repo"
)

// cfsctlRepo unpacks the repository that cfsctl made.
func cfsctlRepo(t *testing.T) *repo.Repo {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command("tar", "-C", dir, "-xzf", "testdata/cfsctl/repo.tar.gz")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("tar: %v\n%s", err, out)
	}
	r, err := repo.Open(t.Context(), filepath.Join(dir, "repo"), repo.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// sameJSON compares a value's JSON with what cfsctl printed, key by key; the
// order of keys counts for nothing.
func sameJSON(t *testing.T, file string, v any) {
	t.Helper()
	want, err := os.ReadFile(filepath.Join("testdata/cfsctl", file))
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var w, g any
	if err := json.Unmarshal(want, &w); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(got, &g); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(w, g); d != "" {
		t.Errorf("%s: cfsctl's is -, ours is +\n%s", file, d)
	}
}

func TestListAsCfsctl(t *testing.T) {
	r := cfsctlRepo(t)
	entries, damaged, err := oci.List(r)
	if err != nil || len(damaged) > 0 {
		t.Fatal(err, damaged)
	}
	sameJSON(t, "images.json", map[string]any{"images": entries})
}

func TestInspectAsCfsctl(t *testing.T) {
	r := cfsctlRepo(t)
	for tag, file := range map[string]string{
		"registry.example/os/image:44": "inspect-image.json",
		"100%/x":                       "inspect-plain.json",
		"note":                         "inspect-artifact.json",
	} {
		img, err := oci.OpenTag(r, tag)
		if err != nil {
			t.Fatal(err)
		}
		in, err := oci.Inspect(r, img)
		if err != nil {
			t.Fatal(err)
		}
		sameJSON(t, file, in)
		if got := digest.FromBytes(img.ManifestJSON); got != img.ManifestDigest {
			t.Errorf("%s: the manifest has the digest %s, not %s", tag, got, img.ManifestDigest)
		}
	}
}

func TestLayerAsCfsctl(t *testing.T) {
	r := cfsctlRepo(t)
	files, err := filepath.Glob("testdata/cfsctl/layer-*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("no layers to compare", err)
	}
	for _, file := range files {
		hex := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(file), "layer-"), ".json")
		id := digest.NewDigestFromEncoded(digest.SHA256, hex)
		info, err := oci.InspectLayer(r, id)
		if err != nil {
			t.Fatal(err)
		}
		sameJSON(t, filepath.Base(file), info)

		s, err := oci.OpenLayer(r, id)
		if err != nil {
			t.Fatal(err)
		}
		var tarball bytes.Buffer
		if err := s.Cat(&tarball); err != nil {
			t.Fatal(err)
		}
		s.Close()
		if got := digest.FromBytes(tarball.Bytes()); got != id {
			t.Errorf("the tar of layer %s came back as %s", id, got)
		}
	}
}

func TestFsckAsCfsctl(t *testing.T) {
	r := cfsctlRepo(t)
	rep, err := oci.Fsck(t.Context(), r, "")
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("testdata/cfsctl/fsck.txt")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), rep.String()); d != "" {
		t.Errorf("cfsctl's is -, ours is +\n%s", d)
	}
	var js map[string]any
	b, err := json.Marshal(rep)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &js); err != nil {
		t.Fatal(err)
	}
	if below, ok := js["repo"].(map[string]any); ok {
		delete(below, "findings") // the same as errors, as data; cfsctl has no such list
	}
	sameJSON(t, "fsck.json", js)
}

// TestPreserveForeignImages stores an image of cfsctl's again: nothing changes,
// and the EROFS images that it refers to stay referred to.
func TestPreserveForeignImages(t *testing.T) {
	r := cfsctlRepo(t)
	before, err := oci.OpenTag(r, "registry.example/os/image:44")
	if err != nil {
		t.Fatal(err)
	}
	parts := oci.Parts{
		Manifest:       before.ManifestJSON,
		Config:         before.ConfigJSON,
		ManifestDigest: before.ManifestDigest,
		Layers:         layerMap(before.Layers),
	}
	after, err := oci.Write(t.Context(), r, r.NewImporter(), parts)
	if err != nil {
		t.Fatal(err)
	}
	if after.ManifestStream != before.ManifestStream || after.ConfigStream != before.ConfigStream {
		t.Error("storing what is there already wrote other streams")
	}
	boot, ok := after.BootImage(oci.AllowlistOnly)
	if want, _ := before.BootImage(oci.AllowlistOnly); !ok || boot != want {
		t.Errorf("the boot image is %s, was %s", boot, want)
	}
}

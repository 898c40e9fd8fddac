package oci_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/bootc-go/bootc/composefs/oci"
	"github.com/bootc-go/bootc/composefs/repo"
	"github.com/bootc-go/bootc/composefs/tree"
	"github.com/bootc-go/bootc/composefs/verity"
)

func newRepo(t *testing.T) *repo.Repo {
	t.Helper()
	r, _, err := repo.Init(t.Context(), filepath.Join(t.TempDir(), "repo"), repo.Config{Insecure: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func layerMap(ls []oci.Layer) map[digest.Digest]verity.Digest {
	m := map[digest.Digest]verity.Digest{}
	for _, l := range ls {
		m[l.ID] = l.Stream
	}
	return m
}

// putLayer stores a layer whose tar is one block of zeros and the text's bytes;
// nobody here reads it as a tar.
func putLayer(t *testing.T, r *repo.Repo, text string) oci.Layer {
	t.Helper()
	im := r.NewImporter()
	object, err := im.Put([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	s := r.NewStream(im, oci.ContentTypeLayer)
	zeros := make([]byte, 1024)
	if err := errors.Join(s.WriteExternal(object, int64(len(text))), s.WriteInline(zeros)); err != nil {
		t.Fatal(err)
	}
	stream, err := s.Commit()
	if err != nil {
		t.Fatal(err)
	}
	id := digest.FromString(text + string(zeros))
	if err := r.LinkStream(oci.LayerName(id), stream); err != nil {
		t.Fatal(err)
	}
	return oci.Layer{ID: id, Stream: stream}
}

// partsOf makes the documents of an image of the layers. The note goes into the
// manifest alone, so that images of other notes have the same config.
func partsOf(note string, ls ...oci.Layer) oci.Parts {
	var diffs, blobs []string
	for _, l := range ls {
		diffs = append(diffs, fmt.Sprintf("%q", l.ID))
		blobs = append(blobs, fmt.Sprintf(`{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":%q,"size":1}`, l.ID))
	}
	config := fmt.Appendf(nil, `{"architecture":"riscv64","os":"linux","created":"2026-01-02T03:04:05Z","rootfs":{"type":"layers","diff_ids":[%s]}}`,
		strings.Join(diffs, ","))
	manifest := fmt.Appendf(nil, `{"schemaVersion":2,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":%q,"size":%d},"layers":[%s],"annotations":{"note":%q}}`,
		digest.FromBytes(config), len(config), strings.Join(blobs, ","), note)
	return oci.Parts{
		Manifest:       manifest,
		Config:         config,
		ManifestDigest: digest.FromBytes(manifest),
		Layers:         layerMap(ls),
	}
}

func write(t *testing.T, r *repo.Repo, p oci.Parts) *oci.Image {
	t.Helper()
	img, err := oci.Write(t.Context(), r, r.NewImporter(), p)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func putImage(t *testing.T, r *repo.Repo, perm uint32) verity.Digest {
	t.Helper()
	d, err := r.WriteImage(tree.NewDir(perm), "")
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func fsckClean(t *testing.T, r *repo.Repo) {
	t.Helper()
	rep, err := oci.Fsck(t.Context(), r, "")
	if err != nil {
		t.Fatal(err)
	}
	if !rep.OK() {
		t.Fatalf("not clean:\n%s", rep)
	}
}

func TestWriteAndOpen(t *testing.T) {
	r := newRepo(t)
	ls := []oci.Layer{putLayer(t, r, "one"), putLayer(t, r, "two"), putLayer(t, r, "one")}
	p := partsOf("", ls...)
	p.Image = putImage(t, r, 0o755)
	img := write(t, r, p)
	if err := oci.Tag(r, img.ManifestDigest, "a/b:c"); err != nil {
		t.Fatal(err)
	}
	got, err := oci.OpenTag(r, "a/b:c")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(ls, got.Layers, cmp.Comparer(func(a, b oci.Layer) bool { return a == b })); d != "" {
		t.Error(d)
	}
	if string(got.ManifestJSON) != string(p.Manifest) || string(got.ConfigJSON) != string(p.Config) {
		t.Error("the documents changed")
	}
	if d, ok := got.Image(); !ok || d != p.Image {
		t.Errorf("the image is %s, want %s", d, p.Image)
	}
	if _, ok := got.BootImage(oci.AllowlistOnly); ok {
		t.Error("there is a boot image that nobody made")
	}
	fsckClean(t, r)
}

func TestAddBootImages(t *testing.T) {
	r := newRepo(t)
	p := partsOf("", putLayer(t, r, "x"))
	p.Image = putImage(t, r, 0o755)
	write(t, r, p)
	p.Image, p.BootImage = verity.Digest{}, putImage(t, r, 0o700)
	write(t, r, p)
	p.BootImage, p.Xattrs = putImage(t, r, 0o500), oci.KeepUserXattrs
	img := write(t, r, p)

	want := oci.Images{
		"composefs.image.v1":                              putImage(t, r, 0o755),
		"composefs.image.boot.v1":                         putImage(t, r, 0o700),
		"composefs.image.boot.v1.xattrs=keep-user-xattrs": putImage(t, r, 0o500),
	}
	if d := cmp.Diff(want, img.Images, cmp.Comparer(func(a, b verity.Digest) bool { return a == b })); d != "" {
		t.Error(d)
	}
}

// TestSharedConfig checks that a config that gets another stream takes all of
// its manifests along, and that untagging one leaves the other whole.
func TestSharedConfig(t *testing.T) {
	r := newRepo(t)
	l := putLayer(t, r, "x")
	first, second := partsOf("first", l), partsOf("second", l)
	write(t, r, first)
	if err := oci.Tag(r, first.ManifestDigest, "first"); err != nil {
		t.Fatal(err)
	}
	second.Image = putImage(t, r, 0o755)
	b := write(t, r, second)
	a, err := oci.OpenTag(r, "first")
	if err != nil {
		t.Fatal(err)
	}
	if a.ConfigStream != b.ConfigStream {
		t.Errorf("the first manifest refers to config stream %s, the second to %s", a.ConfigStream, b.ConfigStream)
	}
	if _, err := r.GC(t.Context(), repo.GCOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := oci.Open(r, second.ManifestDigest); !errors.Is(err, oci.ErrNotFound) {
		t.Errorf("the untagged manifest: %v, want it gone", err)
	}
	fsckClean(t, r)
	if ok, err := r.HasImage(second.Image); err != nil || !ok {
		t.Errorf("the EROFS image of the tagged manifest is gone (%v)", err)
	}
}

// TestDockerManifest checks that an image of docker's is an image to us and a
// whole artifact to cfsctl.
func TestDockerManifest(t *testing.T) {
	r := newRepo(t)
	l := putLayer(t, r, "x")
	p := partsOf("", l)
	blob := digest.FromString("compressed")
	m := strings.Replace(string(p.Manifest), "application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json", 1)
	p.Manifest = []byte(strings.Replace(m, string(l.ID)+`","size"`, string(blob)+`","size"`, 1))
	p.ManifestDigest = digest.FromBytes(p.Manifest)
	img := write(t, r, p)
	if !img.IsContainer() || len(img.Layers) != 1 || img.Layers[0] != l {
		t.Errorf("the image is %+v", img)
	}
	s, err := r.OpenStreamObject(img.ManifestStream)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, name := range []digest.Digest{l.ID, blob} {
		if d, ok := s.NamedRef(string(name)); !ok || d != l.Stream {
			t.Errorf("%s refers to %s, not to the layer", name, d)
		}
	}
}

func TestRefuseWrongParts(t *testing.T) {
	r := newRepo(t)
	l := putLayer(t, r, "x")
	for name, change := range map[string]func(*oci.Parts){
		"manifest digest": func(p *oci.Parts) { p.ManifestDigest = digest.FromString("other") },
		"config bytes":    func(p *oci.Parts) { p.Config = append(p.Config, ' ') },
		"no layer":        func(p *oci.Parts) { p.Layers = nil },
	} {
		p := partsOf("", l)
		change(&p)
		if _, err := oci.Write(t.Context(), r, r.NewImporter(), p); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	links, err := r.Streams()
	if err != nil || len(links) != 1 {
		t.Errorf("refused parts left %d streams, want the layer's alone (%v)", len(links), err)
	}
}

func TestTags(t *testing.T) {
	r := newRepo(t)
	img := write(t, r, partsOf("", putLayer(t, r, "x")))
	if err := oci.Tag(r, digest.FromString("missing"), "t"); !errors.Is(err, oci.ErrNotFound) {
		t.Errorf("tagging what is not here: %v", err)
	}
	if err := oci.Tag(r, img.ManifestDigest, "@x"); err == nil {
		t.Error("tag @x: accepted")
	}
	if _, err := oci.OpenTag(r, "t"); !errors.Is(err, oci.ErrNotFound) {
		t.Errorf("opening a missing tag: %v", err)
	}
	if err := oci.Untag(r, "t"); !errors.Is(err, oci.ErrNotFound) {
		t.Errorf("removing a missing tag: %v", err)
	}
	for _, tag := range []string{"b", "a/b", "%"} {
		if err := oci.Tag(r, img.ManifestDigest, tag); err != nil {
			t.Fatal(err)
		}
	}
	if err := oci.Untag(r, "b"); err != nil {
		t.Fatal(err)
	}
	refs, err := oci.Refs(r)
	if err != nil {
		t.Fatal(err)
	}
	want := []oci.Ref{{Tag: "%", Manifest: img.ManifestDigest}, {Tag: "a/b", Manifest: img.ManifestDigest}}
	if d := cmp.Diff(want, refs); d != "" {
		t.Error(d)
	}
}

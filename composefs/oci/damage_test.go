package oci_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bootc-go/bootc/composefs/oci"
	"github.com/bootc-go/bootc/composefs/repo"
	"github.com/bootc-go/bootc/composefs/verity"
)

// scene is a repository with one image, for damaging.
type scene struct {
	t    *testing.T
	repo *repo.Repo
	img  *oci.Image
	big  verity.Digest // the object in the layer
}

func newScene(t *testing.T) *scene {
	r := newRepo(t)
	text := strings.Repeat("big ", 2000)
	l := putLayer(t, r, text)
	p := partsOf("", l, putLayer(t, r, "second"))
	p.Image, p.BootImage = putImage(t, r, 0o755), putImage(t, r, 0o700)
	img := write(t, r, p)
	if err := oci.Tag(r, img.ManifestDigest, "live"); err != nil {
		t.Fatal(err)
	}
	fsckClean(t, r)
	return &scene{t, r, img, verity.Sum(verity.SHA512, []byte(text))}
}

func (s *scene) path(elem ...string) string {
	return filepath.Join(append([]string{s.repo.Path()}, elem...)...)
}

func (s *scene) object(d verity.Digest) string { return s.path("objects", d.ObjectPath()) }

func (s *scene) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// rewrite changes the content of a file in place.
func (s *scene) rewrite(path string, change func([]byte) []byte) {
	s.t.Helper()
	data, err := os.ReadFile(path)
	s.must(err)
	s.must(os.Remove(path))
	s.must(os.WriteFile(path, change(data), 0o644))
}

func flip(data []byte) []byte {
	data[len(data)/2] ^= 1
	return data
}

func (s *scene) relink(path, target string) {
	s.t.Helper()
	s.must(os.Remove(path))
	s.must(os.Symlink(target, path))
}

func (s *scene) plain() verity.Digest { d, _ := s.img.Image(); return d }
func (s *scene) boot() verity.Digest  { d, _ := s.img.BootImage(oci.AllowlistOnly); return d }

// damages are all the ways to break an image; mention is what the report must
// say of it.
var damages = []struct {
	name    string
	plant   func(*scene)
	mention func(*scene) string
}{
	{"file object missing", func(s *scene) { s.must(os.Remove(s.object(s.big))) }, func(s *scene) string { return s.big.String() }},
	{"file object flipped", func(s *scene) { s.rewrite(s.object(s.big), flip) }, func(s *scene) string { return s.big.ObjectPath() }},
	{"file object cut", func(s *scene) { s.rewrite(s.object(s.big), func(b []byte) []byte { return b[:10] }) }, func(s *scene) string { return s.big.ObjectPath() }},
	{"file object empty", func(s *scene) { s.rewrite(s.object(s.big), func([]byte) []byte { return nil }) }, func(s *scene) string { return s.big.ObjectPath() }},
	{"layer stream missing", func(s *scene) { s.must(os.Remove(s.object(s.img.Layers[0].Stream))) }, func(s *scene) string { return string(s.img.Layers[0].ID) }},
	{"layer stream flipped", func(s *scene) { s.rewrite(s.object(s.img.Layers[0].Stream), flip) }, func(s *scene) string { return string(s.img.Layers[0].ID) }},
	{"layer stream garbage", func(s *scene) {
		s.rewrite(s.object(s.img.Layers[0].Stream), func(b []byte) []byte { clear(b); return b })
	}, func(s *scene) string { return string(s.img.Layers[0].ID) }},
	{"layer name missing", func(s *scene) { s.must(os.Remove(s.path("streams", oci.LayerName(s.img.Layers[0].ID)))) }, func(s *scene) string {
		return "layer-stream-missing: live: " + string(s.img.Layers[0].ID)
	}},
	{"config stream missing", func(s *scene) { s.must(os.Remove(s.object(s.img.ConfigStream))) }, func(s *scene) string { return "config-read-failed: live" }},
	{"config stream flipped", func(s *scene) { s.rewrite(s.object(s.img.ConfigStream), flip) }, func(s *scene) string { return "config-read-failed: live" }},
	{"config name missing", func(s *scene) { s.must(os.Remove(s.path("streams", oci.ConfigName(s.img.ConfigDigest)))) }, func(s *scene) string {
		return "config-stream-missing: live: " + string(s.img.ConfigDigest)
	}},
	{"config flipped", func(s *scene) {
		s.rewrite(s.object(verity.Sum(verity.SHA512, s.img.ConfigJSON)), flip)
	}, func(s *scene) string { return "config-digest-mismatch: live: expected " + string(s.img.ConfigDigest) }},
	{"manifest missing", func(s *scene) {
		s.must(os.Remove(s.object(verity.Sum(verity.SHA512, s.img.ManifestJSON))))
	}, func(s *scene) string { return "manifest-read-failed: live" }},
	{"manifest flipped", func(s *scene) {
		s.rewrite(s.object(verity.Sum(verity.SHA512, s.img.ManifestJSON)), flip)
	}, func(s *scene) string {
		return "manifest-digest-mismatch: live: expected " + string(s.img.ManifestDigest)
	}},
	{"manifest name missing", func(s *scene) { s.must(os.Remove(s.path("streams", oci.ManifestName(s.img.ManifestDigest)))) }, func(s *scene) string {
		return "manifest-read-failed: live"
	}},
	{"manifest name of another stream", func(s *scene) {
		s.relink(s.path("streams", oci.ManifestName(s.img.ManifestDigest)), "../objects/"+s.img.ConfigStream.ObjectPath())
	}, func(s *scene) string { return "manifest-read-failed: live" }},
	{"image object missing", func(s *scene) { s.must(os.Remove(s.object(s.plain()))) }, func(s *scene) string { return s.plain().String() }},
	{"image flipped", func(s *scene) { s.rewrite(s.object(s.boot()), flip) }, func(s *scene) string { return s.boot().ObjectPath() }},
	{"image name missing", func(s *scene) { s.must(os.Remove(s.path("images", s.boot().String()))) }, func(s *scene) string {
		return "erofs-image-missing: live: " + s.boot().String()
	}},
	{"image name of another image", func(s *scene) {
		s.relink(s.path("images", s.boot().String()), "../objects/"+s.plain().ObjectPath())
	}, func(s *scene) string { return s.boot().String() }},
	{"tag to nowhere", func(s *scene) {
		s.must(os.Symlink("../../oci-manifest-sha256:"+strings.Repeat("0", 64), s.path("streams/refs/oci/gone")))
	}, func(*scene) string { return "gone" }},
	{"tag of a layer", func(s *scene) {
		s.must(os.Symlink("../../"+oci.LayerName(s.img.Layers[0].ID), s.path("streams/refs/oci/odd")))
	}, func(*scene) string { return "ref-resolve-failed: odd" }},
	{"tag with a reserved name", func(s *scene) {
		s.must(os.Symlink("../../"+oci.ManifestName(s.img.ManifestDigest), s.path("streams/refs/oci/@x")))
	}, func(*scene) string { return "invalid-ref-name: @x" }},
}

func TestDamageIsFound(t *testing.T) {
	t.Parallel()
	for _, d := range damages {
		t.Run(strings.ReplaceAll(d.name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			d.plant(s)
			rep, err := oci.Fsck(t.Context(), s.repo, "")
			if err != nil {
				t.Fatal(err)
			}
			if rep.OK() {
				t.Fatal("found nothing")
			}
			if text := rep.String(); !strings.Contains(text, d.mention(s)) {
				t.Errorf("the report does not say %q:\n%s", d.mention(s), text)
			}
		})
	}
}

// TestSwappedLayers plants what digests of objects cannot show: whole streams
// under each other's name, in the references and in the links.
func TestSwappedLayers(t *testing.T) {
	s := newScene(t)
	p := partsOf("", s.img.Layers...)
	a, b := s.img.Layers[0], s.img.Layers[1]
	p.Layers[a.ID], p.Layers[b.ID] = b.Stream, a.Stream
	write(t, s.repo, p)
	s.must(s.repo.LinkStream(oci.LayerName(a.ID), b.Stream))
	s.must(s.repo.LinkStream(oci.LayerName(b.ID), a.Stream))
	rep, err := oci.Fsck(t.Context(), s.repo, "live")
	s.must(err)
	for _, l := range s.img.Layers {
		if want := "layer-digest-mismatch: live: " + string(l.ID); !strings.Contains(rep.String(), want) {
			t.Errorf("the report does not say %q:\n%s", want, rep)
		}
	}
}

// TestOneReferenceMissing: that a config does not refer to one layer must not
// hide what is wrong with another.
func TestOneReferenceMissing(t *testing.T) {
	s := newScene(t)
	a, b := s.img.Layers[0], s.img.Layers[1]
	config := s.stream(oci.ContentTypeConfig, s.img.ConfigJSON, map[string]verity.Digest{string(a.ID): b.Stream})
	manifest := s.stream(oci.ContentTypeManifest, s.img.ManifestJSON, map[string]verity.Digest{"config:" + string(s.img.ConfigDigest): config})
	s.must(s.repo.LinkStream(oci.ConfigName(s.img.ConfigDigest), config))
	s.must(s.repo.LinkStream(oci.ManifestName(s.img.ManifestDigest), manifest))
	rep, err := oci.Fsck(t.Context(), s.repo, "live")
	s.must(err)
	for _, want := range []string{"layer-digest-mismatch: live: " + string(a.ID), "layer-ref-missing: live: " + string(b.ID)} {
		if !strings.Contains(rep.String(), want) {
			t.Errorf("the report does not say %q:\n%s", want, rep)
		}
	}
}

// stream stores a document with the given references.
func (s *scene) stream(contentType uint64, data []byte, refs map[string]verity.Digest) verity.Digest {
	s.t.Helper()
	im := s.repo.NewImporter()
	object, err := im.Put(data)
	s.must(err)
	w := s.repo.NewStream(im, contentType)
	for name, d := range refs {
		s.must(w.AddNamedRef(name, d))
	}
	s.must(w.WriteExternal(object, int64(len(data))))
	d, err := w.Commit()
	s.must(err)
	return d
}

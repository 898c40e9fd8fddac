package pull_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/bootc-go/bootc/composefs/oci"
	"github.com/bootc-go/bootc/composefs/verity"
	"github.com/bootc-go/bootc/image/registrytest"
)

// world is a registry, a repository and a puller between them.
type world struct {
	*testing.T
	reg *registrytest.Registry
	*puller
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return &world{t, registrytest.New(t), newPuller(t, newRepo(t))}
}

// push builds an image of the layers and gives it to the registry.
func (w *world) push(tag string, ls ...registrytest.Layer) *registrytest.Built {
	w.Helper()
	b := registrytest.Build(w.T, registrytest.Image{Layers: ls})
	w.reg.Push("os", tag, b)
	return b
}

func (w *world) name(tag string) string { return w.reg.Name("os:" + tag) }

// written is what a pull writes besides the contents of files.
type written struct {
	layers    int  // splitstreams of layers
	config    bool // a config that was not here, with its stream
	manifest  bool // a manifest that was not here
	restreams int  // streams of documents written anew
	images    int  // EROFS images
}

// expectNew requires that the repository grew by exactly the objects that hold
// contents, and as many others as wr says.
func (w *world) expectNew(before map[string]any, b *registrytest.Built, contents []string, wr written) {
	w.Helper()
	found := newObjects(w.T, before, listing(w.T, w.repo))
	var want []verity.Digest
	for _, c := range contents {
		want = append(want, sum([]byte(c)))
	}
	others := wr.layers + wr.restreams + wr.images
	if wr.config {
		want = append(want, sum(b.Config))
		others++
	}
	if wr.manifest {
		want = append(want, sum(b.Manifest))
		others++
	}
	for _, d := range want {
		if _, ok := found[d]; !ok {
			w.Errorf("object %s was not written", d)
		}
		delete(found, d)
	}
	if len(found) != others {
		w.Errorf("%d other objects were written, want %d: %v", len(found), others, slices.Collect(maps.Keys(found)))
	}
}

// contents are the bodies of the files that become objects.
func contents(es ...registrytest.Entry) []string {
	var out []string
	for _, e := range es {
		if len(e.Body) > 64 {
			out = append(out, e.Body)
		}
	}
	return out
}

func TestFirstPull(t *testing.T) {
	w := newWorld(t)
	a, c := files("a", 1, 5, 100), files("c", 2, 5, 3000)
	b := w.push("1", gzLayer(a...), gzLayer(c...))
	before := listing(t, w.repo)
	res := w.mustPull(t, w.name("1"), "one")
	gets(t, w.reg, configDigest(b), string(b.Layers[0].Digest), string(b.Layers[1].Digest))
	w.expectNew(before, b, contents(append(a, c...)...), written{layers: 2, config: true, manifest: true, images: 1})
	if s := res.Stats; s.LayersFetched != 2 || s.LayersReused != 0 || s.BytesFetched != b.Layers[0].Size+b.Layers[1].Size {
		t.Errorf("the statistics are %+v", s)
	}
	if s, n := res.Stats, len(newObjects(t, before, listing(t, w.repo))); s.ObjectsNew != int64(n) {
		t.Errorf("%d objects are counted, %d are there", s.ObjectsNew, n)
	}
	fsckClean(t, w.repo)
}

func TestSecondPull(t *testing.T) {
	w := newWorld(t)
	w.push("1", gzLayer(files("a", 1, 5, 100)...))
	first := w.mustPull(t, w.name("1"), "one")
	before := listing(t, w.repo)
	w.reg.Reset()
	again := w.mustPull(t, w.name("1"), "one")
	gets(t, w.reg)
	sameListing(t, "the second pull changed the repository", before, listing(t, w.repo))
	if again.Stats.BytesFetched != 0 || again.Stats.ObjectsNew != 0 || again.Image != first.Image || again.ManifestStream != first.ManifestStream {
		t.Errorf("first %+v\nagain %+v", first, again)
	}
}

// TestSecondPullAsksOnce counts what a second pull says to the registry at all.
func TestSecondPullAsksOnce(t *testing.T) {
	w := newWorld(t)
	w.push("1", gzLayer(files("a", 1, 5, 100)...))
	w.mustPull(t, w.name("1"), "one")
	w.reg.Reset()
	w.mustPull(t, w.name("1"), "one")
	if n := len(w.reg.Requests("/manifests/")); n != 1 {
		t.Errorf("%d requests for manifests, want 1: %+v", n, w.reg.Requests("/manifests/"))
	}
	if n := len(w.reg.Requests("")); n > 2 { // the first may ask what the registry speaks
		t.Errorf("%d requests, want at most 2: %+v", n, w.reg.Requests(""))
	}
}

func TestUpdateOneLayer(t *testing.T) {
	w := newWorld(t)
	var ls []registrytest.Layer
	for i := range 6 {
		ls = append(ls, gzLayer(files(fmt.Sprint("d", i), uint64(i), 8, 500)...))
	}
	w.push("1", ls...)
	w.mustPull(t, w.name("1"), "os")

	changed := files("d3", 3, 8, 500)
	changed[4] = registrytest.File(changed[4].Name, registrytest.Random(77, 900))
	ls[3] = gzLayer(changed...)
	b := w.push("2", ls...)
	w.reg.Reset()
	before := listing(t, w.repo)
	res := w.mustPull(t, w.name("2"), "os")
	gets(t, w.reg, configDigest(b), string(b.Layers[3].Digest))
	w.expectNew(before, b, []string{changed[4].Body}, written{layers: 1, config: true, manifest: true, images: 1})
	if s := res.Stats; s.LayersFetched != 1 || s.LayersReused != 5 || s.ObjectsReused != 7 {
		t.Errorf("the statistics are %+v", s)
	}
	fsckClean(t, w.repo)
}

// TestRecutLayers pulls the same files in other layers: all blobs are new to the
// repository, no file is.
func TestRecutLayers(t *testing.T) {
	w := newWorld(t)
	a, c := files("a", 1, 9, 500), files("c", 2, 9, 5000)
	w.push("1", gzLayer(a...), gzLayer(c...))
	first := w.mustPull(t, w.name("1"), "os")

	half := slices.Concat(a[:2], a[5:], c[1:2])
	rest := slices.Concat(a[:2], a[2:5], c)
	b := w.push("2", gzLayer(half...), registrytest.Layer{Entries: rest, Compression: registrytest.Zstd})
	w.reg.Reset()
	before := listing(t, w.repo)
	res := w.mustPull(t, w.name("2"), "recut")
	gets(t, w.reg, configDigest(b), string(b.Layers[0].Digest), string(b.Layers[1].Digest))
	w.expectNew(before, b, nil, written{layers: 2, config: true, manifest: true})
	if res.Image != first.Image {
		t.Errorf("the same files make image %s and %s", first.Image, res.Image)
	}
	fsckClean(t, w.repo)
}

func TestTwoTags(t *testing.T) {
	w := newWorld(t)
	b := w.push("1", gzLayer(files("a", 1, 5, 100)...))
	w.reg.Push("os", "latest", b)
	w.mustPull(t, w.name("1"), "one")
	w.reg.Reset()
	before := listing(t, w.repo)
	w.mustPull(t, w.name("latest"), "two")
	gets(t, w.reg)
	after := listing(t, w.repo)
	if after["streams/refs/oci/two"] != after["streams/refs/oci/one"] {
		t.Error("the tags lead to different images")
	}
	sameListing(t, "besides the tag", before, without(after, "streams/refs/oci/two"))
}

func TestBaseIsHere(t *testing.T) {
	w := newWorld(t)
	base := []registrytest.Layer{gzLayer(files("a", 1, 5, 100)...), gzLayer(files("c", 2, 5, 200)...)}
	w.push("base", base...)
	w.mustPull(t, w.name("base"), "base")
	own := files("own", 3, 5, 300)
	b := w.push("derived", append(base, gzLayer(own...))...)
	w.reg.Reset()
	before := listing(t, w.repo)
	w.mustPull(t, w.name("derived"), "derived")
	gets(t, w.reg, configDigest(b), string(b.Layers[2].Digest))
	w.expectNew(before, b, contents(own...), written{layers: 1, config: true, manifest: true, images: 1})
}

func TestSameLayerTwice(t *testing.T) {
	w := newWorld(t)
	l, other := gzLayer(files("a", 1, 5, 100)...), gzLayer(files("c", 2, 5, 100)...)
	zl := l
	zl.Compression = registrytest.Zstd // another blob, the same tar
	b := w.push("1", l, other, l, zl)
	res := w.mustPull(t, w.name("1"), "one")
	gets(t, w.reg, configDigest(b), string(b.Layers[0].Digest), string(b.Layers[1].Digest))
	if res.Stats.LayersFetched != 2 || res.Stats.LayersReused != 2 {
		t.Errorf("the statistics are %+v", res.Stats)
	}
	fsckClean(t, w.repo)
}

// TestLargestFirst checks in which order layers are asked for.
func TestLargestFirst(t *testing.T) {
	w := newWorld(t)
	w.opts.Parallel = 1
	var ls []registrytest.Layer
	for i, size := range []int{300, 5000, 100, 2000} {
		ls = append(ls, gzLayer(files(fmt.Sprint("d", i), uint64(i), 5, size)...))
	}
	b := w.push("1", ls...)
	w.mustPull(t, w.name("1"), "one")
	var got []string
	for _, q := range w.reg.Requests("/blobs/") {
		got = append(got, q.Path[strings.LastIndexByte(q.Path, '/')+1:])
	}
	want := []string{configDigest(b)}
	for _, i := range []int{1, 3, 0, 2} {
		want = append(want, string(b.Layers[i].Digest))
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("order of requests (-want +got):\n%s", d)
	}
}

// TestOtherManifest pulls an image that differs from one that is here in nothing
// but how its layers are compressed.
func TestOtherManifest(t *testing.T) {
	w := newWorld(t)
	l := gzLayer(files("a", 1, 5, 100)...)
	w.push("gz", l)
	first := w.mustPull(t, w.name("gz"), "gz")
	l.Compression = registrytest.Zstd
	b := w.push("zstd", l)
	w.reg.Reset()
	before := listing(t, w.repo)
	res := w.mustPull(t, w.name("zstd"), "zstd")
	gets(t, w.reg)
	w.expectNew(before, b, nil, written{manifest: true})
	if res.Image != first.Image || res.ConfigStream != first.ConfigStream || res.ManifestDigest == first.ManifestDigest {
		t.Errorf("first %+v\nthen %+v", first, res)
	}
}

func TestBootImageLater(t *testing.T) {
	w := newWorld(t)
	b := w.push("1", gzLayer(slices.Concat(files("a", 1, 5, 100), []registrytest.Entry{registrytest.Dir("boot"), registrytest.File("boot/x", "x"), registrytest.Dir("sysroot")})...))
	plain := w.mustPull(t, w.name("1"), "one")
	w.reg.Reset()
	before := listing(t, w.repo)
	w.opts.Bootable = true
	boot := w.mustPull(t, w.name("1"), "one")
	gets(t, w.reg)
	w.expectNew(before, b, nil, written{images: 1, restreams: 2})
	if boot.Image != plain.Image || boot.BootImage.IsZero() || boot.BootImage == boot.Image {
		t.Errorf("plain %+v\nboot %+v", plain, boot)
	}
	before = listing(t, w.repo)
	w.opts.Bootable = false
	w.mustPull(t, w.name("1"), "one")
	sameListing(t, "a pull without the boot image", before, listing(t, w.repo))
	fsckClean(t, w.repo)
}

// TestMissingObject takes an object away: the plan notices, and only the layer
// that needs it is fetched.
func TestMissingObject(t *testing.T) {
	w := newWorld(t)
	a, c := files("a", 1, 5, 100), files("c", 2, 5, 3000)
	b := w.push("1", gzLayer(a...), gzLayer(c...))
	w.mustPull(t, w.name("1"), "one")
	whole := listing(t, w.repo)
	w.reg.Reset()
	victim := sum([]byte(c[3].Body))
	if err := os.Remove(filepath.Join(w.repo.Path(), "objects", victim.ObjectPath())); err != nil {
		t.Fatal(err)
	}
	w.mustPull(t, w.name("1"), "one")
	gets(t, w.reg, string(b.Layers[1].Digest))
	sameListing(t, "after mending", whole, listing(t, w.repo))
	fsckClean(t, w.repo)
}

// TestUntagged pulls without a tag: the image is there until the next
// collection, and then nothing of it.
func TestUntagged(t *testing.T) {
	w := newWorld(t)
	w.push("1", gzLayer(files("a", 1, 5, 100)...))
	res := w.mustPull(t, w.name("1"), "")
	if _, err := oci.Open(w.repo, res.ManifestDigest); err != nil {
		t.Error(err)
	}
	nothingLeft(t, w.repo)
}

func configDigest(b *registrytest.Built) string { return string(digest.FromBytes(b.Config)) }

func without(m map[string]any, name string) map[string]any {
	m = maps.Clone(m)
	delete(m, name)
	return m
}

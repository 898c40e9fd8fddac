package pull_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bootc-go/bootc/composefs/erofs"
	"github.com/bootc-go/bootc/composefs/oci"
	"github.com/bootc-go/bootc/composefs/repo"
	"github.com/bootc-go/bootc/image/registrytest"
)

// faulty is a fault of one layer's blob, and how the pull must end.
type faulty struct {
	name  string
	do    registrytest.Effect
	times int    // requests that meet the fault; 0 is all
	fails string // what the error must say; "" if the pull must succeed
}

var faults = []faulty{
	{name: "dropped once", do: registrytest.Drop(1000), times: 1},
	{name: "dropped five times", do: registrytest.Drop(700), times: 5},
	{name: "dropped at once, always", do: registrytest.Drop(0), fails: "layer 2 of 3"},
	{name: "connection reset once", do: registrytest.Reset(), times: 1},
	{name: "connection reset always", do: registrytest.Reset(), fails: "layer 2 of 3"},
	{name: "stalled once", do: registrytest.Stall(1500), times: 1},
	{name: "stalled always", do: registrytest.Stall(0), fails: "layer 2 of 3"},
	{name: "429 once", do: registrytest.Status(http.StatusTooManyRequests, "Retry-After", "0"), times: 1},
	{name: "503 twice", do: registrytest.Status(http.StatusServiceUnavailable, "Retry-After", "0"), times: 2},
	{name: "503 always", do: registrytest.Status(http.StatusServiceUnavailable), fails: "layer 2 of 3"},
	{name: "500 once", do: registrytest.Status(http.StatusInternalServerError), times: 1},
	{name: "500 always", do: registrytest.Status(http.StatusInternalServerError), fails: "layer 2 of 3"},
	{name: "401", do: registrytest.Status(http.StatusUnauthorized), fails: "layer 2 of 3"},
	{name: "403", do: registrytest.Status(http.StatusForbidden), fails: "layer 2 of 3"},
	{name: "404", do: registrytest.Status(http.StatusNotFound), fails: "layer 2 of 3"},
	{name: "wrong bytes", do: registrytest.Corrupt(2000), fails: "layer 2 of 3"},
	{name: "short", do: registrytest.Truncate(2000), fails: "layer 2 of 3"},
	{name: "endless", do: registrytest.Endless()}, // what follows the last byte is not read,
	{name: "not a blob", do: registrytest.Answer(http.StatusOK, "text/html", "<h1>Welcome to the hotel</h1>"), fails: "layer 2 of 3"},
	{name: "slow", do: registrytest.Delay(50 * time.Millisecond)},
	{name: "redirected", do: registrytest.Redirect(http.StatusTemporaryRedirect, "{path}?elsewhere"), times: 1},
	{name: "redirected in circles", do: registrytest.Redirect(http.StatusTemporaryRedirect, "{path}"), fails: "layer 2 of 3"},
	{name: "redirected to nobody", do: registrytest.Redirect(http.StatusTemporaryRedirect, "http://127.0.0.1:1{path}"), fails: "layer 2 of 3"},
}

// threeLayers is an image whose second layer is the one to go wrong.
func (w *world) threeLayers() *registrytest.Built {
	w.Helper()
	return w.push("1",
		gzLayer(files("a", 1, 5, 2000)...), gzLayer(files("c", 2, 5, 5000)...), gzLayer(files("e", 3, 5, 2000)...))
}

// control is the listing of a repository that pulled the image without trouble.
func (w *world) control(tag string) map[string]any {
	w.Helper()
	p := newPuller(w.T, newRepo(w.T))
	p.mustPull(w.T, w.name(tag), tag)
	return listing(w.T, p.repo)
}

func TestFaults(t *testing.T) {
	t.Parallel()
	for _, f := range faults {
		t.Run(strings.ReplaceAll(f.name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			b := w.threeLayers()
			want := w.control("1")
			blob := string(b.Layers[1].Digest)
			w.reg.Inject(registrytest.Fault{Path: blob, Times: f.times, Do: f.do})
			_, err := w.pull(t.Context(), w.name("1"), "1")
			w.checkFailure(err, f.fails, b.Layers[1].Digest)
			if err != nil {
				fsckClean(t, w.repo)
				nothingLeft(t, w.repo)
				w.reg.Heal()
				w.mustPull(t, w.name("1"), "1")
			}
			sameListing(t, "compared with a pull without faults", want, listing(t, w.repo))
			fsckClean(t, w.repo)
		})
	}
}

// checkFailure requires one sentence that names the image, the layer and the
// registry, or success.
func (w *world) checkFailure(err error, want string, layer digest.Digest) {
	w.Helper()
	if want == "" {
		if err != nil {
			w.Fatal(err)
		}
		return
	}
	if err == nil {
		w.Fatal("the pull succeeded")
	}
	msg := err.Error()
	w.Log(msg)
	for _, part := range []string{"cannot pull " + w.name("1") + ": ", want, w.reg.Addr(), string(layer)[:len("sha256:")+4]} {
		if !strings.Contains(msg, part) {
			w.Errorf("the error does not say %q: %s", part, msg)
		}
	}
	if strings.Count(msg, "cannot") != 1 || strings.Contains(msg, "\n") || strings.Count(msg, want) > 1 {
		w.Errorf("not one plain sentence: %s", msg)
	}
}

// TestLies has layers that are not what manifest and config say.
func TestLies(t *testing.T) {
	good := gzLayer(files("a", 1, 5, 2000)...)
	for name, lie := range map[string]func(*registrytest.Layer){
		"diff_id":   func(l *registrytest.Layer) { l.DiffID = digest.FromString("another tar") },
		"truncated": func(l *registrytest.Layer) { l.Blob = cut(t, *l) },
		"not-gzip":  func(l *registrytest.Layer) { l.Blob = []byte(registrytest.Random(9, 5000)) },
		"empty":     func(l *registrytest.Layer) { l.Blob, l.DiffID = []byte{}, digest.FromString("x") },
		"small":     func(l *registrytest.Layer) { l.Edit = func(d *v1.Descriptor) { d.Size-- } },
		"large":     func(l *registrytest.Layer) { l.Edit = func(d *v1.Descriptor) { d.Size++ } },
		"huge":      func(l *registrytest.Layer) { l.Edit = func(d *v1.Descriptor) { d.Size = 1 << 60 } },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			l := gzLayer(files("c", 2, 5, 5000)...)
			lie(&l)
			b := w.push("1", good, l, gzLayer(files("e", 3, 5, 2000)...))
			_, err := w.pull(t.Context(), w.name("1"), "1")
			w.checkFailure(err, "layer 2 of 3", b.Layers[1].Digest)
			fsckClean(t, w.repo)
			nothingLeft(t, w.repo)
		})
	}
}

// cut returns half of the blob of a layer.
func cut(t *testing.T, l registrytest.Layer) []byte {
	t.Helper()
	b := registrytest.Build(t, registrytest.Image{Layers: []registrytest.Layer{l}})
	blob := b.Blobs[b.Layers[0].Digest]
	return blob[:len(blob)/2]
}

// TestResumesWhereItStopped drops the connection in the middle of a large layer:
// what was received is not asked for again.
func TestResumesWhereItStopped(t *testing.T) {
	w := newWorld(t)
	b := w.push("1", gzLayer(registrytest.Dir("usr"), registrytest.File("usr/large", registrytest.Random(5, 8<<20))))
	l := b.Layers[0]
	w.reg.Inject(registrytest.Fault{Path: string(l.Digest), Times: 1, Do: registrytest.Drop(l.Size / 2)})
	w.mustPull(t, w.name("1"), "1")
	_, n := w.reg.Gets(string(l.Digest))
	if n > l.Size+l.Size/10 {
		t.Errorf("%d bytes were sent of a layer of %d", n, l.Size)
	}
}

// TestRetryGoesOn fails one layer of many for good: the next pull fetches that
// one alone.
func TestRetryGoesOn(t *testing.T) {
	w := newWorld(t)
	var ls []registrytest.Layer
	for i := range 8 {
		ls = append(ls, gzLayer(files(fmt.Sprint("d", i), uint64(i), 5, 4000-i*100)...)) // fetched in this order
	}
	b := w.push("1", ls...)
	w.opts.Parallel = 1
	bad := b.Layers[6]
	w.reg.Inject(registrytest.Fault{Path: string(bad.Digest), Do: registrytest.Status(http.StatusNotFound)})
	if _, err := w.pull(t.Context(), w.name("1"), "1"); err == nil {
		t.Fatal("the pull succeeded")
	}
	fsckClean(t, w.repo)
	w.reg.Heal()
	w.reg.Reset()
	w.mustPull(t, w.name("1"), "1")
	gets(t, w.reg, configDigest(b), string(bad.Digest), string(b.Layers[7].Digest))
	sameListing(t, "compared with a pull without faults", w.control("1"), listing(t, w.repo))
}

// TestCheckpoint has a layer that never comes: those that came before it have
// their names while the pull is still waiting.
func TestCheckpoint(t *testing.T) {
	w := newWorld(t)
	b := w.push("1", gzLayer(files("a", 1, 5, 9000)...), gzLayer(files("c", 2, 5, 5000)...), gzLayer(files("e", 3, 5, 2000)...))
	w.opts.Parallel, w.opts.Checkpoint = 1, time.Nanosecond
	w.retry.Stall = time.Hour
	w.reg.Inject(registrytest.Fault{Path: string(b.Layers[2].Digest), Do: registrytest.Stall(100)})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		_, err := w.pull(ctx, w.name("1"), "1")
		ended <- err
	}()
	for n, _ := w.reg.Gets(string(b.Layers[2].Digest)); n == 0; n, _ = w.reg.Gets(string(b.Layers[2].Digest)) {
		time.Sleep(time.Millisecond)
	}
	for _, d := range b.DiffIDs[:2] {
		if _, ok, err := w.repo.LookupStream(oci.LayerName(d)); !ok {
			t.Errorf("layer %s has no name yet (%v)", d, err)
		}
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestRefusedEarly has repositories and tags that nothing can be pulled to: no
// layer is asked for.
func TestRefusedEarly(t *testing.T) {
	w := newWorld(t)
	b := w.threeLayers()
	for _, tag := range []string{"@bad", "caf\xe9"} {
		if _, err := w.pull(t.Context(), w.name("1"), tag); err == nil {
			t.Errorf("tag %q: accepted", tag)
		}
	}
	v0 := erofs.V0
	w.opts.ErofsVersion = &v0
	if _, err := w.pull(t.Context(), w.name("1"), "1"); err == nil {
		t.Error("images of version 0 in a repository of version 1: accepted")
	}
	w.opts.ErofsVersion = nil
	dir := w.repo.Path()
	w.repo.Close()
	r, err := repo.Open(t.Context(), dir, repo.OpenOptions{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	w.repo = r
	if _, err := w.pull(t.Context(), w.name("1"), "1"); !errors.Is(err, repo.ErrReadOnly) {
		t.Errorf("a read-only repository: %v", err)
	}
	w.repo = repoOfVersion2(t)
	if _, err := w.pull(t.Context(), w.name("1"), "1"); err == nil || !strings.Contains(err.Error(), "version 2") {
		t.Errorf("a repository of version 2: %v", err)
	}
	if n, _ := w.reg.Gets(string(b.Layers[0].Digest)); n > 0 {
		t.Errorf("a layer was asked for %d times", n)
	}
}

// repoOfVersion2 is a repository as older programs made it.
func repoOfVersion2(t *testing.T) *repo.Repo {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "meta.json"), []byte(`{"version": 1, "algorithm": "fsverity-sha512-12"}`), 0o644); err != nil {
		t.Fatal(err)
	}
	r, err := repo.Open(t.Context(), dir, repo.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// TestErofsVersion asks for the version that the repository records.
func TestErofsVersion(t *testing.T) {
	w := newWorld(t)
	w.threeLayers()
	v1 := erofs.V1
	w.opts.ErofsVersion = &v1
	w.mustPull(t, w.name("1"), "1")
	sameListing(t, "compared with a pull that asks for none", w.control("1"), listing(t, w.repo))
}

// TestManifestsNull: an index that is none is none to every package.
func TestManifestsNull(t *testing.T) {
	w := newWorld(t)
	b := registrytest.Build(t, registrytest.Image{Layers: []registrytest.Layer{gzLayer(files("a", 1, 5, 2000)...)}})
	b.Manifest = []byte(strings.Replace(string(b.Manifest), "{", `{"manifests":null,`, 1))
	b.Descriptor.Digest, b.Descriptor.Size = digest.FromBytes(b.Manifest), int64(len(b.Manifest))
	w.reg.Push("os", "1", b)
	w.mustPull(t, w.name("1"), "1")
	fsckClean(t, w.repo)
}

// TestNoManifest breaks what comes before the layers: nothing may be written,
// and the error names image and registry.
func TestNoManifest(t *testing.T) {
	w := newWorld(t)
	b := w.threeLayers()
	before := listing(t, w.repo)
	for name, f := range map[string]registrytest.Fault{
		"manifest 404":    {Path: "/manifests/", Do: registrytest.Status(http.StatusNotFound)},
		"manifest 500":    {Path: "/manifests/", Do: registrytest.Status(http.StatusInternalServerError)},
		"manifest is not": {Path: "/manifests/", Do: registrytest.Answer(http.StatusOK, "application/json", "{}")},
		"config 404":      {Path: configDigest(b), Do: registrytest.Status(http.StatusNotFound)},
		"config corrupt":  {Path: configDigest(b), Do: registrytest.Corrupt(5)},
		"config short":    {Path: configDigest(b), Do: registrytest.Truncate(5)},
	} {
		w.reg.Inject(f)
		_, err := w.pull(t.Context(), w.name("1"), "1")
		switch {
		case err == nil:
			t.Errorf("%s: the pull succeeded", name)
		case !strings.Contains(err.Error(), w.reg.Addr()) || strings.Contains(err.Error(), "\n"):
			t.Errorf("%s: %v", name, err)
		}
		t.Log(err)
		w.reg.Heal()
		sameListing(t, name, before, listing(t, w.repo))
	}
}

// TestFirstErrorStopsAll has a layer that never comes beside one that is
// missing: the pull ends without waiting for the first.
func TestFirstErrorStopsAll(t *testing.T) {
	w := newWorld(t)
	b := w.threeLayers()
	w.retry.Stall = time.Hour
	w.reg.Inject(registrytest.Fault{Path: string(b.Layers[0].Digest), Do: registrytest.Stall(100)})
	w.reg.Inject(registrytest.Fault{Path: string(b.Layers[1].Digest), Do: registrytest.Status(http.StatusNotFound)})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Minute)
	defer cancel()
	_, err := w.pull(ctx, w.name("1"), "1")
	if ctx.Err() != nil {
		t.Fatal("the pull went on waiting")
	}
	w.checkFailure(err, "layer 2 of 3", b.Layers[1].Digest)
}

package repo

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bootc-go/bootc/composefs/verity"
)

// TestLinkStream looks at the links themselves.
func TestLinkStream(t *testing.T) {
	r := newRepo(t, 0)
	a, b := putStream(t, r, 1), putStream(t, r, 2)
	for _, d := range []verity.Digest{a, a, b} {
		mustNil(t, r.LinkStream("name", d))
		target, err := os.Readlink(filepath.Join(r.Path(), "streams/name"))
		mustNil(t, err)
		if want := "../objects/" + d.ObjectPath(); target != want {
			t.Errorf("link to %s, want %s", target, want)
		}
		if got, ok, err := r.LookupStream("name"); got != d || !ok || err != nil {
			t.Errorf("LookupStream: %s, %v, %v", got, ok, err)
		}
	}
	mustNil(t, r.LinkStream(".hidden", a))
	links, err := r.Streams()
	if want := fmt.Sprint([]Link{{".hidden", a}, {"name", b}}); err != nil || fmt.Sprint(links) != want {
		t.Errorf("Streams: %v, %v", links, err)
	}
	if _, ok, err := r.LookupStream("absent"); ok || err != nil {
		t.Errorf("absent: %v, %v", ok, err)
	}
	check(t, r)
}

// TestLinksNeedTheirObject: no name without its object.
func TestLinksNeedTheirObject(t *testing.T) {
	r := newRepo(t, 0)
	absent := verity.Sum(r.Algorithm(), []byte("absent"))
	wantError(t, r.LinkStream("name", absent), ErrNotFound)
	wantError(t, r.LinkImage(absent), ErrNotFound)
	wantError(t, r.SetStreamRef("ref", "absent"), ErrNotFound)
	wantError(t, r.SetImageRef("ref", absent), ErrNotFound)
	d := putStream(t, r, 1)
	mustNil(t, r.LinkStream("name", d))
	mustNil(t, r.SetStreamRef("ref", "name"))
	mustNil(t, os.Remove(objectFile(r, d)))
	wantError(t, r.SetStreamRef("other", "name"), ErrNotFound)
	for _, name := range []string{"name", "refs/ref"} {
		if _, ok, err := r.LookupStream(name); ok || err != nil {
			t.Errorf("LookupStream(%s) of a link without object: %v, %v", name, ok, err)
		}
	}
	_, err := r.OpenStream("name")
	wantError(t, err, ErrNotFound)
}

func TestInvalidNames(t *testing.T) {
	r := newRepo(t, 0)
	d := putStream(t, r, 1)
	mustNil(t, r.LinkStream("name", d))
	mustNil(t, r.LinkImage(d))
	canary := filepath.Join(filepath.Dir(r.Path()), "canary")
	mustNil(t, os.Symlink("untouched", canary))
	long := strings.Repeat("x", 256)
	refs := []string{
		"", ".", "..", "/", "/abs", "a/", "/a/", "a//b", "./a", "a/.", "../canary", "a/../b", "../../../canary",
		"a\x00b", "a\xffb", long, "a/" + long, strings.Repeat("a/", maxRef/2) + "ab",
	}
	for _, name := range refs {
		wantFailure(t, fmt.Sprintf("SetStreamRef(%.40q)", name), r.SetStreamRef(name, "name"))
		wantFailure(t, fmt.Sprintf("SetImageRef(%.40q)", name), r.SetImageRef(name, d))
		_, err := r.RemoveStreamRef(name)
		wantFailure(t, fmt.Sprintf("RemoveStreamRef(%.40q)", name), err)
		_, err = r.RemoveImageRef(name)
		wantFailure(t, fmt.Sprintf("RemoveImageRef(%.40q)", name), err)
		_, _, err = r.StreamRef(name)
		wantFailure(t, fmt.Sprintf("StreamRef(%.40q)", name), err)
		_, _, err = r.ImageRef(name)
		wantFailure(t, fmt.Sprintf("ImageRef(%.40q)", name), err)
		_, _, err = r.OpenImage("refs/" + name)
		wantFailure(t, fmt.Sprintf("OpenImage(refs/%.40q)", name), err)
		if name != "" {
			_, err = r.StreamRefs(name)
			wantFailure(t, fmt.Sprintf("StreamRefs(%.40q)", name), err)
			_, err = r.ImageRefs(name)
			wantFailure(t, fmt.Sprintf("ImageRefs(%.40q)", name), err)
		}
	}
	for _, name := range append(refs, "a/b", "refs", "refs/a") {
		wantFailure(t, fmt.Sprintf("LinkStream(%.40q)", name), r.LinkStream(name, d))
		wantFailure(t, fmt.Sprintf("SetStreamRef to %.40q", name), r.SetStreamRef("ok", name))
	}
	if target, err := os.Readlink(canary); err != nil || target != "untouched" {
		t.Errorf("A NAME LED OUT OF THE REPOSITORY: %s, %v", target, err)
	}
	if got, err := r.StreamRefs(""); err != nil || len(got) != 0 {
		t.Errorf("refs %v, %v", got, err)
	}
}

func TestRefs(t *testing.T) {
	r := newRepo(t, 0)
	d := putStream(t, r, 1)
	mustNil(t, r.LinkStream("one", d))
	mustNil(t, r.LinkStream("two", d))
	mustNil(t, r.LinkImage(d))
	for ref, target := range map[string]string{
		"top":             "one",
		"oci/a%2Fb:1":     "two",
		"oci/b":           "one",
		"a/very/deep/ref": "two",
		"öäü/…":           "one",
	} {
		mustNil(t, r.SetStreamRef(ref, "one"))
		mustNil(t, r.SetStreamRef(ref, target))
		mustNil(t, r.SetImageRef(ref, d))
		link, err := os.Readlink(filepath.Join(r.Path(), "streams/refs", ref))
		mustNil(t, err)
		if want := strings.Repeat("../", 1+strings.Count(ref, "/")) + target; link != want {
			t.Errorf("%s links to %s, want %s", ref, link, want)
		}
		if got, ok, err := r.StreamRef(ref); got != target || !ok || err != nil {
			t.Errorf("StreamRef(%s): %s, %v, %v", ref, got, ok, err)
		}
		if got, ok, err := r.ImageRef(ref); got != d.String() || !ok || err != nil {
			t.Errorf("ImageRef(%s): %s, %v, %v", ref, got, ok, err)
		}
		if got, ok, err := r.LookupStream("refs/" + ref); got != d || !ok || err != nil {
			t.Errorf("LookupStream(refs/%s): %s, %v, %v", ref, got, ok, err)
		}
	}
	for prefix, want := range map[string]string{
		"":         "[{a/very/deep/ref two} {oci/a%2Fb:1 two} {oci/b one} {top one} {öäü/… one}]",
		"oci":      "[{oci/a%2Fb:1 two} {oci/b one}]",
		"a/very":   "[{a/very/deep/ref two}]",
		"absent":   "[]",
		"top":      "[]",
		"top/more": "[]",
	} {
		got, err := r.StreamRefs(prefix)
		if err != nil || fmt.Sprint(got) != want {
			t.Errorf("StreamRefs(%q): %v, %v; want %s", prefix, got, err, want)
		}
		images, err := r.ImageRefs(prefix)
		if err != nil || len(images) != len(got) {
			t.Errorf("ImageRefs(%q): %v, %v", prefix, images, err)
		}
	}
	for _, want := range []bool{true, false} {
		got, err := r.RemoveStreamRef("oci/b")
		if err != nil || got != want {
			t.Errorf("RemoveStreamRef: %v, %v; want %v", got, err, want)
		}
		got, err = r.RemoveImageRef("oci/b")
		if err != nil || got != want {
			t.Errorf("RemoveImageRef: %v, %v; want %v", got, err, want)
		}
	}
	if _, ok, err := r.StreamRef("oci/b"); ok || err != nil {
		t.Errorf("a removed ref: %v, %v", ok, err)
	}
}

// TestRefInTheWay: a ref cannot be a directory of refs as well.
func TestRefInTheWay(t *testing.T) {
	r := newRepo(t, 0)
	mustNil(t, r.LinkStream("name", putStream(t, r, 1)))
	mustNil(t, r.SetStreamRef("a/b", "name"))
	wantFailure(t, "a ref in place of a directory", r.SetStreamRef("a", "name"))
	wantFailure(t, "a ref below a ref", r.SetStreamRef("a/b/c", "name"))
	_, err := r.RemoveStreamRef("a")
	wantFailure(t, "removing a directory", err)
	if _, ok, _ := r.StreamRef("a/b"); !ok {
		t.Error("the ref is gone")
	}
	check(t, r)
}

// TestForeignLinks: links that lead elsewhere are not followed, whoever made
// them.
func TestForeignLinks(t *testing.T) {
	r := newRepo(t, 0)
	d := putStream(t, r, 1)
	outside := filepath.Join(filepath.Dir(r.Path()), "outside")
	mustNil(t, os.Mkdir(outside, 0o755))
	mustNil(t, r.LinkStream("name", d))
	mustNil(t, r.SetStreamRef("dir/ref", "name"))
	for name, target := range map[string]string{
		"streams/passwd":       "/etc/passwd",
		"streams/meta":         "../meta.json",
		"streams/climb":        "../objects/../../outside/" + strings.Repeat("0", 126),
		"streams/other":        "../objects/00/" + strings.Repeat("0", 62),
		"streams/refs/passwd":  "/etc/passwd",
		"streams/refs/nowhere": "../..",
		"streams/refs/out":     outside,
	} {
		mustNil(t, os.Symlink(target, filepath.Join(r.Path(), name)))
		if _, ok, err := r.LookupStream(strings.TrimPrefix(name, "streams/")); ok {
			t.Errorf("%s is followed: %v", name, err)
		}
		_, err := r.OpenStream(strings.TrimPrefix(name, "streams/"))
		wantFailure(t, name, err)
	}
	wantFailure(t, "a ref through a link", r.SetStreamRef("out/ref", "name"))
	if entries, _ := os.ReadDir(outside); len(entries) > 0 {
		t.Errorf("A LINK LED OUT OF THE REPOSITORY: %v", entries)
	}
	if links, err := r.Streams(); err != nil || len(links) != 1 {
		t.Errorf("Streams: %v, %v", links, err)
	}
	wantFailure(t, "OpenImage of a link to nowhere", func() error { _, _, err := r.OpenImage("x"); return err }())
}

// syncWatch is a kernel that tells when it is asked to sync.
func syncWatch(onSync func() error) kernel {
	k := realKernel()
	k.syncfs = func(int) error { return onSync() }
	return k
}

// TestObjectsBeforeNames: nothing is named before it was synced, and nothing
// is synced without need.
func TestObjectsBeforeNames(t *testing.T) {
	path := filepath.Join(t.TempDir(), "repo")
	syncs := 0
	r := initRepo(t, path, Config{Insecure: true}, syncWatch(func() error {
		syncs++
		for _, name := range []string{"streams/new", "images/new"} {
			if _, err := os.Lstat(filepath.Join(path, name)); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s is there before the sync", name)
			}
		}
		return nil
	}))
	step := func(what string, want int, err error) {
		t.Helper()
		mustNil(t, err)
		if syncs != want {
			t.Errorf("%s: %d syncs, want %d", what, syncs, want)
		}
	}
	im := r.NewImporter()
	d := put(t, im, []byte("data"))
	step("Put", 0, nil)
	step("first link", 1, r.LinkStream("a", d))
	step("second link", 1, r.LinkStream("b", d))
	step("ref", 1, r.SetStreamRef("ref", "a"))
	step("image", 1, r.LinkImage(d))
	put(t, im, []byte("data")) // of somebody else, for all we know
	step("link after a reused object", 2, r.LinkStream("c", d))
	put(t, im, []byte("new"))
	step("Sync", 3, r.Sync())
	step("link after Sync", 3, r.LinkStream("new", d))
	os.Remove(filepath.Join(path, "streams/new"))
	if ok, err := r.HasObject(d); !ok || err != nil {
		t.Fatal(ok, err)
	}
	step("link after HasObject", 4, r.LinkStream("new", d))

	os.Remove(filepath.Join(path, "streams/new"))
	other := initRepo(t, path, Config{Insecure: true}, syncWatch(func() error { syncs++; return nil }))
	step("first link after Open", 5, other.LinkStream("d", d))
}

// TestNoNameWithoutSync: if the sync fails there is no name.
func TestNoNameWithoutSync(t *testing.T) {
	boom := errors.New("disk on fire")
	r := initRepo(t, filepath.Join(t.TempDir(), "repo"), Config{Insecure: true}, syncWatch(func() error { return boom }))
	d := put(t, r.NewImporter(), []byte("data"))
	for range 2 { // it stays undone
		wantError(t, r.LinkStream("a", d), boom)
		wantError(t, r.LinkImage(d), boom)
		wantError(t, r.Sync(), boom)
	}
	for _, c := range []category{streams, images} {
		if links, err := r.links(c); err != nil || len(links) > 0 {
			t.Errorf("%s: %v, %v", c, links, err)
		}
	}
}

package repo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/verity"
)

// TestGCFollowsReferences builds manifest → config → layer → objects, as OCI
// images have it, and takes the tag away.
func TestGCFollowsReferences(t *testing.T) {
	r := newRepo(t, 0)
	layer := putStream(t, r, 1)
	config := putStream(t, r, 2, NamedRef{"layer", layer})
	manifest := putStream(t, r, 3, NamedRef{"config", config}, NamedRef{"layer", layer})
	for name, d := range map[string]verity.Digest{"layer": layer, "config": config, "manifest": manifest} {
		mustNil(t, r.LinkStream(name, d))
	}
	mustNil(t, r.SetStreamRef("oci/tag", "manifest"))
	before := files(t, r)
	if res := gc(t, r); res != (GCResult{}) {
		t.Errorf("garbage in use: %+v", res)
	}
	garbage := putStream(t, r, 4)
	size := int64(len(readFile(t, objectFile(r, garbage)))) + 5000
	mustNil(t, r.LinkStream("garbage", garbage))
	want := GCResult{ObjectsRemoved: 2, ObjectsBytes: size, StreamsPruned: 1}
	dry, err := r.GC(t.Context(), GCOptions{DryRun: true})
	if err != nil || dry != want {
		t.Errorf("dry run: %+v, %v; want %+v", dry, err, want)
	}
	if _, ok, _ := r.LookupStream("garbage"); !ok {
		t.Error("a dry run removed something")
	}
	if res := gc(t, r); res != want {
		t.Errorf("%+v, want %+v", res, want)
	}
	if after := files(t, r); !slices.Equal(before, after) {
		t.Errorf("files were %v, are %v", before, after)
	}
	check(t, r)

	_, err = r.RemoveStreamRef("oci/tag")
	mustNil(t, err)
	if res := gc(t, r, "config"); res.ObjectsRemoved != 2 || res.StreamsPruned != 1 {
		t.Errorf("with the config as root: %+v", res)
	}
	check(t, r)
	if res := gc(t, r); res.ObjectsRemoved != 4 || res.StreamsPruned != 2 {
		t.Errorf("without root: %+v", res)
	}
	if got := fmt.Sprint(files(t, r)); got != "[meta.json]" {
		t.Errorf("files %s", got)
	}
}

// TestGCDoesNotTrustContents: an object that a stream holds as data is not
// followed, even if it looks like a splitstream; one that is also named is.
func TestGCDoesNotTrustContents(t *testing.T) {
	r := newRepo(t, 0)
	inner := putStream(t, r, 1)
	im := r.NewImporter()
	w := r.NewStream(im, 0)
	mustNil(t, w.WriteExternal(inner, int64(len(readFile(t, objectFile(r, inner))))))
	outer, err := w.Commit()
	mustNil(t, err)
	mustNil(t, r.LinkStream("inner", inner))
	mustNil(t, r.LinkStream("outer", outer))
	mustNil(t, r.SetStreamRef("outer", "outer"))
	mustNil(t, r.SetStreamRef("inner", "inner"))
	if res := gc(t, r); res != (GCResult{}) {
		t.Errorf("both named: %+v", res)
	}
	_, err = r.RemoveStreamRef("inner")
	mustNil(t, err)
	if res := gc(t, r); res.ObjectsRemoved != 1 || res.StreamsPruned != 1 {
		t.Errorf("%+v, want the inner stream's object and name to go", res)
	}
	check(t, r)
}

// TestGCFollowsUnlinkedStreams: a reference is by digest. The link that the
// splitstream had may belong to another by now.
func TestGCFollowsUnlinkedStreams(t *testing.T) {
	r := newRepo(t, 0)
	layer := putStream(t, r, 1)
	mustNil(t, r.LinkStream("top", putStream(t, r, 2, NamedRef{"layer", layer})))
	mustNil(t, r.SetStreamRef("top", "top"))
	if res := gc(t, r); res != (GCResult{}) {
		t.Errorf("%+v", res)
	}
	check(t, r)
}

func TestGCRemovesDanglingNamesAndLeftovers(t *testing.T) {
	r := newRepo(t, 0)
	d := putStream(t, r, 1)
	mustNil(t, r.LinkStream("live", d))
	mustNil(t, r.SetStreamRef("deep/live", "live"))
	want := files(t, r)
	mustNil(t, r.LinkStream("dead", putStream(t, r, 2)))
	mustNil(t, r.SetStreamRef("deep/er/dead", "dead"))
	dead, _, _ := r.LookupStream("dead")
	mustNil(t, os.Remove(objectFile(r, dead)))
	mustNil(t, os.MkdirAll(filepath.Join(r.Path(), "images/refs/empty/dirs"), 0o755))
	link := func(target, name string) { mustNil(t, os.Symlink(target, filepath.Join(r.Path(), name))) }
	link("../nowhere", "streams/refs/nowhere")
	link("/etc/passwd", "streams/wrong")
	link("../objects/00/"+strings.Repeat("0", 126), "images/"+strings.Repeat("0", 128))
	link("x", ".symlink-abc")
	link("x", ".tmp-abc")
	mustNil(t, os.WriteFile(filepath.Join(r.Path(), objectsName, tempObject+"abc"), []byte("left over"), 0o644))

	res := gc(t, r)
	wantResult := GCResult{ObjectsRemoved: 1, ObjectsBytes: 5000, ImagesPruned: 1, StreamsPruned: 4, TempFiles: 3}
	if res != wantResult {
		t.Errorf("%+v, want %+v", res, wantResult)
	}
	if got := files(t, r); !slices.Equal(got, want) {
		t.Errorf("files %v, want %v", got, want)
	}
	if _, err := os.Stat(filepath.Join(r.Path(), "images/refs/empty")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an empty directory of refs: %v", err)
	}
	if res := gc(t, r); res != (GCResult{}) {
		t.Errorf("the second run finds %+v", res)
	}
	check(t, r)
}

// TestGCRefusesToGuess: with a splitstream in use that cannot be read, nothing
// is removed.
func TestGCRefusesToGuess(t *testing.T) {
	flip := func(at int) func(t *testing.T, r *Repo, d verity.Digest) {
		return func(t *testing.T, r *Repo, d verity.Digest) {
			data := readFile(t, objectFile(r, d))
			data[at] ^= 0x10
			mustNil(t, os.WriteFile(objectFile(r, d), data, 0o644))
		}
	}
	for what, damage := range map[string]func(t *testing.T, r *Repo, d verity.Digest){
		"magic":     flip(0),
		"info":      flip(20),
		"reference": flip(180), // still a splitstream, but of another object
		"empty": func(t *testing.T, r *Repo, d verity.Digest) {
			mustNil(t, os.Truncate(objectFile(r, d), 0))
		},
		"file in place of a ref": func(t *testing.T, r *Repo, _ verity.Digest) {
			mustNil(t, os.WriteFile(filepath.Join(r.Path(), "streams/refs/file"), nil, 0o644))
		},
		"ref to somewhere": func(t *testing.T, r *Repo, _ verity.Digest) {
			mustNil(t, os.Symlink("..", filepath.Join(r.Path(), "streams/refs/up")))
		},
		"link of a ref to somewhere": func(t *testing.T, r *Repo, _ verity.Digest) {
			mustNil(t, os.Remove(filepath.Join(r.Path(), "streams/layer")))
			mustNil(t, os.Symlink("..", filepath.Join(r.Path(), "streams/layer")))
			mustNil(t, os.Symlink("../layer", filepath.Join(r.Path(), "streams/refs/layer")))
		},
	} {
		t.Run(what, func(t *testing.T) {
			r := newRepo(t, 0)
			layer := putStream(t, r, 1)
			mustNil(t, r.LinkStream("layer", layer))
			mustNil(t, r.LinkStream("top", putStream(t, r, 2, NamedRef{"layer", layer})))
			mustNil(t, r.SetStreamRef("top", "top"))
			put(t, r.NewImporter(), []byte("garbage"))
			damage(t, r, layer)
			before := files(t, r)
			_, err := r.GC(t.Context(), GCOptions{})
			wantFailure(t, "GC", err)
			if after := files(t, r); !slices.Equal(before, after) {
				t.Errorf("files were %v, are %v", before, after)
			}
		})
	}
}

// TestGCOfOddThings: a name may lead to what is neither splitstream nor image,
// which then lives; what has no object's name, or is no file, is left to Fsck.
func TestGCOfOddThings(t *testing.T) {
	r := newRepo(t, 0)
	plain := put(t, r.NewImporter(), []byte("plain"))
	mustNil(t, r.LinkStream("top", putStream(t, r, 1, NamedRef{"plain", plain})))
	mustNil(t, r.SetStreamRef("top", "top"))
	mustNil(t, os.MkdirAll(filepath.Join(r.Path(), "objects/00", strings.Repeat("0", 126)), 0o755))
	mustNil(t, os.WriteFile(filepath.Join(r.Path(), "objects/00/README"), nil, 0o644))
	mustNil(t, os.MkdirAll(filepath.Join(r.Path(), "objects/.tmp-object-dir"), 0o755))
	if res := gc(t, r); res != (GCResult{}) {
		t.Errorf("%+v", res)
	}
}

func TestGCUnknownRoot(t *testing.T) {
	r := newRepo(t, 0)
	put(t, r.NewImporter(), []byte("garbage"))
	_, err := r.GC(t.Context(), GCOptions{Roots: []string{"absent"}})
	wantError(t, err, ErrNotFound)
	if len(files(t, r)) != 2 {
		t.Error("something was removed")
	}
}

func TestGCCancelled(t *testing.T) {
	r := newRepo(t, 0)
	put(t, r.NewImporter(), []byte("garbage"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, dry := range []bool{false, true} {
		_, err := r.GC(ctx, GCOptions{DryRun: dry})
		wantError(t, err, context.Canceled)
	}
	if len(files(t, r)) != 2 {
		t.Error("something was removed")
	}
}

// TestGCSyncsBeforeObjects: when the first object goes, the names that needed
// it are gone for good.
func TestGCSyncsBeforeObjects(t *testing.T) {
	path := filepath.Join(t.TempDir(), "repo")
	var d verity.Digest
	syncs := 0
	watch := false
	r := initRepo(t, path, Config{Insecure: true}, syncWatch(func() error {
		if !watch {
			return nil
		}
		syncs++
		var st unix.Stat_t
		if err := unix.Lstat(filepath.Join(path, "streams/dead"), &st); err != unix.ENOENT {
			t.Errorf("the name is still there: %v", err)
		}
		if err := unix.Lstat(filepath.Join(path, objectPath(d)), &st); err != nil {
			t.Errorf("the object is gone already: %v", err)
		}
		return nil
	}))
	d = putStream(t, r, 1)
	mustNil(t, r.LinkStream("dead", d))
	watch = true
	if res := gc(t, r); res.ObjectsRemoved != 2 || syncs != 1 {
		t.Errorf("%+v, %d syncs", res, syncs)
	}
}

// TestGCSyncsAfterOneThatDied: another collection removed the name and died
// before its sync, so this one finds no name to remove but owes the sync.
func TestGCSyncsAfterOneThatDied(t *testing.T) {
	path := filepath.Join(t.TempDir(), "repo")
	var d verity.Digest
	syncs := 0
	r := initRepo(t, path, Config{Insecure: true}, syncWatch(func() error {
		syncs++
		if !d.IsZero() {
			if _, err := os.Lstat(filepath.Join(path, objectPath(d))); err != nil {
				t.Errorf("an object is gone already: %v", err)
			}
		}
		return nil
	}))
	garbage := putStream(t, r, 1)
	mustNil(t, r.LinkStream("dead", garbage))
	mustNil(t, os.Remove(filepath.Join(path, "streams/dead")))
	d, syncs = garbage, 0
	if res := gc(t, r); res.ObjectsRemoved != 2 || res.StreamsPruned != 0 || syncs != 1 {
		t.Errorf("%+v, %d syncs", res, syncs)
	}
	d, syncs = verity.Digest{}, 0
	if gc(t, r); syncs != 0 {
		t.Errorf("%d syncs with nothing to remove", syncs)
	}
}

// TestGCOfTheirs compares with what cfsctl gc removed, and said.
func TestGCOfTheirs(t *testing.T) {
	fixtures(t, func(t *testing.T, name string, r *Repo) {
		said, left, _ := strings.Cut(string(readFile(t, filepath.Join("testdata", name+".gc.txt"))), "\n")
		res := gc(t, r)
		if got := fmt.Sprintf("Objects: %d removed (%d bytes)", res.ObjectsRemoved, res.ObjectsBytes); got != said {
			t.Errorf("%s, cfsctl says %s", got, said)
		}
		var want []string
		for line := range strings.Lines(left) {
			want = append(want, strings.TrimPrefix(strings.TrimSpace(line), "./"))
		}
		if got := files(t, r); !slices.Equal(got, want) {
			t.Errorf("files %v, cfsctl leaves %v", got, want)
		}
		if res := gc(t, r); res != (GCResult{}) {
			t.Errorf("the second run finds %+v", res)
		}
		check(t, r)
	})
}

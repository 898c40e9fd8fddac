package repo

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/erofs"
	"github.com/bootc-go/bootc/composefs/tree"
	"github.com/bootc-go/bootc/composefs/verity"
)

// smallTree is a tree with one file for each of the objects.
func smallTree(objects map[verity.Digest]int) *tree.Node {
	root := tree.NewDir(0o755)
	for d, size := range objects {
		root.SetChild(d.String()[:20], &tree.Node{
			Mode: unix.S_IFREG | 0o644,
			File: &tree.File{Size: uint64(size), Payload: d.ObjectPath(), Digest: d},
		})
	}
	tree.SetLinks(root)
	return root
}

func TestWriteImage(t *testing.T) {
	everywhere(t, func(t *testing.T, r *Repo) {
		object := put(t, r.NewImporter(), randomBytes(1, 5000))
		root := smallTree(map[verity.Digest]int{object: 5000})
		d, err := r.WriteImage(root, "")
		mustNil(t, err)
		want, err := erofs.Digest(root, erofs.Options{Algorithm: r.Algorithm(), Version: erofs.V1})
		if err != nil || d != want {
			t.Errorf("digest %s, %v; want %s", d, err, want)
		}
		if ok, err := r.HasImage(d); !ok || err != nil {
			t.Errorf("HasImage: %v, %v", ok, err)
		}
		if refs, err := r.ImageRefs(""); err != nil || len(refs) != 0 {
			t.Errorf("refs %v, %v", refs, err)
		}
		again, err := r.WriteImage(root, "some/ref")
		if err != nil || again != d {
			t.Errorf("again: %s, %v", again, err)
		}
		for _, name := range []string{d.String(), "refs/some/ref", "some/ref"} {
			f, got, err := r.OpenImage(name)
			mustNil(t, err)
			st, _ := f.Stat()
			back, err := erofs.Read(f, st.Size())
			if err != nil || got != d || back.Len() != 1 {
				t.Errorf("%s: %s, %v", name, got, err)
			}
			f.Close()
		}
		if links, err := r.Images(); err != nil || fmt.Sprint(links) != fmt.Sprint([]Link{{d.String(), d}}) {
			t.Errorf("Images: %v, %v", links, err)
		}
		v0, err := r.WriteImageVersion(root, erofs.V0, "v0")
		if err != nil || v0 == d {
			t.Errorf("version 0: %s, %v", v0, err)
		}
		if got, ok, err := r.ImageRef("v0"); got != v0.String() || !ok || err != nil {
			t.Errorf("ImageRef: %s, %v, %v", got, ok, err)
		}
		check(t, r)
	})
}

// TestImageVersions: a repository of version 0 gets such images, and one of
// version 2 none unless the caller insists.
func TestImageVersions(t *testing.T) {
	root := smallTree(nil)
	v0 := initRepo(t, filepath.Join(t.TempDir(), "repo"), Config{Insecure: true, ErofsV0: true}, noSync())
	d, err := v0.WriteImage(root, "")
	mustNil(t, err)
	if want, _ := erofs.Digest(root, erofs.Options{Algorithm: verity.SHA512, Version: erofs.V0}); d != want {
		t.Errorf("digest %s, want %s", d, want)
	}

	dir := t.TempDir()
	mustNil(t, os.WriteFile(filepath.Join(dir, metaName), []byte(`{"version": 1, "algorithm": "fsverity-sha512-12"}`), 0o644))
	v2 := openRepo(t, dir, OpenOptions{})
	_, err = v2.WriteImage(root, "")
	wantFailure(t, "WriteImage of version 2", err)
	if _, err := v2.WriteImageVersion(root, erofs.V1, ""); err != nil {
		t.Error(err)
	}
}

func TestImagesThatAreNot(t *testing.T) {
	r := newRepo(t, 0)
	d := put(t, r.NewImporter(), []byte("data"))
	for _, name := range []string{d.String(), "refs/absent", "absent", "a/b"} {
		_, _, err := r.OpenImage(name)
		wantError(t, err, ErrNotFound)
	}
	if ok, err := r.HasImage(d); ok || err != nil {
		t.Errorf("an object that is not linked: %v, %v", ok, err)
	}
	wantError(t, r.SetImageRef("ref", d), ErrNotFound)
	mustNil(t, r.LinkImage(d))
	mustNil(t, r.SetImageRef("ref", d))
	mustNil(t, os.Remove(objectFile(r, d)))
	if ok, err := r.HasImage(d); ok || err != nil {
		t.Errorf("an image whose object is missing: %v, %v", ok, err)
	}
	_, _, err := r.OpenImage("ref")
	wantError(t, err, ErrNotFound)
}

// TestFailedImageLeavesNothing: the tree cannot be written.
func TestFailedImageLeavesNothing(t *testing.T) {
	everywhere(t, func(t *testing.T, r *Repo) {
		bad := tree.NewDir(0o755)
		bad.SetChild("a/b", tree.NewDir(0o755))
		_, err := r.WriteImage(bad, "ref")
		wantFailure(t, "WriteImage", err)
		if got := fmt.Sprint(files(t, r)); got != "[meta.json]" {
			t.Errorf("files %s", got)
		}
	})
}

// TestGCFollowsImages: an image lives by its ref, or by a reference in a
// splitstream, link or not, and so do its objects.
func TestGCFollowsImages(t *testing.T) {
	r := newRepo(t, 0)
	im := r.NewImporter()
	a, b := put(t, im, randomBytes(1, 5000)), put(t, im, randomBytes(2, 6000))
	byRef, err := r.WriteImage(smallTree(map[verity.Digest]int{a: 5000}), "ref")
	mustNil(t, err)
	byStream, err := r.WriteImage(smallTree(map[verity.Digest]int{b: 6000}), "")
	mustNil(t, err)
	mustNil(t, r.LinkStream("config", putStream(t, r, 3, NamedRef{"image", byStream})))
	mustNil(t, r.SetStreamRef("config", "config"))
	if res := gc(t, r); res != (GCResult{}) {
		t.Errorf("in use: %+v", res)
	}
	mustNil(t, os.Remove(filepath.Join(r.Path(), "images", byStream.String())))
	if res := gc(t, r); res != (GCResult{}) {
		t.Errorf("without its link: %+v", res)
	}
	_, err = r.RemoveStreamRef("config")
	mustNil(t, err)
	if res := gc(t, r); res.ObjectsRemoved != 4 || res.StreamsPruned != 1 || res.ImagesPruned != 0 {
		t.Errorf("without the stream: %+v", res)
	}
	check(t, r)
	_, err = r.RemoveImageRef("ref")
	mustNil(t, err)
	if res := gc(t, r, byRef.String()); res != (GCResult{}) {
		t.Errorf("with the image as root: %+v", res)
	}
	if res := gc(t, r); res.ObjectsRemoved != 2 || res.ImagesPruned != 1 {
		t.Errorf("without any ref: %+v", res)
	}
	if got := fmt.Sprint(files(t, r)); got != "[meta.json]" {
		t.Errorf("files %s", got)
	}
}

// TestGCRefusesDamagedImages: what they refer to cannot be told.
func TestGCRefusesDamagedImages(t *testing.T) {
	for what, at := range map[string]int{"magic": 0, "superblock": 1030} {
		s := newSpecimen(t, Config{Insecure: true}, noSync())
		s.rewrite(t, s.image, func(data []byte) []byte { data[at] ^= 1; return data })
		_, err := s.GC(t.Context(), GCOptions{})
		if err == nil {
			t.Errorf("%s: no error", what)
		}
	}
}

// TestTheirImages reads the images that composefs-rs wrote, and writes them
// again.
func TestTheirImages(t *testing.T) {
	fixtures(t, func(t *testing.T, _ string, r *Repo) {
		links, err := r.Images()
		if err != nil || len(links) != 2 {
			t.Fatalf("images %v, %v", links, err)
		}
		for _, l := range links {
			root, err := r.readImage(l.Digest)
			mustNil(t, err)
			var w bytes.Buffer
			mustNil(t, erofs.Write(&w, root, erofs.Options{Algorithm: r.Algorithm(), Version: erofs.V1}))
			if got := verity.Sum(r.Algorithm(), w.Bytes()); got != l.Digest {
				t.Errorf("written again it is %s, was %s", got, l.Digest)
			}
		}
		f, _, err := r.OpenImage("refs/nested/name")
		mustNil(t, err)
		defer f.Close()
		if n, err := io.Copy(io.Discard, f); n == 0 || err != nil {
			t.Errorf("%d bytes, %v", n, err)
		}
	})
}

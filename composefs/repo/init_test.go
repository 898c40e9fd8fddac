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

func TestInitIsIdempotent(t *testing.T) {
	for _, c := range []Config{
		{Insecure: true},
		{Insecure: true, ErofsV0: true},
		{Insecure: true, Algorithm: verity.SHA256},
		{},
		{Algorithm: verity.SHA256},
	} {
		t.Run(c.String(), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "repo")
			for i := range 3 {
				r, created, err := initialize(t.Context(), path, c, fakeVerity(t))
				if err != nil || created != (i == 0) {
					t.Fatalf("round %d: created %v, %v", i, created, err)
				}
				if r.Algorithm() != c.algorithm() || r.Insecure() != c.Insecure || r.ErofsVersion() != c.erofsVersion() {
					t.Errorf("it has %s", describe(r.Algorithm(), r.Insecure(), r.ErofsVersion()))
				}
				if r.Path() != path || r.ReadOnly() {
					t.Errorf("path %s, read-only %v", r.Path(), r.ReadOnly())
				}
				check(t, r)
				r.Close()
			}
		})
	}
}

func TestInitRefusesAnotherConfig(t *testing.T) {
	path := filepath.Join(t.TempDir(), "repo")
	initRepo(t, path, Config{Insecure: true}, fakeVerity(t))
	before := readFile(t, filepath.Join(path, metaName))
	for _, c := range []struct {
		Config
		had, wanted string
	}{
		{Config{Insecure: true, Algorithm: verity.SHA256}, "sha512", "sha256"},
		{Config{}, "insecure", "fs-verity required"},
		{Config{Insecure: true, ErofsV0: true}, "images of version 1", "images of version 0"},
	} {
		_, _, err := initialize(t.Context(), path, c.Config, fakeVerity(t))
		if err == nil || !strings.Contains(err.Error(), c.had) || !strings.Contains(err.Error(), c.wanted) {
			t.Errorf("error %v, want one that names %q and %q", err, c.had, c.wanted)
		}
	}
	if after := readFile(t, filepath.Join(path, metaName)); string(after) != string(before) {
		t.Error("meta.json has changed")
	}
}

func TestInitNeedsAParent(t *testing.T) {
	_, _, err := Init(t.Context(), filepath.Join(t.TempDir(), "no", "repo"), Config{Insecure: true})
	wantError(t, err, os.ErrNotExist)
	file := filepath.Join(t.TempDir(), "file")
	mustNil(t, os.WriteFile(file, nil, 0o644))
	_, _, err = Init(t.Context(), file, Config{Insecure: true})
	wantFailure(t, "Init of a file", err)
}

// TestInitKeepsTheDirectory: a directory that was there keeps its mode.
func TestInitKeepsTheDirectory(t *testing.T) {
	dir := t.TempDir()
	mustNil(t, os.Chmod(dir, 0o755))
	initRepo(t, dir, Config{Insecure: true}, realKernel())
	if st, err := os.Stat(dir); err != nil || st.Mode().Perm() != 0o755 {
		t.Errorf("mode %v, %v", st.Mode(), err)
	}
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	_, err := Open(t.Context(), filepath.Join(dir, "absent"), OpenOptions{})
	wantError(t, err, ErrNotRepository)
	wantError(t, err, os.ErrNotExist)
	_, err = Open(t.Context(), dir, OpenOptions{})
	wantError(t, err, ErrNotRepository)
	initRepo(t, dir, Config{Insecure: true}, realKernel())
	_, err = Open(t.Context(), dir, OpenOptions{RequireVerity: true})
	wantError(t, err, ErrVerityRequired)
	if err != nil && !strings.Contains(err.Error(), "cannot open repository "+dir+": ") {
		t.Errorf("error %v", err)
	}
}

func TestRequireVerity(t *testing.T) {
	path := filepath.Join(t.TempDir(), "repo")
	initRepo(t, path, Config{}, fakeVerity(t))
	r, err := open(t.Context(), path, OpenOptions{RequireVerity: true}, fakeVerity(t))
	mustNil(t, err)
	defer r.Close()
	if r.Insecure() {
		t.Error("it is insecure")
	}
}

// TestReadOnly: every method that writes fails, and the repository stays as it
// is.
func TestReadOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "repo")
	w := initRepo(t, path, Config{Insecure: true}, realKernel())
	d := putStream(t, w, 1)
	mustNil(t, w.LinkStream("stream", d))
	mustNil(t, w.SetStreamRef("ref", "stream"))
	before := fmt.Sprint(files(t, w))
	w.Close()
	r := openRepo(t, path, OpenOptions{ReadOnly: true})
	if !r.ReadOnly() {
		t.Error("not read-only")
	}
	im := r.NewImporter()
	put(t, im, randomBytes(1, 5000)) // is there already
	for what, call := range map[string]func() error{
		"Put":             func() error { _, err := im.Put([]byte("new")); return err },
		"PutReader":       func() error { _, err := im.PutReader(strings.NewReader("new"), 3); return err },
		"Commit":          func() error { _, err := r.NewStream(im, 0).Commit(); return err },
		"LinkStream":      func() error { return r.LinkStream("other", d) },
		"LinkImage":       func() error { return r.LinkImage(d) },
		"SetStreamRef":    func() error { return r.SetStreamRef("other", "stream") },
		"SetImageRef":     func() error { return r.SetImageRef("other", d) },
		"RemoveStreamRef": func() error { _, err := r.RemoveStreamRef("ref"); return err },
		"RemoveImageRef":  func() error { _, err := r.RemoveImageRef("ref"); return err },
		"GC":              func() error { _, err := r.GC(t.Context(), GCOptions{}); return err },
		"Repair":          func() error { _, _, err := r.Repair(t.Context()); return err },
	} {
		if err := call(); !errors.Is(err, ErrReadOnly) {
			t.Errorf("%s: error %v", what, err)
		}
	}
	if _, err := r.GC(t.Context(), GCOptions{DryRun: true}); err != nil {
		t.Errorf("dry run: %v", err)
	}
	if after := fmt.Sprint(files(t, r)); after != before {
		t.Errorf("files were %s, are %s", before, after)
	}
}

func TestObjectsDir(t *testing.T) {
	path := filepath.Join(t.TempDir(), "repo")
	w := initRepo(t, path, Config{Insecure: true}, realKernel())
	_, err := openRepo(t, path, OpenOptions{ReadOnly: true}).ObjectsDir()
	wantError(t, err, os.ErrNotExist) // there is none before the first object
	for range 2 {
		dir, err := w.ObjectsDir()
		mustNil(t, err)
		if dir.Name() != filepath.Join(path, objectsName) {
			t.Errorf("it is %s", dir.Name())
		}
	}
	if w.Dir().Name() != path {
		t.Errorf("Dir is %s", w.Dir().Name())
	}
}

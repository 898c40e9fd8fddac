package scan_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bootc-go/bootc/composefs/tree/scan"
	"github.com/bootc-go/bootc/composefs/verity"
	"github.com/bootc-go/bootc/internal/testtool"
)

// listing is the modes and sizes of all below a directory.
func listing(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	must(t, fs.WalkDir(os.DirFS(dir), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		out[name] = info.Mode().String()
		if info.Mode().IsRegular() {
			content, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				return err
			}
			out[name] += " " + verity.Sum(verity.SHA256, content).String()
		}
		return nil
	}))
	return out
}

func scanInto(t *testing.T, dir, store string) {
	t.Helper()
	s, err := scan.OpenDigestStore(store)
	must(t, err)
	_, err = scan.Scan(t.Context(), dir, scan.Options{Algorithm: verity.SHA256, Store: s.Put})
	must(t, errors.Join(err, s.Close()))
}

func TestDigestStoreIsMkcomposefss(t *testing.T) {
	dir, theirs, ours := sample(t), filepath.Join(t.TempDir(), "theirs"), filepath.Join(t.TempDir(), "new", "ours")
	out, err := exec.Command(testtool.Path(t, "mkcomposefs"), "--print-digest-only", "--digest-store="+theirs, dir).CombinedOutput()
	if err != nil {
		t.Fatalf("mkcomposefs: %v: %s", err, out)
	}
	for range 2 { // the second finds everything there
		scanInto(t, dir, ours)
		if diff := cmp.Diff(listing(t, theirs), listing(t, ours)); diff != "" {
			t.Error(diff)
		}
	}
}

func TestDigestStoreReplacesShortFiles(t *testing.T) {
	dir, store := t.TempDir(), t.TempDir()
	content := bytes.Repeat([]byte("x"), 1000)
	must(t, os.WriteFile(filepath.Join(dir, "f"), content, 0o600))
	object := filepath.Join(store, verity.Sum(verity.SHA256, content).ObjectPath())
	must(t, os.MkdirAll(filepath.Dir(object), 0o755))
	must(t, os.WriteFile(object, nil, 0o644))
	scanInto(t, dir, store)
	if got, err := os.ReadFile(object); err != nil || !bytes.Equal(got, content) {
		t.Errorf("the object has %d bytes, %v", len(got), err)
	}
}

func TestDigestStoreThatCannotBe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, nil, 0o600))
	if _, err := scan.OpenDigestStore(filepath.Join(file, "store")); err == nil {
		t.Error("a store below a file is opened")
	}
}

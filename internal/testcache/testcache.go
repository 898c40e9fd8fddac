// Package testcache keeps what tests build and what is dear to build: images,
// disks. It lies in build/cache, and deleting that costs time and nothing else.
package testcache

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// Cache is a directory with finished artefacts, each under its own name, that
// several processes fill and read.
type Cache struct {
	dir string
}

// Open returns the cache called name for things made by recipe: other recipes
// have other caches.
func Open(t testing.TB, name string, recipe ...[]byte) Cache {
	t.Helper()
	h := sha256.New()
	for _, r := range recipe {
		fmt.Fprintf(h, "%d\n", len(r))
		h.Write(r)
	}
	dir := filepath.Join(Dir(t), fmt.Sprintf("%s-%x", name, h.Sum(nil)[:8]))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return Cache{dir}
}

// Entry returns the path of what is called name. If it is not there, build makes
// it, under a scratch path that becomes the entry when it is complete; another
// process that wants an entry meanwhile waits.
func (c Cache) Entry(t testing.TB, name string, build func(t testing.TB, path string)) string {
	t.Helper()
	path := filepath.Join(c.dir, name)
	if exists(path) {
		return path
	}
	unlock := c.lock(t, name)
	defer unlock()
	if exists(path) {
		return path
	}
	scratch := filepath.Join(c.dir, "new."+name)
	if err := os.RemoveAll(scratch); err != nil { // of a build that was interrupted
		t.Fatal(err)
	}
	build(t, scratch)
	if err := os.Rename(scratch, path); err != nil {
		t.Fatal(err)
	}
	return path
}

// lock waits until nobody else builds the entry, and returns what ends that.
func (c Cache) lock(t testing.TB, name string) (unlock func()) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(c.dir, "lock."+name), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		t.Fatalf("lock %s: %v", f.Name(), err)
	}
	return func() { f.Close() }
}

// Dir is the directory of all caches.
func Dir(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(ModuleRoot(t), "build", "cache")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TempDir is t.TempDir on the file system of the caches, for what is big: /tmp may
// be memory.
func TempDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp(Dir(t), "tmp-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// ModuleRoot is the directory of go.mod: tests run in their package's directory,
// which lies below it.
func ModuleRoot(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for !exists(filepath.Join(dir, "go.mod")) {
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatal("there is no go.mod above the working directory")
		}
		dir = parent
	}
	return dir
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

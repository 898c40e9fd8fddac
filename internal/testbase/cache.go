package testbase

import (
	"crypto/sha256"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

//go:embed recipe.go
var recipeSource []byte

// cache is a directory with finished artefacts, each under its own name, that
// several processes fill and read.
type cache struct {
	dir string
}

// openCache returns the cache of this recipe, which is keyed by its source.
func openCache(t testing.TB) cache {
	t.Helper()
	key := sha256.Sum256(recipeSource)
	dir := filepath.Join(moduleRoot(t), "build", "cache", fmt.Sprintf("testbase-%x", key[:8]))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return cache{dir}
}

// entry returns the directory called name. If it is not there, build makes it,
// in a scratch directory that becomes the entry when it is complete; another
// process that wants an entry meanwhile waits.
func (c cache) entry(t testing.TB, name string, build func(t testing.TB, dir string)) string {
	t.Helper()
	path := filepath.Join(c.dir, name)
	if exists(path) {
		return path
	}
	unlock := c.lock(t)
	defer unlock()
	if exists(path) {
		return path
	}
	requireRoot(t)
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

// lock waits until no other process builds, and returns what ends that.
func (c cache) lock(t testing.TB) (unlock func()) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(c.dir, "lock"), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		t.Fatalf("lock %s: %v", f.Name(), err)
	}
	return func() { f.Close() }
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// moduleRoot is the directory of go.mod: tests run in their package's directory,
// which lies below it.
func moduleRoot(t testing.TB) string {
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

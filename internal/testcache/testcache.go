// Package testcache keeps what tests build and what is dear to build: images,
// disks. It lies in build/cache, and deleting that costs time and nothing else.
package testcache

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

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
	if err := use(dir); err != nil {
		t.Fatal(err)
	}
	prune(t, dir[:len(dir)-16])
	return Cache{dir}
}

// kept is how many caches of a name stay: each state of the sources has its own.
const kept = 6

// use marks a cache as in use, by this process and until it ends.
func use(dir string) error {
	fd, err := openUsed(dir)
	if err != nil {
		return err
	}
	if err := unix.Flock(fd, unix.LOCK_SH); err != nil {
		return err
	}
	now := time.Now()
	return os.Chtimes(dir, now, now)
}

// openUsed opens the file whose lock says that a cache is in use. It is no
// os.File, which would be closed when it is collected.
func openUsed(dir string) (fd int, err error) {
	return unix.Open(filepath.Join(dir, "used"), unix.O_RDWR|unix.O_CREAT|unix.O_CLOEXEC, 0o644)
}

// prune removes the caches that were not used for longest, unless a process uses
// them.
func prune(t testing.TB, prefix string) {
	t.Helper()
	dirs, err := filepath.Glob(prefix + strings.Repeat("[0-9a-f]", 16))
	if err != nil {
		t.Fatal(err)
	}
	age := map[string]time.Time{}
	for _, dir := range dirs {
		if st, err := os.Stat(dir); err == nil { // another process prunes as well
			age[dir] = st.ModTime()
		}
	}
	slices.SortFunc(dirs, func(a, b string) int { return age[b].Compare(age[a]) })
	for _, dir := range dirs[min(kept, len(dirs)):] {
		fd, err := openUsed(dir)
		if err != nil {
			continue
		}
		if unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) == nil {
			if err := os.RemoveAll(dir); err != nil {
				t.Error(err)
			}
		}
		unix.Close(fd)
	}
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
	parent := Dir(t)
	sweep(t, filepath.Join(parent, "tmp-*"))
	dir, err := os.MkdirTemp(parent, "tmp-")
	if err != nil {
		t.Fatal(err)
	}
	held, err := os.Open(dir)
	if err == nil {
		err = unix.Flock(int(held.Fd()), unix.LOCK_SH)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		held.Close()
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// sweep removes the directories that no process has locked: their tests were killed. It leaves
// a new one alone, since its test may be about to lock it.
func sweep(t testing.TB, pattern string) {
	t.Helper()
	dirs, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range dirs {
		st, err := os.Stat(dir)
		if err != nil || time.Since(st.ModTime()) < time.Hour {
			continue
		}
		f, err := os.Open(dir)
		if err != nil {
			continue
		}
		if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
			_ = os.RemoveAll(dir)
		}
		f.Close()
	}
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

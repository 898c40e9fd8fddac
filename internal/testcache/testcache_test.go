package testcache

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestEntryIsAtomic checks that a build that did not end leaves no entry.
func TestEntryIsAtomic(t *testing.T) {
	c := Cache{t.TempDir()}
	if err := os.Mkdir(filepath.Join(c.dir, "new.thing"), 0o755); err != nil { // as after a crash
		t.Fatal(err)
	}
	built := 0
	build := func(t testing.TB, dir string) {
		built++
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	first, second := c.Entry(t, "thing", build), c.Entry(t, "thing", build)
	if first != second || built != 1 || !exists(first) {
		t.Errorf("built %d times: %s, %s", built, first, second)
	}
}

// TestSweep checks that sweep removes a directory only if it is old and not locked.
func TestSweep(t *testing.T) {
	parent := t.TempDir()
	for name, old := range map[string]bool{"tmp-held": true, "tmp-left": true, "tmp-new": false} {
		dir := filepath.Join(parent, name)
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if then := time.Now().Add(-2 * time.Hour); old {
			if err := os.Chtimes(dir, then, then); err != nil {
				t.Fatal(err)
			}
		}
	}
	held, err := os.Open(filepath.Join(parent, "tmp-held"))
	if err == nil {
		err = unix.Flock(int(held.Fd()), unix.LOCK_SH)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	sweep(t, filepath.Join(parent, "tmp-*"))
	for name, want := range map[string]bool{"tmp-held": true, "tmp-left": false, "tmp-new": true} {
		if exists(filepath.Join(parent, name)) != want {
			t.Errorf("%s is there: %v, want %v", name, !want, want)
		}
	}
}

// TestPrune checks that caches that nobody uses go, the oldest first.
func TestPrune(t *testing.T) {
	prefix := filepath.Join(t.TempDir(), "name-")
	dir := func(i int) string { return fmt.Sprintf("%s%016x", prefix, i) }
	for i := range kept + 3 {
		if err := os.Mkdir(dir(i), 0o755); err != nil {
			t.Fatal(err)
		}
		if i == 1 {
			if err := use(dir(i)); err != nil {
				t.Fatal(err)
			}
		}
		then := time.Unix(int64(1000+i), 0)
		if err := os.Chtimes(dir(i), then, then); err != nil {
			t.Fatal(err)
		}
	}
	prune(t, prefix)
	for i := range kept + 3 {
		if want := i == 1 || i >= 3; exists(dir(i)) != want { // 1 is used
			t.Errorf("cache %d is there: %v, want %v", i, !want, want)
		}
	}
}

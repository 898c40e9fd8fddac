package testcache

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
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

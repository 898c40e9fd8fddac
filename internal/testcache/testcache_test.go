package testcache

import (
	"os"
	"path/filepath"
	"testing"
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

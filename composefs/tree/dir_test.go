package tree

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestDirectoryIsAMap does random things to a directory and to a map.
func TestDirectoryIsAMap(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		dir, model := NewDir(0o755), map[string]*Node{}
		for range rnd.IntN(200) {
			name := fmt.Sprint(rnd.IntN(60))
			switch rnd.IntN(12) {
			case 0:
				checkDirectory(t, dir, model)
			case 1, 2, 3, 4:
				dir.RemoveChild(name)
				delete(model, name)
			default:
				child := &Node{UID: rnd.Uint32()}
				dir.SetChild(name, child)
				model[name] = child
			}
			if dir.Child(name) != model[name] || dir.Len() != len(model) {
				t.Fatalf("Child(%q) = %v, want %v; Len = %d, want %d", name, dir.Child(name), model[name], dir.Len(), len(model))
			}
		}
		checkDirectory(t, dir, model)
	}
}

func checkDirectory(t *testing.T, dir *Node, model map[string]*Node) {
	t.Helper()
	want := slices.Sorted(maps.Keys(model))
	if diff := cmp.Diff(want, slices.Clone(dir.Names())); diff != "" && len(want)+dir.Len() > 0 {
		t.Fatalf("Names differ: %s", diff)
	}
	i := 0
	for name, child := range dir.Children() {
		if name != want[i] || child != model[name] {
			t.Fatalf("entry %d is %q, want %q", i, name, want[i])
		}
		i++
	}
	if i != len(want) {
		t.Fatalf("Children yields %d of %d entries", i, len(want))
	}
}

func TestDirectoryMayChangeWhileItIsListed(t *testing.T) {
	dir := NewDir(0o755)
	for i := range 100 {
		dir.SetChild(fmt.Sprintf("%03d", i), &Node{})
	}
	seen := 0
	for name := range dir.Children() {
		dir.RemoveChild(name)
		dir.SetChild("x"+name, &Node{})
		dir.Names()
		seen++
	}
	if seen != 100 || dir.Len() != 100 || dir.Names()[0] != "x000" {
		t.Errorf("saw %d, left %d, first %q", seen, dir.Len(), dir.Names()[0])
	}
	for name := range dir.Children() {
		dir.RemoveChild(name)
		dir.RemoveChild("x099")
		if name == "x099" {
			t.Error("an entry that was removed is yielded")
		}
	}
	if dir.Len() != 0 {
		t.Errorf("%d entries left", dir.Len())
	}
}

func TestEmptyDirectory(t *testing.T) {
	var dir Node
	dir.RemoveChild("x")
	dir.RemoveChildren()
	if dir.Child("x") != nil || dir.Len() != 0 || dir.Names() != nil {
		t.Error("an empty directory has entries")
	}
	dir.SetChild("x", &Node{})
	dir.RemoveChildren()
	if dir.Len() != 0 {
		t.Error("RemoveChildren leaves something")
	}
}

// BenchmarkDirectory fills and empties a directory in the worst order.
func BenchmarkDirectory(b *testing.B) {
	names := make([]string, 100_000)
	for i := range names {
		names[i] = fmt.Sprintf("%06d", (i*7919)%len(names))
	}
	for b.Loop() {
		dir := NewDir(0o755)
		for _, name := range names {
			if dir.Child(name) == nil {
				dir.SetChild(name, dir)
			}
		}
		for _, name := range dir.Names() {
			dir.RemoveChild(name)
		}
	}
}

package tree

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWalkIsInOrderAndStops(t *testing.T) {
	root := parse(t,
		"/b 0 40755 2 0 0 0 0.0 - - -", "/b/c 0 10644 2 0 0 0 0.0 - - -",
		"/b-a 0 @10644 2 0 0 0 0.0 /b/c", "/a 0 10644 1 0 0 0 0.0 - - -")
	var paths []string
	stop := errors.New("stop")
	visit := func(last string) error {
		paths = nil
		return Walk(root, func(path string, n *Node) error {
			paths = append(paths, path)
			if path == last {
				return stop
			}
			return nil
		})
	}
	if err := visit(""); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"/", "/a", "/b", "/b/c", "/b-a"}, paths); diff != "" {
		t.Error(diff)
	}
	if err := visit("/b/c"); !errors.Is(err, stop) || len(paths) != 4 {
		t.Errorf("error %v after %v", err, paths)
	}
}

func TestLookup(t *testing.T) {
	root := parse(t, "/b 0 40755 2 0 0 0 0.0 - - -", "/b/c 0 10644 2 0 0 0 0.0 - - -", "/l 0 120777 1 0 0 0 0.0 b - -")
	b := root.Child("b")
	for path, want := range map[string]*Node{
		"/": root, "": root, "b": b, "/b": b, "/b/": b, "//b//c": b.Child("c"),
		"/x": nil, "/b/c/d": nil, "/l/c": nil, "/b/..": nil,
	} {
		if got := Lookup(root, path); got != want {
			t.Errorf("Lookup(%q) = %v, want %v", path, got, want)
		}
	}
}

func TestSetLinks(t *testing.T) {
	root := parse(t,
		"/d 0 40755 9 0 0 0 0.0 - - -", "/d/e 0 40755 9 0 0 0 0.0 - - -", "/d/e/f 0 10644 9 0 0 0 0.0 - - -",
		"/d/g 0 @10644 9 0 0 0 0.0 /d/e/f", "/h 0 10644 9 0 0 0 0.0 - - -")
	for range 2 { // it counts anew
		SetLinks(root)
		for path, want := range map[string]uint32{"/": 3, "/d": 3, "/d/e": 2, "/d/g": 2, "/d/e/f": 2, "/h": 1} {
			if got := Lookup(root, path).Nlink; got != want {
				t.Errorf("links of %s: %d, want %d", path, got, want)
			}
		}
	}
}

func TestXattrs(t *testing.T) {
	n := NewDir(0o755)
	for _, name := range []string{"user.b", "user.a", "user.c", "user.b"} {
		n.SetXattr(name, []byte(name))
	}
	n.RemoveXattr("user.a")
	n.RemoveXattr("user.x")
	n.SetXattr("user.c", []byte("new"))
	want := []Xattr{{"user.b", []byte("user.b")}, {"user.c", []byte("new")}}
	if diff := cmp.Diff(want, n.Xattrs); diff != "" {
		t.Error(diff)
	}
	if _, ok := n.Xattr("user.a"); ok {
		t.Error("user.a is still there")
	}
}

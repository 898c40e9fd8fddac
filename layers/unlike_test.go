package layers

import (
	"archive/tar"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The entries that hand-made layers are made of.

func entryOf(name string, typeflag byte, mode int64) stackEntry {
	return stackEntry{Header: tar.Header{Name: name, Typeflag: typeflag, Mode: mode, ModTime: time.Unix(1e9, 0)}}
}

func file(name, content string) stackEntry {
	e := entryOf(name, tar.TypeReg, 0o644)
	e.content = []byte(content)
	return e
}

func directory(name string, mode int64) stackEntry { return entryOf(name+"/", tar.TypeDir, mode) }
func hides(name string) stackEntry                 { return entryOf(name, tar.TypeReg, 0) }

func symlink(name, target string) stackEntry {
	e := entryOf(name, tar.TypeSymlink, 0o777)
	e.Linkname = target
	return e
}

func hardlink(name, target string) stackEntry {
	e := entryOf(name, tar.TypeLink, 0o644)
	e.Linkname = target
	return e
}

// brief is a listing for people: what is where, as far as the test says.
func brief(l listing) string {
	var out []string
	for _, path := range slices.Sorted(maps.Keys(l)) {
		e := l[path]
		if path == "/" {
			continue
		}
		s := path + " " + e.Mode
		if e.Target != "" {
			s += " -> " + e.Target
		}
		if e.LinkedTo != path {
			s += " = " + e.LinkedTo
		}
		out = append(out, s)
	}
	return strings.Join(out, "\n")
}

// TestMergeUnlikeUmoci has every case in which umoci 0.4.7 and we are known to
// differ, and what each does. The reasons are in docs/reference/layers.md, under
// the same names.
func TestMergeUnlikeUmoci(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		stack []stackLayer
		umoci string // or a part of its error, after "error: "
		ours  string
	}{
		{
			name: "a whiteout behind what is new in its place",
			stack: []stackLayer{
				{directory("a", 0o700), file("a/old", "")},
				{file("a/new", ""), hides(".wh.a")},
			},
			umoci: "/a 40700\n/a/new 100644",
			ours:  "/a 40755\n/a/new 100644",
		},
		{
			name: "an opaque whiteout before the directory that replaces a link",
			stack: []stackLayer{
				{directory("a", 0o755), file("a/kept", ""), symlink("d", "a")},
				{hides("d/.wh..wh..opq"), directory("d", 0o755)},
			},
			umoci: "/a 40755\n/d 40755",
			ours:  "/a 40755\n/a/kept 100644\n/d 40755",
		},
		{
			name: "a hard link to what the layer hides",
			stack: []stackLayer{
				{file("b", "")},
				{hardlink("a", "b"), hides(".wh.b")},
			},
			umoci: "/a 100644",
			ours:  `error: entry "a": the target "b" of the hard link: there is no such file`,
		},
		{
			name:  "a hard link to itself",
			stack: []stackLayer{{file("a", "")}, {hardlink("a", "a")}},
			umoci: "error: no such file",
			ours:  "/a 100644",
		},
		{
			name:  "a hard link in place of the directory that its target is in",
			stack: []stackLayer{{file("a/b", "")}, {hardlink("a", "a/b")}},
			umoci: "error: no such file",
			ours:  "/a 100644",
		},
		{
			name:  "a directory without an entry in one with the set-group-id bit",
			stack: []stackLayer{{directory("a", 0o2755), file("a/b/c", "")}},
			umoci: "/a 42755\n/a/b 42755\n/a/b/c 100644",
			ours:  "/a 42755\n/a/b 40755\n/a/b/c 100644",
		},
		{
			name:  "a whiteout behind a loop of links",
			stack: []stackLayer{{symlink("a", "a")}, {hides("a/.wh.b")}},
			umoci: "error: too many levels of symbolic links",
			ours:  "/a 120777 -> a",
		},
		{
			name:  "a name with a component ..",
			stack: []stackLayer{{file("a/../b", "")}},
			umoci: "/b 100644",
			ours:  `error: entry "a/../b": a name with a component ".." is not supported`,
		},
		{
			name:  "an entry below a whiteout",
			stack: []stackLayer{{file(".wh.a/b", "")}},
			umoci: "/.wh.a 40755\n/.wh.a/b 100644",
			ours:  `error: entry ".wh.a/b": it is below a whiteout`,
		},
		{
			name:  "a whiteout of nothing",
			stack: []stackLayer{{file("a/b", "")}, {hides("a/.wh.")}},
			umoci: "error: restore parent directory",
			ours:  `error: entry "a/.wh.": a whiteout cannot hide ""`,
		},
		{
			name:  "a whiteout of the directory above",
			stack: []stackLayer{{file("a/b/c", "")}, {hides("a/b/.wh...")}},
			umoci: "error: restore parent directory",
			ours:  `error: entry "a/b/.wh...": a whiteout cannot hide ".."`,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			tars := stackTars(t, test.stack)
			theirs, theirErr := umociUnpack(t, tars...)
			checkBrief(t, "umoci", test.umoci, theirs, theirErr)
			store := newMemStore()
			root, err := mergeTars(t, store, tars...)
			var ours listing
			if err == nil {
				ours = listTree(root, store)
			}
			checkBrief(t, "we", test.ours, ours, err)
		})
	}
}

func checkBrief(t *testing.T, who, want string, got listing, err error) {
	t.Helper()
	if text, ok := strings.CutPrefix(want, "error: "); ok {
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: error %v, want %q", who, err, text)
		}
		return
	}
	if err != nil {
		t.Errorf("%s: %v", who, err)
	}
	if diff := cmp.Diff(want, brief(got)); diff != "" {
		t.Errorf("%s: want (-), got (+):\n%s", who, diff)
	}
}

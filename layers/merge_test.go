package layers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/bootc-go/bootc/composefs/oci"
	"github.com/bootc-go/bootc/composefs/repo"
	"github.com/bootc-go/bootc/composefs/tree"
	"github.com/bootc-go/bootc/composefs/verity"
)

// TestMerge has what the specification or a decision of ours settles. Whether
// umoci agrees is the business of other tests.
func TestMerge(t *testing.T) {
	t.Parallel()
	deepLink := func(n int) (l stackLayer) { // l0 -> l1 -> … -> d
		for i := range n {
			target := fmt.Sprintf("l%d", i+1)
			if i == n-1 {
				target = "d"
			}
			l = append(l, symlink(fmt.Sprintf("l%d", i), target))
		}
		return append(l, directory("d", 0o755))
	}
	tests := []struct {
		name  string
		stack []stackLayer
		want  string // or a part of the error, after "error: "
	}{
		{"no layers", nil, ""},
		{"an empty layer", []stackLayer{{}}, ""},
		{"the example of layer.md", []stackLayer{
			{directory("a", 0o755), directory("a/b", 0o755), directory("a/b/c", 0o755), file("a/b/c/bar", "")},
			{directory("a", 0o755), directory("a/b", 0o755), directory("a/b/c", 0o755), file("a/b/c/foo", ""), hides("a/.wh..wh..opq")},
		}, "/a 40755\n/a/b 40755\n/a/b/c 40755\n/a/b/c/foo 100644"},
		{"a whiteout spares its own layer", []stackLayer{{file("a", "old")}, {file("a", "new"), hides(".wh.a")}}, "/a 100644"},
		{"a whiteout of nothing there", []stackLayer{{file("a", "")}, {hides(".wh.b"), hides("b/.wh.c"), hides("a/.wh.b")}}, "/a 100644"},
		{"an opaque root", []stackLayer{{file("a", ""), file("b/c", "")}, {hides(".wh..wh..opq"), file("d", "")}}, "/d 100644"},
		{"a whiteout behind a link", []stackLayer{{file("a/b", ""), symlink("l", "a")}, {hides("l/.wh.b")}}, "/a 40755\n/l 120777 -> a"},
		{"an opaque whiteout behind a link that the layer replaces", []stackLayer{
			{file("a/b", ""), symlink("l", "a")},
			{directory("l", 0o755), hides("l/.wh..wh..opq")},
		}, "/a 40755\n/a/b 100644\n/l 40755"},
		{"a whiteout behind a link that the layer hides", []stackLayer{
			{file("a/b", ""), symlink("l", "a")},
			{hides(".wh.l"), hides("l/.wh.b"), file("l/c", "")},
		}, "/a 40755\n/a/b 100644\n/l 40755\n/l/c 100644"},
		{"a whiteout below an opaque directory", []stackLayer{
			{file("a/b", ""), symlink("x/l", "../a")},
			{hides("x/.wh..wh..opq"), hides("x/l/.wh.b")},
		}, "/a 40755\n/a/b 100644\n/x 40755"},
		{"below links", []stackLayer{
			{directory("usr", 0o755), directory("usr/lib", 0o755), symlink("lib", "usr/lib"), symlink("usr/lib64", "/lib")},
			{file("lib/a", ""), file("usr/lib64/b", ""), file("lib64/c", "")},
		}, "/lib 120777 -> usr/lib\n/lib64 40755\n/lib64/c 100644\n/usr 40755\n/usr/lib 40755\n/usr/lib/a 100644\n/usr/lib/b 100644\n/usr/lib64 120777 -> /lib"},
		{"links that would leave the root", []stackLayer{
			{symlink("a", "../../../../etc"), symlink("b", "/../.."), file("c/d", "")},
			{file("a/passwd", ""), file("b/e", ""), hides("b/c/.wh.d")},
		}, "/a 120777 -> ../../../../etc\n/b 120777 -> /../..\n/c 40755\n/e 100644\n/etc 40755\n/etc/passwd 100644"},
		{"a directory over a link", []stackLayer{{file("a/b", ""), symlink("l", "a")}, {directory("l", 0o755)}}, "/a 40755\n/a/b 100644\n/l 40755"},
		{"a file over a directory", []stackLayer{{file("a/b/c", "")}, {file("a", "")}}, "/a 100644"},
		{"a directory over a directory", []stackLayer{{file("a/b", "")}, {directory("a", 0o700)}}, "/a 40700\n/a/b 100644"},
		{"a hard link to a lower layer", []stackLayer{{file("a", "")}, {hardlink("b", "a")}}, "/a 100644\n/b 100644 = /a"},
		{"a hard link to a link", []stackLayer{{symlink("a", "x"), hardlink("b", "./a")}}, "/a 120777 -> x\n/b 120777 -> x = /a"},
		{"a hard link behind a link", []stackLayer{{file("a/b", ""), symlink("l", "/a"), hardlink("c", "l/b")}}, "/a 40755\n/a/b 100644\n/c 100644 = /a/b\n/l 120777 -> /a"},
		{"a hard link to what comes later", []stackLayer{{hardlink("b", "a"), file("a", "")}}, `error: entry "b": the target "a" of the hard link: there is no such file`},
		{"a hard link to a directory", []stackLayer{{directory("a", 0o755), hardlink("b", "a")}}, `error: entry "b": the target "a" of the hard link: it is a directory`},
		{"one name of two is replaced", []stackLayer{{file("a", "1"), hardlink("b", "a")}, {file("a", "2")}}, "/a 100644\n/b 100644"},
		{"a file in the way", []stackLayer{{file("a", "")}, {file("a/b", "")}}, `error: entry "a/b": "a" is not a directory`},
		{"a file in the way that is hidden", []stackLayer{{file("a", "")}, {file("a/b", ""), hides(".wh.a")}}, "/a 40755\n/a/b 100644"},
		{"a loop of links", []stackLayer{{symlink("a", "b"), symlink("b", "a"), file("a/c", "")}}, `error: entry "a/c": too many levels of symbolic links`},
		{"forty-one links", []stackLayer{append(deepLink(41), file("l0/x", ""))}, `error: entry "l0/x": too many levels of symbolic links`},
		{"a dangling link", []stackLayer{{symlink("a", "b/c"), file("a/d", "")}}, "/a 120777 -> b/c\n/b 40755\n/b/c 40755\n/b/c/d 100644"},
		{"a detour over nothing", []stackLayer{{symlink("a", "missing/../b"), file("a/d", "")}}, "/a 120777 -> missing/../b\n/b 40755\n/b/d 100644"},
		{"names to be cleaned", []stackLayer{{file("/a", ""), file("./b", ""), file(".//c/./d", ""), hardlink("e", "//./c/d")}}, "/a 100644\n/b 100644\n/c 40755\n/c/d 100644\n/e 100644 = /c/d"},
		{"the same name twice", []stackLayer{{file("a", "1"), directory("a", 0o700)}}, "/a 40700"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			store := newMemStore()
			root, err := mergeTars(t, store, stackTars(t, test.stack)...)
			var got listing
			if err == nil {
				got = listTree(root, store)
			}
			checkBrief(t, "we", test.want, got, err)
		})
	}
}

// TestFortyLinks are as many as Linux follows.
func TestFortyLinks(t *testing.T) {
	t.Parallel()
	l := stackLayer{file("d/x", "")}
	for i := range 40 {
		l = append(l, symlink(fmt.Sprintf("l%d", i), fmt.Sprintf("l%d", i+1)))
	}
	l = append(l[:40], symlink("l39", "d"), file("l0/y", ""))
	root, err := mergeTars(t, newMemStore(), l.tar(t))
	if err != nil {
		t.Fatal(err)
	}
	if root.Child("d").Child("y") == nil {
		t.Error("the file is not where the links lead")
	}
}

// TestDepthIsBounded: links let a path be as long as their number allows.
func TestDepthIsBounded(t *testing.T) {
	t.Parallel()
	deep := strings.TrimSuffix(strings.Repeat("d/", 1000), "/")
	_, err := mergeTars(t, newMemStore(), stackLayer{
		directory(deep, 0o755), symlink("a", deep),
		directory("a/"+deep, 0o755), symlink("b", "a/"+deep),
		directory("b/"+deep, 0o755),
	}.tar(t))
	if !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), "directories nested more than 2048 deep") {
		t.Errorf("error %v", err)
	}
}

// TestBudget counts what is kept, directories without entries included.
func TestBudget(t *testing.T) {
	t.Parallel()
	b := newBudget()
	b.entries.Store(3)
	m := newMerger(b)
	l := &parsedLayer{entries: []layerEntry{{dir: "a/b/c", name: "d", node: tree.NewDir(0)}}}
	if err := m.apply(context.Background(), l); err != nil {
		t.Error(err)
	}
	l.entries[0].dir = "x"
	if err := m.apply(context.Background(), l); !errors.Is(err, ErrUnsupported) {
		t.Errorf("error %v", err)
	}
	b = newBudget()
	b.names.Store(10)
	e := rawEntry{header: &header{xattrs: []rawXattr{{[]byte("user.x"), []byte("12345")}}}}
	if err := b.spend(&e); !errors.Is(err, ErrUnsupported) {
		t.Errorf("error %v", err)
	}
}

// TestBadStreams are splitstreams that no import makes.
func TestBadStreams(t *testing.T) {
	t.Parallel()
	store := newMemStore()
	data := stackLayer{file("a", strings.Repeat("x", 65)), file("b", "y")}.tar(t)
	good, err := importMem(store, bytes.NewReader(data), ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	first, object, rest := good.stream.chunks[0], good.stream.chunks[1], good.stream.chunks[2]
	tests := []struct {
		name   string
		chunks []repo.Chunk
		text   string
	}{
		{"an object where a header should be", []repo.Chunk{object, first, rest}, "has an object where the tar has none"},
		{"an object within a header", []repo.Chunk{{Inline: first.Inline[:100]}, object, rest}, "has an object where the tar has none"},
		{"a file inline", []repo.Chunk{{Inline: data}}, `entry "a": its splitstream has a file of more than 64 bytes inline`},
		{"two objects", []repo.Chunk{first, object, object, rest}, "has an object where the tar has none"},
		{"no object", []repo.Chunk{first}, `entry "a": unexpected EOF`},
		{"no padding", []repo.Chunk{first, object}, `entry "a": unexpected EOF`},
		{"a short header", []repo.Chunk{{Inline: first.Inline[:300]}}, "unexpected EOF"},
		{"an object in place of a small file", []repo.Chunk{first, object, {Inline: rest.Inline[:len(rest.Inline)-3*blockSize]}, object}, `entry "b": its splitstream has an object`},
	}
	for _, test := range tests {
		l := &memLayer{store: store, stream: &memStream{test.chunks}}
		_, err := mergeMem([]*memLayer{good, l, good}, 1<<16)
		if err == nil || !strings.Contains(err.Error(), test.text) || !strings.Contains(err.Error(), "layer sha256:00000000") {
			t.Errorf("%s: error %v, want %q and the layer", test.name, err, test.text)
		}
	}
}

// TestMergeErrors come from the repository.
func TestMergeErrors(t *testing.T) {
	t.Parallel()
	r := testRepo(t)
	im := r.NewImporter()
	id := digest.FromString("layer")
	missing := oci.Layer{ID: id, Stream: verity.Sum(verity.SHA512, []byte("nothing"))}
	_, err := Merge(context.Background(), r, []oci.Layer{missing})
	if !errors.Is(err, repo.ErrNotFound) || !strings.Contains(err.Error(), "layer "+string(id)) {
		t.Errorf("error %v", err)
	}
	s := r.NewStream(im, oci.ContentTypeConfig)
	d, err := s.Commit()
	if err != nil {
		t.Fatal(err)
	}
	_, err = Merge(context.Background(), r, []oci.Layer{{ID: id, Stream: d}})
	if !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), "not that of a layer") {
		t.Errorf("error %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	res, err := Import(context.Background(), r, im, bytes.NewReader(stackLayer{file("a", "")}.tar(t)), ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Merge(ctx, r, []oci.Layer{{Stream: res.Stream}}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// TestEntries reads a layer without merging it.
func TestEntries(t *testing.T) {
	t.Parallel()
	r := testRepo(t)
	l := stackLayer{directory(".", 0o755), file("a", "x"), hardlink("b", "./a"), hides(".wh.c"), file("big", strings.Repeat("z", 100))}
	res, err := Import(context.Background(), r, r.NewImporter(), bytes.NewReader(l.tar(t)), ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := r.OpenStreamObject(res.Stream)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var got []string
	for e, err := range Entries(s) {
		if err != nil {
			t.Fatal(err)
		}
		line := e.Path
		if e.Node == nil {
			line += " = " + e.Link
		} else {
			line += fmt.Sprintf(" %o %d", e.Node.Mode, e.Node.Size())
		}
		got = append(got, line)
	}
	want := []string{"/ 40755 0", "/a 100644 1", "/b = /a", "/.wh.c 100000 0", "/big 100644 100"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for range Entries(s) { // the stream has been read: there is nothing, or an error, but no panic
		break
	}
}

// TestEntriesEnd after an error, and when nobody wants more.
func TestEntriesEnd(t *testing.T) {
	t.Parallel()
	data := append(stackLayer{file("a", ""), file("b", "")}.tar(t)[:2*blockSize], "garbage"...)
	stream := &memStream{[]repo.Chunk{{Inline: data}}}
	n, failed := 0, 0
	for _, err := range entries(stream.reader(1 << 16)) {
		if n++; err != nil {
			failed++
		}
	}
	if n != 3 || failed != 1 {
		t.Errorf("%d entries, %d errors", n, failed)
	}
}

package etcmerge

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/tree"
	"github.com/bootc-go/bootc/composefs/verity"
)

// stored is a file that a tree knows by its digest only.
func stored(alg verity.Algorithm, content string) *tree.Node {
	return &tree.Node{Mode: unix.S_IFREG | 0o644, File: &tree.File{Size: uint64(len(content)), Digest: verity.Sum(alg, []byte(content))}}
}

// TestContentByDigest compares contents that one tree has and the other knows
// by their digests, as a directory and an image do.
func TestContentByDigest(t *testing.T) {
	t.Parallel()
	inline := spec("A").parse(0)
	for _, alg := range []verity.Algorithm{verity.SHA256, verity.SHA512} {
		for _, c := range []struct {
			a, b *tree.Node
			same bool
		}{
			{inline, stored(alg, "A"), true},
			{stored(alg, "A"), inline, true},
			{stored(alg, "A"), stored(alg, "A"), true},
			{inline, stored(alg, "B"), false},
			{stored(alg, "B"), inline, false},
			{stored(alg, "A"), stored(alg, "B"), false},
			{inline, stored(alg, "AA"), false},
			{inline, &tree.Node{Mode: inline.Mode}, false},
			{&tree.Node{Mode: inline.Mode, File: &tree.File{}}, &tree.Node{Mode: inline.Mode}, true},
		} {
			if got := differs(c.a, c.b) == 0; got != c.same {
				t.Errorf("%s: %v and %v: same is %t", alg, c.a.File, c.b.File, got)
			}
		}
	}
}

// TestIncomparable refuses trees of which it cannot be told what differs.
func TestIncomparable(t *testing.T) {
	t.Parallel()
	with := func(name string, n *tree.Node) *tree.Node {
		root := spec("{}").parse(0)
		root.SetChild(name, n)
		return root
	}
	empty := with("x", spec("A").parse(0))
	for _, c := range []struct {
		name    string
		p, c, n *tree.Node
		want    string
	}{
		{"no tree", nil, empty, empty, "cannot merge /etc: internal error: /etc is no directory"},
		{"a file", empty, empty, spec("A").parse(0), "cannot merge /etc: internal error: /etc is no directory"},
		{"two algorithms", with("a", stored(verity.SHA256, "long")), with("a", stored(verity.SHA512, "long")), empty, "cannot merge /etc: internal error: the digest of a is sha512, others are sha256"},
		{"no digest", empty, with("b", &tree.Node{Mode: unix.S_IFREG, File: &tree.File{Size: 9}}), empty, "cannot merge /etc: internal error: no digest of b"},
		{"accounts not loaded", empty, empty, with("group", stored(verity.SHA512, "root:x:0:\n")), "cannot merge /etc: internal error: the content of group was not loaded"},
	} {
		if _, err := NewPlan(c.p, c.c, c.n); err == nil || err.Error() != c.want {
			t.Errorf("%s: the error is %v", c.name, err)
		}
	}
	if _, err := Compare(nil, empty); err == nil || !strings.HasPrefix(err.Error(), "cannot compare /etc: ") {
		t.Errorf("comparing with nothing: %v", err)
	}
}

func TestLoadAccounts(t *testing.T) {
	t.Parallel()
	reader := func(text string) Opener {
		return func(string, *tree.Node) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }
	}
	tree4 := func(size uint64) *tree.Node {
		root := spec("{shadow:A group:{f:A} gshadow:L}").parse(0)
		root.SetChild("passwd", stored(verity.SHA512, "four"))
		root.Child("passwd").File.Size = size
		root.SetChild("subuid", &tree.Node{Mode: unix.S_IFREG})
		return root
	}
	root := tree4(4)
	must(t, LoadAccounts(root, reader("four")))
	if got := string(root.Child("passwd").File.Inline); got != "four" {
		t.Errorf("loaded %q", got)
	}
	for text, size := range map[string]uint64{"thr": 4, "fiver": 4, "": 4} {
		if err := LoadAccounts(tree4(size), reader(text)); !errors.Is(err, ErrChanged) {
			t.Errorf("%q: the error is %v", text, err)
		}
	}
	const tooLarge = "cannot read passwd: 67108865 bytes are more than the 67108864 that can be merged"
	if err := LoadAccounts(tree4(64<<20+1), reader("")); err == nil || err.Error() != tooLarge {
		t.Errorf("the error is %v", err)
	}
}

// TestCost adds up by hand what a plan writes.
func TestCost(t *testing.T) {
	t.Parallel()
	d := onDisk(t, scenario())
	must(t, os.WriteFile(filepath.Join(d.current, "big"), make([]byte, 1<<20), 0o644))
	bytes, inodes := planOf(t, d).Cost()
	// big, dir/f, dropped/ and f in it, fifo, link, new, newdir/ with f, g/ and
	// g/h in it, passwd with 4 bytes, todir/ and f in it, tofile; newlink is no inode.
	if bytes != 1<<20+12 || inodes != 15 {
		t.Errorf("%d bytes and %d inodes", bytes, inodes)
	}
}

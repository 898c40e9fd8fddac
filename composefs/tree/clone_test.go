package tree

import "testing"

func TestClone(t *testing.T) {
	for seed := range uint64(50) {
		a := randomTree(seed)
		before := string(dumpOf(t, a))
		b := Clone(a)
		for c := range Diff(a, b) {
			t.Fatalf("seed %d: the copy differs: %s", seed, c)
		}
		spoil(t, b)
		if string(dumpOf(t, a)) != before {
			t.Fatalf("seed %d: changing the copy changed the tree", seed)
		}
	}
}

// spoil changes everything that a copy owns.
func spoil(t *testing.T, root *Node) {
	t.Helper()
	err := Walk(root, func(_ string, n *Node) error {
		n.UID++
		for i := range n.Xattrs {
			n.Xattrs[i] = Xattr{"user.spoilt", nil}
		}
		if n.File != nil {
			n.File.Size++
		}
		if n.IsDir() {
			n.SetChild("spoilt", &Node{Mode: 0o10644})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

package etcmerge

import (
	"slices"

	"github.com/bootc-go/bootc/composefs/tree"
)

// copyOf is another inode with the attributes and the content of n. It shares
// the entries of a directory, which the caller replaces.
func copyOf(n *tree.Node) *tree.Node {
	out := *n
	out.Xattrs = slices.Clone(n.Xattrs)
	return &out
}

// sameEntries says whether two directories have the very same entries.
func sameEntries(a, b *tree.Node) bool {
	if !slices.Equal(a.Names(), b.Names()) {
		return false
	}
	for name, n := range a.Children() {
		if b.Child(name) != n {
			return false
		}
	}
	return true
}

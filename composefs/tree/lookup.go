package tree

import (
	"strings"
)

// Lookup returns the inode at path below root, or nil. It follows no symbolic
// links; a leading slash may be missing, and "/" and "" are root itself.
func Lookup(root *Node, path string) *Node {
	n := root
	for name := range strings.SplitSeq(path, "/") {
		if name == "" {
			continue
		}
		if n = n.Child(name); n == nil {
			return nil
		}
	}
	return n
}

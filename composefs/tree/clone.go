package tree

import "slices"

// Clone returns a deep copy of the tree. Names of one inode are names of one
// inode in the copy too. Strings and the bytes of contents and xattr values are
// shared: nobody may write into them.
func Clone(root *Node) *Node {
	return cloner{}.clone(root)
}

// cloner knows the copies of what is no directory, for it may have more names.
type cloner map[*Node]*Node

func (c cloner) clone(n *Node) *Node {
	if !n.IsDir() {
		if twin := c[n]; twin != nil {
			return twin
		}
	}
	twin := *n
	twin.Xattrs, twin.dir = slices.Clone(n.Xattrs), nil
	if n.File != nil {
		file := *n.File
		twin.File = &file
	}
	if !n.IsDir() {
		c[n] = &twin
		return &twin
	}
	for name, child := range n.Children() {
		twin.SetChild(name, c.clone(child))
	}
	return &twin
}

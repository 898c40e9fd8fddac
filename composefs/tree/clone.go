package tree

// Clone returns a deep copy of the tree. Names of one inode are names of one
// inode in the copy too. Strings and the bytes of contents and xattr values are
// shared: nobody may write into them.
func Clone(root *Node) *Node { return nil }

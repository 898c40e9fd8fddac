package tree

import "strings"

// Walk calls fn for the directory root, as "/", and all below it, in
// depth-first order, names in byte order; an inode with several names is
// visited under each. It stops at fn's first error and returns it.
func Walk(root *Node, fn func(path string, n *Node) error) error {
	return walk("/", root, fn)
}

func walk(path string, n *Node, fn func(string, *Node) error) error {
	if err := fn(path, n); err != nil {
		return err
	}
	for name, child := range n.Children() {
		if err := walk(join(path, name), child, fn); err != nil {
			return err
		}
	}
	return nil
}

func join(dir, name string) string {
	if dir == "/" {
		return dir + name
	}
	return dir + "/" + name
}

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

// SetLinks counts every Nlink below root anew: names for files, 2 plus the
// number of subdirectories for directories.
func SetLinks(root *Node) {
	zeroLinks(root)
	CountLinks(root)
}

// CountLinks is SetLinks for a tree in which every Nlink is 0 still.
func CountLinks(root *Node) {
	root.Nlink = 2
	countLinks(root)
}

// RemoveTree removes all that is in and below dir, and takes it off the Nlink of
// inodes that have other names elsewhere. All were right before and are then.
func RemoveTree(dir *Node) {
	unlinkAll(dir)
	dir.RemoveChildren()
	dir.Nlink = 2
}

func unlinkAll(dir *Node) {
	for _, child := range dir.Children() {
		child.Nlink--
		unlinkAll(child)
	}
}

func zeroLinks(dir *Node) {
	for _, child := range dir.Children() {
		child.Nlink = 0
		zeroLinks(child)
	}
}

func countLinks(dir *Node) {
	for _, child := range dir.Children() {
		if child.IsDir() {
			dir.Nlink++
			child.Nlink = 2
			countLinks(child)
			continue
		}
		child.Nlink++
	}
}

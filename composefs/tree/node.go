// Package tree is the vocabulary of composefs: a file system in memory, its
// text form (the composefs dump), and the difference of two.
package tree

import (
	"cmp"
	"iter"
	"slices"
	"strings"

	"github.com/bootc-go/bootc/composefs/verity"
	"golang.org/x/sys/unix"
)

// Time is a modification time.
type Time struct {
	Sec  int64
	Nsec uint32
}

// Compare orders times.
func (t Time) Compare(u Time) int {
	return cmp.Or(cmp.Compare(t.Sec, u.Sec), cmp.Compare(t.Nsec, u.Nsec))
}

// Xattr is one extended attribute, by its full name ("user.x").
type Xattr struct {
	Name  string
	Value []byte
}

// File is what a regular file holds: its bytes, or where they are.
type File struct {
	Size    uint64        // in bytes; len(Inline) if the content is inline
	Inline  []byte        // the content, if it is stored in the image
	Payload string        // path below the object directory, if it is external
	Digest  verity.Digest // fs-verity digest of an external file, zero if unknown
}

// Node is one inode. The same *Node under several names is a hard link; a
// directory stands under one name.
type Node struct {
	Mode  uint32 // type and permissions as in st_mode(7)
	UID   uint32
	GID   uint32
	Nlink uint32 // as read; SetLinks counts it anew
	Rdev  uint32 // device number of a block or character device, as the kernel's 32-bit dev_t encoding
	Mtime Time

	Xattrs []Xattr // sorted by name, each name once
	Target string  // of a symbolic link
	File   *File   // of a regular file; nil is an empty one

	children map[string]*Node
	sorted   []string // names of children in byte order; nil if not known
}

// NewDir returns an empty directory with the permission bits perm.
func NewDir(perm uint32) *Node {
	return &Node{Mode: unix.S_IFDIR | perm&07777, children: map[string]*Node{}}
}

// Type is the file type, one of unix.S_IFREG, S_IFDIR, …
func (n *Node) Type() uint32 { return n.Mode & unix.S_IFMT }

// Perm is the permission bits, set-id and sticky bits included.
func (n *Node) Perm() uint32 { return n.Mode & 07777 }

// IsDir reports whether n is a directory.
func (n *Node) IsDir() bool { return n.Type() == unix.S_IFDIR }

// IsRegular reports whether n is a regular file.
func (n *Node) IsRegular() bool { return n.Type() == unix.S_IFREG }

// IsSymlink reports whether n is a symbolic link.
func (n *Node) IsSymlink() bool { return n.Type() == unix.S_IFLNK }

// IsWhiteout reports whether n is an overlayfs whiteout, a character device
// with number 0.
func (n *Node) IsWhiteout() bool { return n.Type() == unix.S_IFCHR && n.Rdev == 0 }

// Child returns the entry called name, or nil.
func (n *Node) Child(name string) *Node { return n.children[name] }

// Len is the number of entries of a directory.
func (n *Node) Len() int { return len(n.children) }

// SetChild makes child the directory's entry called name, in place of what
// stood there.
func (n *Node) SetChild(name string, child *Node) {
	if n.children == nil {
		n.children = map[string]*Node{}
	}
	if _, ok := n.children[name]; !ok {
		n.sorted = nil
	}
	n.children[name] = child
}

// RemoveChild removes the entry called name, if there is one.
func (n *Node) RemoveChild(name string) {
	if _, ok := n.children[name]; ok {
		delete(n.children, name)
		n.sorted = nil
	}
}

// RemoveChildren empties the directory.
func (n *Node) RemoveChildren() { n.children, n.sorted = map[string]*Node{}, nil }

// Names returns the names of the entries in byte order. The caller must not
// change the slice.
func (n *Node) Names() []string {
	if n.sorted == nil && len(n.children) > 0 {
		n.sorted = make([]string, 0, len(n.children))
		for name := range n.children {
			n.sorted = append(n.sorted, name)
		}
		slices.Sort(n.sorted)
	}
	return n.sorted
}

// Children yields the entries in byte order of their names.
func (n *Node) Children() iter.Seq2[string, *Node] {
	return func(yield func(string, *Node) bool) {
		for _, name := range n.Names() {
			if !yield(name, n.children[name]) {
				return
			}
		}
	}
}

// Xattr returns the value of the attribute called name.
func (n *Node) Xattr(name string) ([]byte, bool) {
	i, ok := n.findXattr(name)
	if !ok {
		return nil, false
	}
	return n.Xattrs[i].Value, true
}

// SetXattr sets the attribute called name.
func (n *Node) SetXattr(name string, value []byte) {
	i, ok := n.findXattr(name)
	if ok {
		n.Xattrs[i].Value = value
		return
	}
	n.Xattrs = slices.Insert(n.Xattrs, i, Xattr{name, value})
}

// RemoveXattr removes the attribute called name, if there is one.
func (n *Node) RemoveXattr(name string) {
	if i, ok := n.findXattr(name); ok {
		n.Xattrs = slices.Delete(slices.Clone(n.Xattrs), i, i+1)
	}
}

func (n *Node) findXattr(name string) (int, bool) {
	return slices.BinarySearchFunc(n.Xattrs, name, func(x Xattr, s string) int { return strings.Compare(x.Name, s) })
}

// Size is what st_size says: the length of a file or of a link's target, 0 for
// all else.
func (n *Node) Size() uint64 {
	switch {
	case n.IsSymlink():
		return uint64(len(n.Target))
	case n.File != nil:
		return n.File.Size
	}
	return 0
}

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
	prefix := path
	if prefix != "/" {
		prefix += "/"
	}
	for name, child := range n.Children() {
		if err := walk(prefix+name, child, fn); err != nil {
			return err
		}
	}
	return nil
}

// SetLinks counts every Nlink below root anew: names for files, 2 plus the
// number of subdirectories for directories.
func SetLinks(root *Node) {
	seen := map[*Node]bool{root: true}
	root.Nlink = 2
	setLinks(root, seen)
}

func setLinks(dir *Node, seen map[*Node]bool) {
	for _, child := range dir.children {
		if child.IsDir() {
			dir.Nlink++
			child.Nlink = 2
			setLinks(child, seen)
			continue
		}
		if !seen[child] {
			seen[child], child.Nlink = true, 0
		}
		child.Nlink++
	}
}

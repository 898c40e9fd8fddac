// Package tree is the vocabulary of composefs: a file system in memory, its
// text form (the composefs dump), and the difference of two.
package tree

import (
	"cmp"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/verity"
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

	Xattrs []Xattr // sorted by name, each name once; trees may share the bytes of values
	Target string  // of a symbolic link
	File   *File   // of a regular file; nil is an empty one

	dir    *dir   // of a directory that has or had entries
	number uint32 // see Index
}

// NewDir returns an empty directory with the permission bits perm.
func NewDir(perm uint32) *Node {
	return &Node{Mode: unix.S_IFDIR | perm&0o7777}
}

// Type is the file type, unix.S_IFREG, S_IFDIR or another of these.
func (n *Node) Type() uint32 { return n.Mode & unix.S_IFMT }

// Perm is the permission bits, set-id and sticky bits included.
func (n *Node) Perm() uint32 { return n.Mode & 0o7777 }

// IsDir reports whether n is a directory.
func (n *Node) IsDir() bool { return n.Type() == unix.S_IFDIR }

// IsRegular reports whether n is a regular file.
func (n *Node) IsRegular() bool { return n.Type() == unix.S_IFREG }

// IsSymlink reports whether n is a symbolic link.
func (n *Node) IsSymlink() bool { return n.Type() == unix.S_IFLNK }

// IsWhiteout reports whether n is an overlayfs whiteout, a character device
// with number 0.
func (n *Node) IsWhiteout() bool { return n.Type() == unix.S_IFCHR && n.Rdev == 0 }

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

package tree

import "iter"

// Aspect is a set of the things in which two inodes can differ.
type Aspect uint16

// The aspects of an inode.
const (
	TypeAspect    Aspect = 1 << iota // file type
	ModeAspect                       // permission bits
	OwnerAspect                      // user or group
	MtimeAspect                      // modification time
	XattrsAspect                     // extended attributes
	ContentAspect                    // what a regular file holds, and where
	TargetAspect                     // target of a symbolic link
	DeviceAspect                     // device number
	LinksAspect                      // which other names the inode has, or the link count of what is no directory
)

// ChangeKind says how a path differs.
type ChangeKind uint8

// The kinds of changes.
const (
	Added ChangeKind = iota + 1
	Removed
	Changed
)

// Change is one path that differs between two trees.
type Change struct {
	Kind     ChangeKind
	Path     string
	Old, New *Node  // nil if there is none
	What     Aspect // of what is Changed
}

// String is the change in one line: "+ /etc/x", "- /etc/x",
// "~ /etc/x (mode 644 -> 600, content)".
func (c Change) String() string { return "" }

// Diff yields what must change to make the tree b of a, in the order of
// [Walk]. The link counts of directories do not count.
func Diff(a, b *Node) iter.Seq[Change] { return func(func(Change) bool) {} }

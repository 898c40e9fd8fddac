package tree

import (
	"bytes"
	"cmp"
	"iter"
	"slices"
)

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

// Diff yields what must change to make the tree b of a, in the order of
// [Walk]. Everything below a directory that comes or goes is named, too. The
// link counts of directories do not count, for they follow from the rest.
func Diff(a, b *Node) iter.Seq[Change] {
	return func(yield func(Change) bool) {
		d := &differ{old: firstNames(a), new: firstNames(b), yield: yield}
		d.inodes("/", a, b)
	}
}

// firstNames is the first name, in the order of Walk, of each inode that has
// several.
func firstNames(root *Node) map[*Node]string {
	first := sharedNodes(root)
	if len(first) == 0 {
		return first
	}
	//nolint:errcheck // the function has no error to return
	Walk(root, func(path string, n *Node) error {
		if name, ok := first[n]; ok && name == "" {
			first[n] = path
		}
		return nil
	})
	return first
}

// differ compares two trees; its methods return false once nobody listens.
type differ struct {
	old, new map[*Node]string // firstNames
	yield    func(Change) bool
}

// inodes compares what is at path in both trees, one of which may have
// nothing there.
func (d *differ) inodes(path string, a, b *Node) bool {
	c := Change{Path: path, Old: a, New: b}
	switch {
	case a == nil:
		c.Kind = Added
	case b == nil:
		c.Kind = Removed
	default:
		c.Kind, c.What = Changed, d.compare(path, a, b)
	}
	if (c.Kind != Changed || c.What != 0) && !d.yield(c) {
		return false
	}
	return d.entries(path, a, b)
}

// entries compares the entries of two directories, in the order of both.
func (d *differ) entries(path string, a, b *Node) bool {
	as, bs := namesOf(a), namesOf(b)
	for len(as) > 0 || len(bs) > 0 {
		var name string
		order := 0
		switch {
		case len(as) == 0:
			order = 1
		case len(bs) == 0:
			order = -1
		default:
			order = cmp.Compare(as[0], bs[0])
		}
		var old, new *Node
		if order <= 0 {
			name, old, as = as[0], a.Child(as[0]), as[1:]
		}
		if order >= 0 {
			name, new, bs = bs[0], b.Child(bs[0]), bs[1:]
		}
		if !d.inodes(join(path, name), old, new) {
			return false
		}
	}
	return true
}

func namesOf(n *Node) []string {
	if n == nil {
		return nil
	}
	return n.Names()
}

// compare returns the aspects in which the two inodes at path differ.
func (d *differ) compare(path string, a, b *Node) Aspect {
	var what Aspect
	add := func(differs bool, aspect Aspect) {
		if differs {
			what |= aspect
		}
	}
	add(a.Type() != b.Type(), TypeAspect)
	add(a.Mode&^typeBits != b.Mode&^typeBits, ModeAspect)
	add(a.UID != b.UID || a.GID != b.GID, OwnerAspect)
	add(a.Mtime != b.Mtime, MtimeAspect)
	add(!slices.EqualFunc(a.Xattrs, b.Xattrs, sameXattr), XattrsAspect)
	if a.Type() == b.Type() {
		add(a.IsRegular() && !sameFile(a.File, b.File), ContentAspect)
		add(a.IsSymlink() && a.Target != b.Target, TargetAspect)
		add(a.device() != b.device(), DeviceAspect)
	}
	if !a.IsDir() && !b.IsDir() {
		sameNames := nameOr(d.old, a, path) == nameOr(d.new, b, path)
		add(!sameNames || a.Nlink != b.Nlink, LinksAspect)
	}
	return what
}

// nameOr is the first name of n, which is path if it has no other.
func nameOr(first map[*Node]string, n *Node, path string) string {
	return cmp.Or(first[n], path)
}

func sameXattr(a, b Xattr) bool {
	return a.Name == b.Name && bytes.Equal(a.Value, b.Value)
}

// sameFile compares the contents of regular files; nil is an empty one.
func sameFile(a, b *File) bool {
	var none File
	a, b = cmp.Or(a, &none), cmp.Or(b, &none)
	return a.Size == b.Size && a.Payload == b.Payload && a.Digest == b.Digest && bytes.Equal(a.Inline, b.Inline)
}

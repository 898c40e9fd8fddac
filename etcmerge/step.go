package etcmerge

import (
	"slices"

	"github.com/bootc-go/bootc/composefs/tree"
)

// step is one change of the new /etc. It is idempotent, and whatever of it the
// power leaves, doing it again makes it whole.
type step struct {
	op   op
	path string
	node *tree.Node // what is at path afterwards
	from string     // path in current, or for opLink in the new /etc
}

type op uint8

const (
	opRemove op = iota // what is at path, with everything below
	opMkdir            // a directory, with its attributes
	opFinish           // attributes and times of a directory, after all in it
	opCopy             // a regular file of current
	opWrite            // a regular file whose content the plan has
	opMake             // a symbolic link, a device, a fifo, a socket
	opLink             // another name of what is at from
)

// planner finds the steps that make one tree of another.
type planner struct {
	steps []step
	links links
	made  map[*tree.Node]string // where an inode with content of current is by now
}

// planSteps returns the steps that make the tree result of new, but for the root
// itself. Directories come before what is in them, and are finished after that.
func planSteps(new, result *tree.Node, l links) []step {
	if new == result {
		return nil
	}
	b := &planner{links: l, made: map[*tree.Node]string{}}
	b.entries(here, new, result)
	return b.steps
}

func (b *planner) add(op op, path string, n *tree.Node, from string) {
	b.steps = append(b.steps, step{op, path, n, from})
}

// entries plans for the entries of a directory that is there.
func (b *planner) entries(path string, n, r *tree.Node) {
	for _, name := range names(n, r) {
		if !ignored(path, name) {
			b.inode(join(path, name), child(n, name), r.Child(name))
		}
	}
}

func (b *planner) inode(path string, n, r *tree.Node) {
	switch {
	case r == nil:
		b.add(opRemove, path, nil, "")
	case r == n:
	case r.IsDir():
		if !isDir(n) {
			b.add(opMkdir, path, r, "")
			n = nil
		}
		before := len(b.steps)
		if b.entries(path, n, r); len(b.steps) > before || n == nil || !sameAttributes(n, r) {
			b.add(opFinish, path, r, "")
		}
	default:
		b.file(path, r)
	}
}

// file plans for what is no directory.
func (b *planner) file(path string, r *tree.Node) {
	if first, ok := b.made[r]; ok {
		b.add(opLink, path, r, first)
		return
	}
	if stays, ok := b.links.stays[r]; ok {
		b.add(opLink, path, r, stays)
		return
	}
	b.made[r] = path
	switch source, local := b.links.sources[r]; {
	case !local:
		b.add(opWrite, path, r, "")
	case r.IsRegular():
		b.add(opCopy, path, r, source)
	default:
		b.add(opMake, path, r, source)
	}
}

// sameAttributes says whether two directories have the same attributes, times
// and labels included.
func sameAttributes(a, b *tree.Node) bool {
	return a.Mode == b.Mode && a.UID == b.UID && a.GID == b.GID && a.Mtime == b.Mtime &&
		slices.EqualFunc(a.Xattrs, b.Xattrs, sameXattr)
}

package etcmerge

import (
	"github.com/bootc-go/bootc/composefs/tree"
)

// merger merges three trees. Of what it returns, nodes of new are those that
// stay as they are.
type merger struct {
	accounts  map[string][]byte // the merged account files, by name
	conflicts []Conflict
	links     links
}

// inode merges what is at path, of which each may be nil: in pristine, current
// and new. The result is nil if nothing is there any more.
func (m *merger) inode(path string, p, c, n *tree.Node) *tree.Node {
	switch {
	case c == nil && p == nil:
		return n
	case c == nil: // removed here
		return nil
	case c.IsDir() && isDir(p):
		return m.oldDir(path, p, c, n)
	case c.IsDir():
		return m.localDir(path, p, c, n)
	case p != nil && differs(p, c) == 0:
		m.links.untouched(path, c, n)
		return n
	case isDir(n) && !isDir(p):
		m.conflicts = append(m.conflicts, Conflict{Path: path})
		return n
	}
	return m.leaf(path, p, c, n)
}

// oldDir merges a directory that came with the old image.
func (m *merger) oldDir(path string, p, c, n *tree.Node) *tree.Node {
	switch {
	case n != nil && !n.IsDir() && keptAlive(path, p, c):
		m.conflicts = append(m.conflicts, Conflict{path, true})
		return n
	case n != nil && !n.IsDir():
		return n
	}
	touched := differs(p, c) != 0
	attributes := n
	if touched || n == nil {
		attributes = m.labelled(p, c, n)
	}
	out := m.entries(path, attributes, p, c, n)
	if n == nil && !touched && out.Len() == 0 {
		return nil // the image dropped it, and nobody misses it
	}
	if !touched && n != nil && sameEntries(out, n) {
		return n
	}
	return out
}

// localDir merges a directory that is none in the old image.
func (m *merger) localDir(path string, p, c, n *tree.Node) *tree.Node {
	if n != nil && !n.IsDir() {
		if p == nil {
			m.conflicts = append(m.conflicts, Conflict{path, true})
			return n
		}
		n = nil // it is a file as before: the directory was put in its place
	}
	return m.entries(path, m.labelled(p, c, n), nil, c, n)
}

// entries merges the entries of directories into a new one.
func (m *merger) entries(path string, attributes, p, c, n *tree.Node) *tree.Node {
	out := copyOf(attributes)
	out.RemoveChildren()
	for _, name := range names(p, c, n) {
		if ignored(path, name) {
			continue
		}
		if got := m.entry(path, name, child(p, name), child(c, name), child(n, name)); got != nil {
			out.SetChild(name, got)
		}
	}
	return out
}

// entry is inode for the entry called name of the directory path, and knows the
// files that are not merged as others are.
func (m *merger) entry(path, name string, p, c, n *tree.Node) *tree.Node {
	at := join(path, name)
	if path == here {
		if content, ok := m.accounts[name]; ok {
			return m.account(at, content, p, c, n)
		}
		if name == machineID && isRegular(c) && !isDir(n) {
			p = nil // always the machine's own
		}
	}
	return m.inode(at, p, c, n)
}

// leaf takes over what is no directory from current.
func (m *merger) leaf(path string, p, c, n *tree.Node) *tree.Node {
	if n != nil && differs(c, n) == 0 { // the image came to the same
		m.links.untouched(path, c, n)
		return n
	}
	if got := m.links.takenBefore(c); got != nil {
		return got
	}
	got := m.labelled(p, c, n)
	m.links.taken(path, c, got)
	return got
}

// labelled is c with the label that it has from now on: that of the new image,
// unless somebody gave it another one here. The result may be c itself.
func (m *merger) labelled(p, c, n *tree.Node) *tree.Node {
	mine, labelled := c.Xattr(labelXattr)
	switch {
	case n == nil || n.Type() != c.Type():
		return c
	case labelled && p != nil && !hasLabel(p, mine):
		return c
	}
	label, ok := n.Xattr(labelXattr)
	switch {
	case ok == labelled && string(label) == string(mine):
		return c
	case ok:
		out := copyOf(c)
		out.SetXattr(labelXattr, label)
		return out
	default:
		out := copyOf(c)
		out.RemoveXattr(labelXattr)
		return out
	}
}

func hasLabel(n *tree.Node, label []byte) bool {
	value, ok := n.Xattr(labelXattr)
	return ok && string(value) == string(label)
}

package etcmerge

import (
	"fmt"

	"github.com/bootc-go/bootc/composefs/tree"
)

// Compare finds the local changes.
func Compare(pristine, current *tree.Node) (*Diff, error) {
	if err := comparable(pristine, current); err != nil {
		return nil, fmt.Errorf("cannot compare /etc: %w", err)
	}
	d := &Diff{}
	d.inode(here, pristine, current, false)
	return d, nil
}

// inode compares what is at path, of which either may be nil. It is hidden if
// not everyone may pass a directory above.
func (d *Diff) inode(path string, p, c *tree.Node, hidden bool) {
	switch {
	case p == nil && c == nil:
		return
	case c == nil:
		d.Removed = append(d.Removed, tree.Change{Kind: tree.Removed, Path: path, Old: p})
		d.hide(path, hidden)
		return
	case p == nil:
		d.Added = append(d.Added, tree.Change{Kind: tree.Added, Path: path, New: c})
		d.hide(path, hidden)
	default:
		if what := differs(p, c); what != 0 {
			d.Modified = append(d.Modified, tree.Change{Kind: tree.Changed, Path: path, Old: p, New: c, What: what})
			d.hide(path, hidden)
		}
	}
	if !c.IsDir() { // that a directory gave way says enough of what was in it
		return
	}
	hidden = hidden || closed(p) || closed(c)
	for _, name := range names(p, c) {
		if !ignored(path, name) {
			d.inode(join(path, name), child(p, name), child(c, name), hidden)
		}
	}
}

// hide remembers that the change at path is nobody's business.
func (d *Diff) hide(path string, hidden bool) {
	if hidden {
		if d.hidden == nil {
			d.hidden = map[string]bool{}
		}
		d.hidden[path] = true
	}
}

// closed says whether there are users who may not pass a directory.
func closed(n *tree.Node) bool { return isDir(n) && n.Perm()&0o001 == 0 }

// keptAlive says whether anything in a directory, or of it, would be lost with
// it: what was added or modified here, not what was removed.
func keptAlive(path string, p, c *tree.Node) bool {
	var d Diff
	d.inode(path, p, c, false)
	return len(d.Added)+len(d.Modified) > 0
}

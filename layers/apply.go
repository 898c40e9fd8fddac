package layers

import (
	"context"
	"errors"

	"github.com/bootc-go/bootc/composefs/tree"
)

// implicitPerm is the permissions of a directory that no entry describes: the
// root of an image, and the parents of an entry that have none of their own.
// Container runtimes make them like this, owned by root. Their modification
// time is then the time of the extraction; here it is 0, so that an image is
// the same wherever and whenever it is put together.
const implicitPerm = 0o755

// merger applies layers, one on top of the other.
type merger struct {
	resolver
	budget   *budget
	lastDir  string // where the last entry was; entries of a directory come together
	lastNode *tree.Node
}

func newMerger(b *budget) *merger {
	return &merger{resolver: resolver{root: tree.NewDir(implicitPerm), left: maxWalked}, budget: b}
}

// apply puts one layer on top of those before it. Its whiteouts come first,
// wherever they stand in the tar: they "MUST only apply to resources in
// lower/parent layers", and an opaque one "is applied first […] regardless of
// the ordering in which the whiteout file was encountered" (layer.md).
func (m *merger) apply(ctx context.Context, l *parsedLayer) error {
	m.lastNode = nil
	if err := m.hide(ctx, l); err != nil {
		return err
	}
	for i := range l.entries {
		e := &l.entries[i]
		err := ctx.Err()
		if err == nil {
			err = m.add(e)
		}
		if err != nil {
			return entryError([]byte(e.path()), err)
		}
	}
	return nil
}

// hidden is a name to be taken away; an empty one is all names.
type hidden struct {
	dir  *tree.Node
	name string
}

// hide takes away what the layer's whiteouts name. All are looked up before the
// first is obeyed, so that their order does not matter.
func (m *merger) hide(ctx context.Context, l *parsedLayer) error {
	var todo []hidden
	gone := &gone{layer: l}
	for _, w := range l.whiteouts {
		dir, err := m.hiding(w.dir, gone)
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return entryError([]byte(w.path()), err)
		}
		if dir != nil {
			todo = append(todo, hidden{dir, w.name})
		}
	}
	for _, h := range todo {
		if h.name == "" {
			h.dir.RemoveChildren()
		} else {
			h.dir.RemoveChild(h.name)
		}
	}
	return nil
}

// hiding returns the directory in the lower layers that a whiteout in dir is
// about, or nil if there is none: then it hides nothing. A symbolic link there
// that the layer replaces or hides is not followed, since the whiteout is about
// what stood in its place and not about what it led to.
func (m *merger) hiding(dir string, gone *gone) (*tree.Node, error) {
	if n := m.direct(dir); n != nil {
		return n, nil
	}
	barred := func(path string) bool { return m.spend(gone.cost(path)) != nil || gone.has(path) }
	err := m.walk(dir, barred)
	if m.left < 0 {
		return nil, m.spend(0)
	}
	if err != nil {
		return nil, nil //nolint:nilerr // what cannot be reached is not there
	}
	return m.stack[len(m.stack)-1].node, nil
}

// add puts one entry into the tree.
func (m *merger) add(e *layerEntry) error {
	if e.name == "" {
		copyStat(m.root, e.node)
		return nil
	}
	dir, err := m.parent(e.dir)
	if err != nil {
		return err
	}
	node := e.node
	if node == nil {
		if node, err = m.linked(e.link); err != nil {
			return targetError([]byte(e.link), err)
		}
	}
	if old := dir.Child(e.name); old != nil {
		if old.IsDir() && node.IsDir() {
			copyStat(old, node)
			return nil
		}
		m.lastNode = nil // the way to it may have led over what is replaced
	}
	dir.SetChild(e.name, node)
	return nil
}

// copyStat makes the directory dst look like src, and keeps its entries: "the
// existing path's attributes MUST be replaced by those of the entry".
func copyStat(dst, src *tree.Node) {
	dst.Mode, dst.UID, dst.GID = src.Mode, src.UID, src.GID
	dst.Mtime, dst.Xattrs = src.Mtime, src.Xattrs
}

// parent returns the directory of an entry, and makes what is missing of it.
func (m *merger) parent(path string) (n *tree.Node, err error) {
	if m.lastNode != nil && m.lastDir == path {
		return m.lastNode, nil
	}
	if n = m.direct(path); n == nil {
		if err := m.walk(path, nil); err != nil {
			return nil, err
		}
		if n, err = m.makeMissing(); err != nil {
			return nil, err
		}
	}
	m.lastDir, m.lastNode = path, n
	return n, nil
}

// makeMissing makes the directories that the last walk found missing, and
// returns the one where it ended.
func (m *merger) makeMissing() (*tree.Node, error) {
	for i := 1; i < len(m.stack); i++ {
		if m.stack[i].node != nil {
			continue
		}
		if err := m.budget.spendEntry(); err != nil {
			return nil, err
		}
		m.stack[i].node = tree.NewDir(implicitPerm)
		m.stack[i-1].node.SetChild(m.stack[i].name, m.stack[i].node)
	}
	return m.stack[len(m.stack)-1].node, nil
}

// linked returns what a hard link links to: what is there now, from this layer
// or one below. A symbolic link at the end of the path is linked to itself.
func (m *merger) linked(path string) (*tree.Node, error) {
	dir, base := cutLast(path)
	parent, err := m.lookup(dir)
	if err != nil {
		return nil, err
	}
	switch n := parent.Child(base); {
	case n == nil:
		return nil, errNotFound
	case n.IsDir():
		return nil, errors.New("it is a directory")
	default:
		return n, nil
	}
}

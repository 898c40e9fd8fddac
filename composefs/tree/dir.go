package tree

import (
	"iter"
	"slices"
	"sort"
	"strings"
)

// dir is the entries of a directory: two slices side by side, because most
// directories are filled once, in order, and then only listed. Entries that
// come out of order are sorted when order is next needed; until then a map
// finds them. A removed entry leaves a nil node until many have gone.
type dir struct {
	names    []string
	nodes    []*Node
	unsorted bool           // names are not in byte order
	index    map[string]int // where each name is; only of an unsorted directory
	removed  int            // how many nodes are nil
}

// find returns the place of name, or false and the place where it would be
// put: in the order of a sorted directory, else at the end.
func (d *dir) find(name string) (int, bool) {
	n := len(d.names)
	switch {
	case n == 0 || !d.unsorted && d.names[n-1] < name:
		return n, false
	case !d.unsorted:
		i := sort.SearchStrings(d.names, name)
		return i, d.names[i] == name
	}
	d.buildIndex()
	i, ok := d.index[name]
	if !ok {
		return n, false
	}
	return i, true
}

func (d *dir) buildIndex() {
	if d.index != nil {
		return
	}
	d.index = make(map[string]int, len(d.names))
	for i, name := range d.names {
		d.index[name] = i
	}
}

func (d *dir) set(name string, child *Node) {
	i, ok := d.find(name)
	if ok {
		if d.nodes[i] == nil {
			d.removed--
		}
		d.nodes[i] = child
		return
	}
	if i < len(d.names) {
		d.unsorted = true
	}
	if d.index != nil {
		d.index[name] = len(d.names)
	}
	d.names, d.nodes = append(d.names, name), append(d.nodes, child)
}

func (d *dir) remove(name string) {
	i, ok := d.find(name)
	if !ok || d.nodes[i] == nil {
		return
	}
	d.nodes[i] = nil
	d.removed++
	if d.removed > 16 && d.removed > len(d.names)/2 {
		d.compact()
	}
}

// compact drops what was removed. It leaves the old slices as they are, for
// somebody may be walking through them.
func (d *dir) compact() {
	names := make([]string, 0, len(d.names)-d.removed)
	nodes := make([]*Node, 0, len(d.names)-d.removed)
	for i, n := range d.nodes {
		if n != nil {
			names, nodes = append(names, d.names[i]), append(nodes, n)
		}
	}
	d.names, d.nodes, d.index, d.removed = names, nodes, nil, 0
}

// order makes the slices what they should be, sorted and without gaps, and
// leaves the old ones as they are.
func (d *dir) order() {
	if d.removed > 0 {
		d.compact()
	}
	if d.unsorted {
		d.sort()
	}
}

func (d *dir) sort() {
	type entry struct {
		name string
		node *Node
	}
	entries := make([]entry, len(d.names))
	for i, name := range d.names {
		entries[i] = entry{name, d.nodes[i]}
	}
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	names, nodes := make([]string, len(entries)), make([]*Node, len(entries))
	for i, e := range entries {
		names[i], nodes[i] = e.name, e.node
	}
	d.names, d.nodes, d.index, d.unsorted = names, nodes, nil, false
}

// Child returns the entry called name, or nil.
func (n *Node) Child(name string) *Node {
	if n.dir == nil {
		return nil
	}
	if i, ok := n.dir.find(name); ok {
		return n.dir.nodes[i]
	}
	return nil
}

// Len is the number of entries of a directory.
func (n *Node) Len() int {
	if n.dir == nil {
		return 0
	}
	return len(n.dir.names) - n.dir.removed
}

// SetChild makes child the directory's entry called name, in place of what
// stood there.
func (n *Node) SetChild(name string, child *Node) {
	if n.dir == nil {
		n.dir = &dir{}
	}
	n.dir.set(name, child)
}

// RemoveChild removes the entry called name, if there is one.
func (n *Node) RemoveChild(name string) {
	if n.dir != nil {
		n.dir.remove(name)
	}
}

// RemoveChildren empties the directory.
func (n *Node) RemoveChildren() { n.dir = nil }

// Names returns the names of the entries in byte order. The caller must not
// change the slice; later changes of the directory do not show in it.
//
// Listing a directory may sort it, and looking up a name may build an index, so
// a tree that several goroutines read at once must have been walked before.
func (n *Node) Names() []string {
	if n.dir == nil {
		return nil
	}
	n.dir.order()
	return n.dir.names
}

// Children yields the entries in byte order of their names. Entries of the
// directory may be removed and replaced meanwhile; new ones are not seen.
func (n *Node) Children() iter.Seq2[string, *Node] {
	return func(yield func(string, *Node) bool) {
		if n.dir == nil {
			return
		}
		n.dir.order()
		names, nodes := n.dir.names, n.dir.nodes
		for i, name := range names {
			if nodes[i] != nil && !yield(name, nodes[i]) {
				return
			}
		}
	}
}

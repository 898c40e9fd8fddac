package erofs

import (
	"iter"
	"slices"

	"github.com/bootc-go/bootc/composefs/tree"
)

// entry is an entry of a directory.
type entry struct {
	name  string
	index uint32 // of the inode
	ftype uint8
}

func (e entry) size() int { return direntSize + len(e.name) }

// children yields the entries of a directory but for . and .., in byte order.
// A stub has no node.
func (p *plan) children(dir uint32) iter.Seq2[string, *tree.Node] {
	if dir == 0 {
		return withStubs(p.root)
	}
	return p.inodes[dir].node.Children()
}

// withStubs merges the stubs into the entries of the root. A name that is
// there already needs no stub.
func withStubs(root *tree.Node) iter.Seq2[string, *tree.Node] {
	return func(yield func(string, *tree.Node) bool) {
		stub := 0
		for name, child := range root.Children() {
			for ; stub < stubCount && stubName(stub) < name; stub++ {
				if !yield(stubName(stub), nil) {
					return
				}
			}
			if stub < stubCount && stubName(stub) == name {
				stub++
			}
			if !yield(name, child) {
				return
			}
		}
		for ; stub < stubCount; stub++ {
			if !yield(stubName(stub), nil) {
				return
			}
		}
	}
}

// list returns the entries of the directory i, in byte order. They are valid
// until the next call.
func (p *plan) list(i int) []entry {
	in := &p.inodes[i]
	p.entries = p.entries[:0]
	next := in.first
	for name, child := range p.children(uint32(i)) {
		index := next
		if in.marks&hasLinks != 0 {
			if l := p.links.link(child); l != nil {
				index = l.index
			}
		}
		if index == next {
			next++
		}
		p.entries = append(p.entries, entry{name, index, fileType(mode(child))})
	}
	p.addDot(".", uint32(i))
	p.addDot("..", in.parent)
	return p.entries
}

func (p *plan) addDot(name string, index uint32) {
	at := len(p.entries)
	for i, e := range p.entries {
		if e.name > name {
			at = i
			break
		}
	}
	p.entries = slices.Insert(p.entries, at, entry{name, index, ftDirectory})
}

// pack calls block with as many entries at a time as fit one block. The last
// ones, if they fill no more than half of one, it returns instead.
func pack(entries []entry, block func([]entry)) (tail []entry) {
	size, start := 0, 0
	for i, e := range entries {
		if size+e.size() > blockSize {
			block(entries[start:i])
			size, start = 0, i
		}
		size += e.size()
	}
	if size > maxTail {
		block(entries[start:])
		return nil
	}
	return entries[start:]
}

// packedSize is the size of a packed directory.
func packedSize(entries []entry) uint64 {
	size := 0
	for _, e := range pack(entries, func([]entry) { size += blockSize }) {
		size += e.size()
	}
	return uint64(size)
}

// appendEntries appends one packed part of a directory.
func (p *plan) appendEntries(b []byte, entries []entry) []byte {
	off := len(entries) * direntSize
	for _, e := range entries {
		b = dirent{uint64(p.inodes[e.index].nid), uint16(off), e.ftype}.append(b)
		off += len(e.name)
	}
	for _, e := range entries {
		b = append(b, e.name...)
	}
	return b
}

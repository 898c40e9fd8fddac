package erofs

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
)

// sharedXattrs is the table of xattrs that more than one inode has. It is
// filled in two steps, as most xattrs of an image are different (each file has
// its own redirect) and must not take memory: note sees every xattr and
// remembers a hash, count looks again at those alone whose hash came twice.
type sharedXattrs struct {
	seen  hashSet
	index map[string]int // of name, NUL, value
	list  []sharedXattr  // once placed, in the order of the table
	size  uint64         // of the table
	key   []byte
}

type sharedXattr struct {
	xattr
	users  int
	offset uint64 // in the table
}

// init makes room for n calls of note.
func (s *sharedXattrs) init(n int) {
	s.seen.init(n)
	s.index = map[string]int{}
}

func (s *sharedXattrs) keyOf(x *xattr) []byte {
	s.key = append(append(append(s.key[:0], x.name...), 0), x.value...)
	return s.key
}

// note is called with the xattrs of every inode.
func (s *sharedXattrs) note(xs []xattr) {
	for i := range xs {
		s.seen.add(s.keyOf(&xs[i]))
	}
}

// count is called with the xattrs of every inode once all are noted.
func (s *sharedXattrs) count(xs []xattr) {
	for i := range xs {
		key := s.keyOf(&xs[i])
		if !s.seen.twice(key) {
			continue
		}
		k, ok := s.index[string(key)]
		if !ok {
			k = len(s.list)
			s.index[string(key)] = k
			s.list = append(s.list, sharedXattr{xattr: xattr{xs[i].name, bytes.Clone(xs[i].value), -1}})
		}
		s.list[k].users++
	}
}

// place decides what is in the table, and where: names descending, then longer
// values first, then values descending.
func (s *sharedXattrs) place() {
	s.list = slices.DeleteFunc(s.list, func(x sharedXattr) bool { return x.users < 2 })
	slices.SortFunc(s.list, func(a, b sharedXattr) int {
		return cmp.Or(strings.Compare(b.name, a.name), len(b.value)-len(a.value), bytes.Compare(b.value, a.value))
	})
	clear(s.index)
	for i := range s.list {
		x := &s.list[i]
		s.index[string(s.keyOf(&x.xattr))] = i
		x.offset = s.size
		s.size += uint64(x.size())
	}
}

// find marks those xattrs of an inode that are in the table.
func (s *sharedXattrs) find(xs []xattr) {
	left := maxShared
	for i := range xs {
		key := s.keyOf(&xs[i])
		if left == 0 || !s.seen.twice(key) {
			continue
		}
		if k, ok := s.index[string(key)]; ok {
			xs[i].shared = k
			left--
		}
	}
}

// id is the number of xattr i of the table, if that begins at start: the
// distance in words from the block in which the table begins.
func (s *sharedXattrs) id(i int, start uint64) uint32 {
	return uint32((start%blockSize + s.list[i].offset) / 4)
}

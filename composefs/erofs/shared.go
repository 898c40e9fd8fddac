package erofs

import (
	"bytes"
	"cmp"
	"hash/maphash"
	"math/bits"
	"slices"
	"strings"
)

// sharedXattrs finds the xattrs that more than one inode has, and is the table
// of them in the image. Most xattrs of an image are different, as each file
// has its own redirect, and must not take memory: of an xattr seen once only
// the number of the inode is kept, and when something like it is seen the
// inode's xattrs are made anew and compared.
type sharedXattrs struct {
	list  []sharedXattr // as they were found
	order []int         // indexes of list in the order of the table
	size  uint64        // of the table

	hash   func(*xattr) uint64
	places []place
}

type sharedXattr struct {
	xattr
	offset uint64 // in the table
}

// place is an entry of a hash table with open addressing: 1 and an index of
// an inode, or of list if the top bit is set; between them a part of the hash.
// 0 is free.
type place uint64

const (
	placeShared place = 1 << 63
	placeIndex  place = 1<<32 - 1
)

func newPlace(hash uint64, i int) place { return place(hash)&^placeShared&^placeIndex | place(i+1) }

func (e place) index() int { return int(e&placeIndex) - 1 }

func (e place) isLike(hash uint64) bool { return (e^place(hash))&^placeShared&^placeIndex == 0 }

func (s *sharedXattrs) at(i int) *place { return &s.places[i&(len(s.places)-1)] }

// init makes room for n xattrs to be noted.
func (s *sharedXattrs) init(n int) {
	s.places = make([]place, max(1024, 1<<bits.Len(uint(n+n/2))))
	nameSeed, valueSeed := maphash.MakeSeed(), maphash.MakeSeed()
	s.hash = func(x *xattr) uint64 {
		return maphash.String(nameSeed, x.name) ^ maphash.Bytes(valueSeed, x.value)
	}
}

// note is called with the xattrs of every inode, in order, and marks those
// inodes that have shared ones.
func (p *plan) note(i int) {
	for k := range p.xs.list {
		x := &p.xs.list[k]
		hash := p.shared.hash(x)
		if p.noteXattr(x, hash, i) {
			p.inodes[i].share(k, x)
		}
	}
}

// share notes that x, which is xattr k of the inode, is shared: instead of it the
// inode has its place in the table.
func (in *inode) share(k int, x *xattr) {
	in.shared.set(k)
	in.front -= uint32(x.size() - xidSize)
}

// noteXattr reports whether some inode before i has x, and makes x shared then.
// If not, it takes note of i.
func (p *plan) noteXattr(x *xattr, hash uint64, i int) bool {
	like := false
	for at := int(hash); ; at++ {
		e := p.shared.at(at)
		switch {
		case *e == 0 && like:
			return p.noteAgain(x, hash, i)
		case *e == 0:
			*e = newPlace(hash, i)
			return false
		case !e.isLike(hash):
		case *e&placeShared == 0:
			like = like || e.index() != i
		case p.shared.list[e.index()].equal(x):
			return true
		}
	}
}

// noteAgain is noteXattr for what is not shared yet, though there is something
// with a like hash.
//
// Entries do not tell which xattr of their inode they stand for, and need not:
// if an inode has several with like hashes, there is an entry for each of them,
// and any may become that of the shared one.
func (p *plan) noteAgain(x *xattr, hash uint64, i int) bool {
	s := &p.shared
	for at := int(hash); ; at++ {
		e := s.at(at)
		if *e == 0 {
			*e = newPlace(hash, i)
			return false
		}
		if *e&placeShared != 0 || !e.isLike(hash) || e.index() == i {
			continue
		}
		first := e.index()
		p.rewrite(first, &p.others)
		if k := slices.IndexFunc(p.others.list, func(y xattr) bool { return y.equal(x) }); k >= 0 {
			p.inodes[first].share(k, x)
			*e = newPlace(hash, len(s.list)) | placeShared
			s.list = append(s.list, sharedXattr{xattr: xattr{x.name, bytes.Clone(x.value), -1}})
			return true
		}
	}
}

// find returns the index of x in s.list, -1 if it is not shared.
func (s *sharedXattrs) find(x *xattr, hash uint64) int {
	for at := int(hash); ; at++ {
		e := s.at(at)
		switch {
		case *e == 0:
			return -1
		case *e&placeShared != 0 && e.isLike(hash) && s.list[e.index()].equal(x):
			return e.index()
		}
	}
}

// arrange gives the shared xattrs their places in the table: names descending,
// then longer values first, then values descending.
func (s *sharedXattrs) arrange() {
	s.order = make([]int, len(s.list))
	for i := range s.list {
		s.order[i] = i
	}
	slices.SortFunc(s.order, func(i, k int) int {
		a, b := &s.list[i], &s.list[k]
		return cmp.Or(strings.Compare(b.name, a.name), len(b.value)-len(a.value), bytes.Compare(b.value, a.value))
	})
	for _, i := range s.order {
		s.list[i].offset = s.size
		s.size += uint64(s.list[i].size())
	}
}

// mark tells the xattrs of an inode where in the table they are.
func (s *sharedXattrs) mark(xs []xattr, which xattrSet) {
	if which == 0 {
		return
	}
	left := maxShared
	for k := range xs {
		if left == 0 || !which.has(k) {
			continue
		}
		if xs[k].shared = s.find(&xs[k], s.hash(&xs[k])); xs[k].shared >= 0 {
			left--
		}
	}
}

// id is the number of xattr i of the table, if that begins at start: the
// distance in words from the block in which the table begins.
func (s *sharedXattrs) id(i int, start uint64) uint32 {
	return uint32((start%blockSize + s.list[i].offset) / 4)
}

// xattrSet says which xattrs of an inode are shared. Those behind the first
// maxMarked have one bit in common.
type xattrSet uint32

const maxMarked = 31

func (s *xattrSet) set(k int)     { *s |= 1 << min(k, maxMarked) }
func (s xattrSet) has(k int) bool { return s>>min(k, maxMarked)&1 != 0 }

package erofs

import (
	"math/bits"

	"golang.org/x/sys/unix"
)

// shape is the form of one inode, which depends on where it stands.
type shape struct {
	head   inodeHead // but for the addr of what has blocks
	body   int       // length of the xattr body
	blocks uint32    // whole blocks of data
	tail   int       // bytes of data, or of chunk addresses, behind the inode
}

// front is the length of what is before the tail.
func (s *shape) front() int { return s.head.length() + s.body }

// shapeOf sets s to the form of inode i, whose xattrs are in p.xs, as far as its
// place does not matter.
func (p *plan) shapeOf(i int, s *shape) {
	in := &p.inodes[i]
	*s = shape{body: bodySize(p.xs.list)}
	h := &s.head
	h.mode, h.ino, h.xcount = uint16(mode(in.node)), uint32(i), xattrCount(s.body)
	if in.node == nil {
		h.nlink, h.uid, h.gid, h.mtime = 1, p.root.UID, p.root.GID, p.root.Mtime
	} else {
		h.nlink, h.uid, h.gid, h.mtime = in.node.Nlink, in.node.UID, in.node.GID, in.node.Mtime
		p.shapeData(i, s)
	}
	h.extended = h.mtime != p.buildTime || h.nlink|h.uid|h.gid > 1<<16-1 || h.size > 1<<32-1
}

// shapeData adds what the content asks for.
func (p *plan) shapeData(i int, s *shape) {
	n := p.inodes[i].node
	switch {
	case n.IsDir():
		p.shapeDir(i, s)
	case n.IsSymlink():
		s.head.size, s.tail, s.head.layout = n.Size(), len(n.Target), flatInline
	case isExternal(n):
		s.shapeChunks(n.Size())
	case n.IsRegular():
		s.shapeInline(n.Size())
	case n.Type() == unix.S_IFCHR, n.Type() == unix.S_IFBLK:
		s.head.addr = n.Rdev
	}
}

// shapeChunks asks for as few chunks as possible, and as small as possible
// then.
func (s *shape) shapeChunks(size uint64) {
	chunkBits := min(max(bits.Len64(size-1), blockBits), maxChunkBits)
	chunks := (size-1)>>chunkBits + 1
	s.tail = 4 * int(chunks)
	s.head.size, s.head.layout, s.head.addr = size, chunkBased, uint32(chunkBits-blockBits)
}

// shapeInline is for the content of files and directories.
func (s *shape) shapeInline(size uint64) {
	s.blocks, s.tail = uint32(size/blockSize), int(size%blockSize)
	s.head.size, s.head.layout = size, flatInline
	if s.tail > maxTail {
		s.spill()
	}
	if s.tail == 0 {
		s.head.layout = flatPlain
	}
}

func (p *plan) shapeDir(i int, s *shape) {
	entries := p.list(i)
	s.head.nlink = 0
	for _, e := range entries { // with . and ..
		if e.ftype == ftDirectory {
			s.head.nlink++
		}
	}
	s.shapeInline(packedSize(entries))
}

// spill moves the tail to a block of its own.
func (s *shape) spill() {
	s.blocks, s.tail = s.blocks+1, 0
	if s.head.layout == flatInline {
		s.head.layout = flatPlain
	}
}

// settle moves an inode on from pos as far as its tail demands, and returns
// where it stands. If the tail fits nowhere it is spilled.
func (in *inode) settle(pos uint64) uint64 {
	if in.marks&isSymlink != 0 {
		return in.settleLink(pos)
	}
	room := blockSize - in.tailOffset(pos)
	if room >= int(in.tail) {
		return pos
	}
	next := pos + uint64(align(room, slotSize))
	if blockSize-in.tailOffset(next) >= int(in.tail) {
		return next
	}
	in.spill()
	return alignTo(pos, blockSize)
}

// spill is that of the inode's shape.
func (in *inode) spill() { in.blocks, in.tail = in.blocks+1, 0 }

// tailOffset is where in its block the tail of an inode at pos begins.
func (in *inode) tailOffset(pos uint64) int { return int(pos+uint64(in.front)) % blockSize }

// settleLink keeps a symbolic link within one block, as older kernels demand.
func (in *inode) settleLink(pos uint64) uint64 {
	length := uint64(in.front) + uint64(in.tail)
	if length >= blockSize {
		in.spill()
	}
	if pos/blockSize != (pos+length-1)/blockSize {
		return alignTo(pos, blockSize)
	}
	return pos
}

func alignTo(n, to uint64) uint64 { return (n + to - 1) &^ (to - 1) }

package erofs

import (
	"cmp"
	"fmt"
	"io"
)

// write writes the image.
func (p *plan) write(w io.Writer) error {
	o := newOutput(w)
	err := p.emit(o)
	return cmp.Or(o.close(), err)
}

func (p *plan) emit(o *output) error {
	p.emitSuper(o)
	if err := p.emitInodes(o); err != nil {
		return err
	}
	for _, i := range p.shared.order {
		o.buf = p.shared.list[i].append(o.buf)
		o.spill()
	}
	o.padTo(p.dataStart)
	for i := range p.inodes {
		if p.inodes[i].blocks > 0 && o.err == nil {
			p.emitBlocks(o, i)
		}
	}
	if o.err != nil {
		return o.err
	}
	if want := p.dataStart + p.dataBlocks*blockSize; o.pos() != want {
		return fmt.Errorf("internal error: image of %d bytes instead of %d", o.pos(), want)
	}
	o.flush(len(o.buf))
	return nil
}

func (p *plan) emitSuper(o *output) {
	head := header{magic: headMagic, format: headFormat, version: uint32(p.version)}
	if p.hasACL {
		head.flags |= headACL
	}
	o.buf = head.append(o.buf)
	o.padTo(superStart)
	super := superblock{
		magic:      superMagic,
		compat:     features,
		blockBits:  blockBits,
		rootNid:    uint16(p.inodes[0].nid),
		inodes:     uint64(len(p.inodes)),
		buildTime:  p.buildTime,
		blocks:     uint32(p.dataStart/blockSize + p.dataBlocks),
		xattrBlock: uint32(p.inodesEnd / blockSize),
	}
	o.buf = super.append(o.buf)
}

func (p *plan) emitInodes(o *output) error {
	block := uint32(p.dataStart / blockSize)
	s := &p.shape
	for i := range p.inodes {
		pos := uint64(p.inodes[i].nid) * slotSize
		o.padTo(pos)
		if o.err != nil {
			return o.err
		}
		if o.pos() != pos {
			return fmt.Errorf("internal error: inode %d at %d, not at nid %d", i, o.pos(), p.inodes[i].nid)
		}
		p.finalShape(i, s)
		if s.blocks > 0 {
			s.setBlock(block)
			block += s.blocks
		}
		p.emitInode(o, i, s)
		o.spill()
	}
	o.padTo(p.inodesEnd)
	return o.err
}

// finalShape sets s to the form of inode i once that has its place.
func (p *plan) finalShape(i int, s *shape) {
	in := &p.inodes[i]
	p.rewrite(i, &p.xs)
	p.shared.mark(p.xs.list, in.shared)
	p.shapeOf(i, s)
	if s.blocks < in.blocks {
		s.spill()
	}
}

// setBlock tells where the data is. Chunk-based inodes have their format in
// the low half of the same field, and mkcomposefs lets it win.
func (s *shape) setBlock(block uint32) {
	if s.head.layout == chunkBased {
		block = block&^0xffff | s.head.addr
	}
	s.head.addr = block
}

func (p *plan) emitInode(o *output, i int, s *shape) {
	o.buf = s.head.append(o.buf)
	if s.body > 0 {
		o.buf = p.appendBody(o.buf)
	}
	if s.tail > 0 {
		o.buf = p.appendTail(o.buf, i, s)
	}
}

// appendBody appends the xattr body of the inode at hand.
func (p *plan) appendBody(b []byte) []byte {
	xs, start := p.xs.list, len(b)
	b = le.AppendUint32(b, nameFilter(xs))
	b = zeros(b, xbodySize-4)
	for i := range xs {
		if xs[i].shared >= 0 {
			b[start+4]++
			b = le.AppendUint32(b, p.shared.id(xs[i].shared, p.inodesEnd))
		}
	}
	for i := range xs {
		if xs[i].shared < 0 {
			b = xs[i].append(b)
		}
	}
	return b
}

func (p *plan) appendTail(b []byte, i int, s *shape) []byte {
	n := p.inodes[i].node
	switch {
	case n.IsDir():
		return p.appendEntries(b, pack(p.list(i), func([]entry) {}))
	case n.IsSymlink():
		return append(b, n.Target...)
	case s.head.layout == chunkBased:
		return appendChunks(b, s.tail/4)
	}
	return append(b, n.File.Inline[len(n.File.Inline)-s.tail:]...)
}

// appendChunks appends addresses of chunks that are not there.
func appendChunks(b []byte, n int) []byte {
	for range n {
		b = le.AppendUint32(b, nullAddr)
	}
	return b
}

// emitBlocks writes the whole blocks of inode i.
func (p *plan) emitBlocks(o *output, i int) {
	n := p.inodes[i].node
	end := o.pos() + uint64(p.inodes[i].blocks)*blockSize
	switch {
	case n.IsDir():
		pack(p.list(i), func(entries []entry) {
			o.buf = p.appendEntries(o.buf, entries)
			o.padTo(alignTo(o.pos(), blockSize))
			o.spill()
		})
	case n.IsSymlink():
		o.buf = append(o.buf, n.Target...)
	case isExternal(n):
		o.buf = appendChunks(o.buf, maxChunks)
	default:
		data := n.File.Inline
		o.buf = append(o.buf, data[:min(len(data), int(p.inodes[i].blocks)*blockSize)]...)
	}
	o.padTo(end)
	o.spill()
}

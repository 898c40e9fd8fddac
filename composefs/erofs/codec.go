package erofs

import (
	"encoding/binary"

	"github.com/bootc-go/bootc/composefs/tree"
)

var le = binary.LittleEndian

func (h *header) append(b []byte) []byte {
	for _, v := range [headSize / 4]uint32{h.magic, h.format, h.flags, h.version} {
		b = le.AppendUint32(b, v)
	}
	return b
}

func parseHeader(b *[headSize]byte) header {
	return header{magic: le.Uint32(b[0:]), format: le.Uint32(b[4:]), flags: le.Uint32(b[8:]), version: le.Uint32(b[12:])}
}

func (s *superblock) append(b []byte) []byte {
	var raw [superSize]byte
	le.PutUint32(raw[0:], s.magic)
	le.PutUint32(raw[8:], s.compat)
	raw[12] = s.blockBits
	le.PutUint16(raw[14:], s.rootNid)
	le.PutUint64(raw[16:], s.inodes)
	le.PutUint64(raw[24:], uint64(s.buildTime.Sec))
	le.PutUint32(raw[32:], s.buildTime.Nsec)
	le.PutUint32(raw[36:], s.blocks)
	le.PutUint32(raw[40:], s.metaBlock)
	le.PutUint32(raw[44:], s.xattrBlock)
	le.PutUint32(raw[80:], s.incompat)
	return append(b, raw[:]...)
}

func parseSuperblock(b *[superSize]byte) superblock {
	return superblock{
		magic:      le.Uint32(b[0:]),
		compat:     le.Uint32(b[8:]),
		blockBits:  b[12],
		rootNid:    le.Uint16(b[14:]),
		inodes:     le.Uint64(b[16:]),
		buildTime:  tree.Time{Sec: int64(le.Uint64(b[24:])), Nsec: le.Uint32(b[32:])},
		blocks:     le.Uint32(b[36:]),
		metaBlock:  le.Uint32(b[40:]),
		xattrBlock: le.Uint32(b[44:]),
		incompat:   le.Uint32(b[80:]),
	}
}

// length is the size of the inode's header.
func (h *inodeHead) length() int {
	if h.extended {
		return extendedSize
	}
	return compactSize
}

func (h *inodeHead) append(b []byte) []byte {
	var raw [extendedSize]byte
	le.PutUint16(raw[0:], h.layout<<1)
	le.PutUint16(raw[2:], h.xcount)
	le.PutUint16(raw[4:], h.mode)
	le.PutUint32(raw[16:], h.addr)
	le.PutUint32(raw[20:], h.ino)
	if !h.extended {
		le.PutUint16(raw[6:], uint16(h.nlink))
		le.PutUint32(raw[8:], uint32(h.size))
		le.PutUint16(raw[24:], uint16(h.uid))
		le.PutUint16(raw[26:], uint16(h.gid))
		return append(b, raw[:compactSize]...)
	}
	raw[0] |= 1
	le.PutUint64(raw[8:], h.size)
	le.PutUint32(raw[24:], h.uid)
	le.PutUint32(raw[28:], h.gid)
	le.PutUint64(raw[32:], uint64(h.mtime.Sec))
	le.PutUint32(raw[40:], h.mtime.Nsec)
	le.PutUint32(raw[44:], h.nlink)
	return append(b, raw[:]...)
}

// parseInode reads a header. One that is compact ends after 32 bytes, and has
// the time that the superblock gives.
func parseInode(b *[extendedSize]byte, buildTime tree.Time) inodeHead {
	format := le.Uint16(b[0:])
	h := inodeHead{
		extended: format&1 != 0,
		layout:   format >> 1,
		xcount:   le.Uint16(b[2:]),
		mode:     le.Uint16(b[4:]),
		addr:     le.Uint32(b[16:]),
		ino:      le.Uint32(b[20:]),
		mtime:    buildTime,
	}
	if !h.extended {
		h.nlink, h.size = uint32(le.Uint16(b[6:])), uint64(le.Uint32(b[8:]))
		h.uid, h.gid = uint32(le.Uint16(b[24:])), uint32(le.Uint16(b[26:]))
		return h
	}
	h.nlink, h.size = le.Uint32(b[44:]), le.Uint64(b[8:])
	h.uid, h.gid = le.Uint32(b[24:]), le.Uint32(b[28:])
	h.mtime = tree.Time{Sec: int64(le.Uint64(b[32:])), Nsec: le.Uint32(b[40:])}
	return h
}

func (d dirent) append(b []byte) []byte {
	b = le.AppendUint64(b, d.nid)
	b = le.AppendUint16(b, d.nameOff)
	return append(b, d.ftype, 0)
}

func parseDirent(b []byte) dirent {
	return dirent{nid: le.Uint64(b), nameOff: le.Uint16(b[8:]), ftype: b[10]}
}

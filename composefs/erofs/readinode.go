package erofs

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/tree"
)

// extent is where the data of an inode is: whole blocks first, then the rest
// behind the inode.
type extent struct {
	blocks, blockLen uint64 // the last block may be filled in part
	tail, tailLen    uint64
}

// readInode reads the inode at nid, which was not read before, with all but
// the entries of a directory. It returns where those are.
func (rd *reader) readInode(nid uint64) (*tree.Node, extent, error) {
	head, pos, err := rd.readHead(nid)
	if err != nil {
		return nil, extent{}, err
	}
	n := &tree.Node{Mode: uint32(head.mode), UID: head.uid, GID: head.gid, Nlink: head.nlink, Mtime: head.mtime}
	rd.nodes[nid] = readNode{n, fileType(n.Mode)}
	body := bodyLen(head.xcount)
	data, err := rd.locate(&head, pos+uint64(head.length())+body)
	if err != nil {
		return nil, extent{}, err
	}
	if err := rd.claims.take(pos, data.tail+data.tailLen); err != nil {
		return nil, extent{}, err
	}
	if err := rd.readContent(n, &head, &data); err != nil {
		return nil, extent{}, err
	}
	raw, err := rd.readBody(pos+uint64(head.length()), body)
	if err != nil {
		return nil, extent{}, err
	}
	if err := rd.undo(n, raw, nid); err != nil {
		return nil, extent{}, err
	}
	if n.IsDir() { // is checked when its entries are known
		return n, data, nil
	}
	return n, data, checkNode(n)
}

// readHead reads the header of the inode at nid, which is at pos.
func (rd *reader) readHead(nid uint64) (head inodeHead, pos uint64, err error) {
	if nid > rd.src.size/slotSize {
		return head, 0, fmt.Errorf("nid %d is beyond the end", nid)
	}
	pos = rd.meta + nid*slotSize
	var raw [extendedSize]byte
	if err := rd.src.read(raw[:compactSize], pos); err != nil {
		return head, 0, err
	}
	if head = parseInode(&raw, rd.super.buildTime); head.extended {
		if err := rd.src.read(raw[compactSize:], pos+compactSize); err != nil {
			return head, 0, err
		}
		head = parseInode(&raw, rd.super.buildTime)
	}
	return head, pos, nil
}

// bodyLen is the length of an xattr body.
func bodyLen(xcount uint16) uint64 {
	if xcount == 0 {
		return 0
	}
	return xbodySize + 4*uint64(xcount-1)
}

// locate finds the data of an inode whose tail, if it has one, is at pos.
func (rd *reader) locate(head *inodeHead, pos uint64) (extent, error) {
	e := extent{tail: pos, blocks: uint64(head.addr) * blockSize}
	switch head.layout {
	case flatPlain:
		e.blockLen = head.size
	case flatInline:
		e.blockLen, e.tailLen = head.size&^(blockSize-1), head.size%blockSize
		if e.tailLen == 0 || pos%blockSize+e.tailLen > blockSize {
			return e, fmt.Errorf("inline data of %d bytes at %d", e.tailLen, pos)
		}
	case chunkBased:
		return e, e.locateChunks(head)
	default:
		return e, fmt.Errorf("unknown data layout %d", head.layout)
	}
	return e, nil
}

// locateChunks finds the list of a file's chunks. One that would cross into
// the next block is not behind the inode but somewhere in a block of its own.
func (e *extent) locateChunks(head *inodeHead) error {
	chunkBits := head.addr&0xffff + blockBits
	switch {
	case uint32(head.mode)&unix.S_IFMT != unix.S_IFREG || head.size == 0:
		return errors.New("list of chunks on what is no file with content")
	case chunkBits > maxChunkBits:
		return fmt.Errorf("unknown chunk format %#x", head.addr)
	case (head.size-1)>>chunkBits >= maxChunks:
		return fmt.Errorf("file of %d bytes in chunks of 1<<%d", head.size, chunkBits)
	}
	if length := 4 * ((head.size-1)>>chunkBits + 1); e.tail%blockSize+length <= blockSize {
		e.tailLen = length
	}
	return nil
}

// readContent reads what an inode is besides its attributes.
func (rd *reader) readContent(n *tree.Node, head *inodeHead, e *extent) error {
	switch n.Type() {
	case unix.S_IFDIR:
		return rd.claimBlocks(e)
	case unix.S_IFLNK:
		target, err := rd.readData(e, maxTarget)
		n.Target = string(target)
		return err
	case unix.S_IFREG:
		return rd.readFile(n, head, e)
	case unix.S_IFCHR, unix.S_IFBLK:
		n.Rdev = head.addr
	}
	if head.size != 0 {
		return fmt.Errorf("inode of mode %#o with %d bytes of content", head.mode, head.size)
	}
	return nil
}

func (rd *reader) readFile(n *tree.Node, head *inodeHead, e *extent) error {
	if head.size == 0 {
		return nil
	}
	n.File = &tree.File{Size: head.size}
	if head.layout == chunkBased {
		return rd.checkChunks(e)
	}
	data, err := rd.readData(e, maxInline)
	n.File.Inline = data
	return err
}

// checkChunks refuses files with content that overlayfs would not look at.
func (rd *reader) checkChunks(e *extent) error {
	list := grow(&rd.buf, e.tailLen)
	if err := rd.src.read(list, e.tail); err != nil {
		return err
	}
	for ; len(list) > 0; list = list[4:] {
		if le.Uint32(list) != nullAddr {
			return errors.New("file with chunks in the image")
		}
	}
	return nil
}

// claimBlocks takes the blocks of an inode.
func (rd *reader) claimBlocks(e *extent) error {
	if e.blockLen == 0 { // and blocks may be anything
		return nil
	}
	length := alignTo(e.blockLen, blockSize)
	if e.blockLen > rd.src.size || e.blocks > rd.src.size-length {
		return fmt.Errorf("%d bytes in blocks at %d are beyond the end, %d", e.blockLen, e.blocks, rd.src.size)
	}
	return rd.claims.take(e.blocks, e.blocks+length)
}

// readData returns all data of an inode, if that is no more than limit.
func (rd *reader) readData(e *extent, limit uint64) ([]byte, error) {
	if e.blockLen > limit || e.blockLen+e.tailLen > limit {
		return nil, fmt.Errorf("%d bytes of data in the image (%d are possible)", e.blockLen+e.tailLen, limit)
	}
	if err := rd.claimBlocks(e); err != nil {
		return nil, err
	}
	data := make([]byte, e.blockLen+e.tailLen)
	if err := rd.src.read(data[:e.blockLen], e.blocks); err != nil {
		return nil, err
	}
	return data, rd.src.read(data[e.blockLen:], e.tail)
}

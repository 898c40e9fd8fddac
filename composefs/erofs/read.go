package erofs

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/bootc-go/bootc/composefs/tree"
)

// Read reads an image of size bytes back into the tree it was made of: the
// overlayfs xattrs and the stubs of the root are undone, and names of one inode
// become one *Node. It knows the canonical image and what composefs-rs wrote
// before it, and refuses what is not well formed, however hostile. It does as
// much work as the image is large, and holds a small multiple of that.
//
// What it returns can be written again, and is read the same then.
func Read(r io.ReaderAt, size int64) (*tree.Node, error) {
	root, err := read(r, size)
	if err != nil {
		return nil, fmt.Errorf("cannot read the composefs image: %w", err)
	}
	return root, nil
}

// Objects returns the payload paths of the external files of a tree, such as
// Read returns, in byte order and each once.
func Objects(root *tree.Node) []string {
	var paths []string
	todo := []*tree.Node{root}
	for len(todo) > 0 {
		n := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if isExternal(n) && n.File.Payload != "" {
			paths = append(paths, n.File.Payload)
		}
		for _, child := range n.Children() {
			todo = append(todo, child)
		}
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

// reader is an image on the way to a tree.
type reader struct {
	src     source
	head    header
	super   superblock
	meta    uint64 // where nid 0 is
	claims  claims
	nodes   map[uint64]readNode // by nid
	queue   []openDir
	names   map[string]string   // of xattrs
	shared  map[uint32]rawXattr // by number
	sharing uint64              // bytes of shared xattrs read
	raw     []rawXattr          // memory of readBody
	body    []byte              // memory of readBody
	buf     []byte
}

// readNode is a node that was read, with its type in the image.
type readNode struct {
	*tree.Node
	ftype uint8
}

// openDir is a directory whose entries are not read yet.
type openDir struct {
	node        *tree.Node
	nid, parent uint64
	depth       int
	data        extent
}

func read(r io.ReaderAt, size int64) (*tree.Node, error) {
	rd := &reader{
		src:    source{r: r, size: uint64(max(size, 0))},
		claims: claims{pages: map[uint64]*[claimWords]uint64{}},
		nodes:  map[uint64]readNode{},
		names:  map[string]string{},
		shared: map[uint32]rawXattr{},
	}
	if err := rd.readSuper(); err != nil {
		return nil, err
	}
	nid := uint64(rd.super.rootNid)
	root, data, err := rd.readInode(nid)
	if err != nil {
		return nil, fmt.Errorf("root: %w", err)
	}
	if !root.IsDir() {
		return nil, errors.New("the root is not a directory")
	}
	rd.queue = []openDir{{root, nid, nid, 0, data}}
	for len(rd.queue) > 0 {
		dir := rd.queue[0]
		rd.queue = rd.queue[1:]
		if err := rd.readDir(&dir); err != nil {
			return nil, fmt.Errorf("directory at nid %d: %w", dir.nid, err)
		}
	}
	return root, nil
}

// readSuper reads what is before the inodes.
func (rd *reader) readSuper() error {
	var head [headSize]byte
	var super [superSize]byte
	if err := rd.src.read(head[:], 0); err != nil {
		return err
	}
	rd.head = parseHeader(&head)
	switch {
	case rd.head.magic != headMagic:
		return fmt.Errorf("no composefs header: magic number %#x", rd.head.magic)
	case rd.head.format != headFormat || rd.head.version > oldVersion:
		return fmt.Errorf("unknown version %d.%d", rd.head.format, rd.head.version)
	}
	if err := rd.src.read(super[:], superStart); err != nil {
		return err
	}
	rd.super = parseSuperblock(&super)
	return rd.checkSuper()
}

func (rd *reader) checkSuper() error {
	s := &rd.super
	size := uint64(s.blocks) * blockSize
	switch {
	case s.magic != superMagic:
		return fmt.Errorf("no EROFS superblock: magic number %#x", s.magic)
	case s.blockBits != blockBits:
		return fmt.Errorf("blocks of 1<<%d bytes", s.blockBits)
	case s.incompat&^featChunks != 0:
		return fmt.Errorf("unknown features %#x", s.incompat)
	case size > rd.src.size:
		return fmt.Errorf("%d blocks in %d bytes", s.blocks, rd.src.size)
	}
	rd.src.size = size
	rd.meta = uint64(s.metaBlock) * blockSize
	return rd.claims.take(0, inodeStart)
}

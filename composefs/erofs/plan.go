package erofs

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/tree"
)

// plan is an image before it is written: its inodes in the order of their
// numbers, which is breadth first, and where each of them will be. It looks at
// the tree through the rewriting for overlayfs ([plan.rewrite], [inode.mode]),
// which is thus never stored.
type plan struct {
	version   Version
	root      *tree.Node
	inodes    []inode
	links     linkSet
	shared    sharedXattrs
	hasACL    bool
	buildTime tree.Time

	inodesEnd  uint64 // where the table of shared xattrs is
	dataStart  uint64 // where the blocks are
	dataBlocks uint64

	shape   shape     // of the inode at hand
	xs      xattrList // of the inode at hand
	others  xattrList // of one that it is compared with
	entries []entry   // memory of list
}

// inode is a node with its place. There is one for every file of the tree, so
// it is kept small.
type inode struct {
	node   *tree.Node // nil is a stub
	nid    uint32
	first  uint32 // of a directory: index of the first inode that has its home there
	parent uint32 // index of the directory that is its home
	blocks uint32 // whole blocks of data
	front  uint32 // length of header and xattrs
	shared xattrSet
	tail   uint16 // length of what is behind those
	marks  marks
}

type marks uint8

const (
	hasWhiteouts marks = 1 << iota // the directory is the home of a whiteout
	hasLinks                       // some entry's inode has its home elsewhere
	isSymlink
	manyXattrs // more than xattrSet tells apart
)

// newPlan numbers, measures and places the inodes of the tree.
func newPlan(root *tree.Node, opts Options) (*plan, error) {
	s, err := takeSurvey(root)
	if err != nil {
		return nil, err
	}
	p := s.plan(root, opts)
	return p, p.build()
}

// plan returns a plan that is ready to be built.
func (s *survey) plan(root *tree.Node, opts Options) *plan {
	p := &plan{version: opts.Version, root: root, links: s.linkSet, buildTime: s.buildTime}
	if s.whiteouts {
		p.version = max(opts.Version, opts.MaxVersion)
	}
	p.inodes = make([]inode, 1, s.index.Len()+stubCount)
	p.inodes[0].node = root
	p.shared.init(s.xattrs + 2*stubCount)
	return p
}

func (p *plan) build() error {
	for i := 0; i < len(p.inodes); i++ {
		p.number(i)
	}
	p.shared.arrange()
	return p.place()
}

// number appends the inodes that have their home in inode i, if that is a
// directory, takes note of what concerns the whole image, and measures i.
func (p *plan) number(i int) {
	if n := p.inodes[i].node; n != nil && n.IsDir() {
		p.numberEntries(uint32(i))
	}
	p.rewrite(i, &p.xs)
	for k := range p.xs.list {
		name := p.xs.list[k].name
		p.hasACL = p.hasACL || name == xattrACLAccess || name == xattrACLDefault
	}
	p.measure(i)
	p.note(i)
}

// measure sets what place must know of inode i, whose xattrs are in p.xs and count
// as if none of them was shared.
func (p *plan) measure(i int) {
	in := &p.inodes[i]
	p.shapeOf(i, &p.shape)
	in.front, in.tail, in.blocks = uint32(p.shape.front()), uint16(p.shape.tail), p.shape.blocks
	if in.node != nil && in.node.IsSymlink() {
		in.marks |= isSymlink
	}
	if len(p.xs.list) > maxMarked {
		in.marks |= manyXattrs
	}
}

func (p *plan) numberEntries(dir uint32) {
	number, _ := p.links.index.Find(p.inodes[dir].node)
	first, marks := uint32(len(p.inodes)), marks(0)
	for _, child := range p.children(dir) {
		if l := p.links.link(child); l != nil {
			if l.home != uint32(number) || l.index != 0 {
				marks |= hasLinks
				continue
			}
			l.index = uint32(len(p.inodes))
		}
		if child != nil && child.IsWhiteout() {
			marks |= hasWhiteouts
		}
		p.inodes = append(p.inodes, inode{node: child, parent: dir})
	}
	p.inodes[dir].first, p.inodes[dir].marks = first, marks
}

// mode is st_mode as the image has it: a whiteout is an empty file there, and
// what has no node is a stub.
func mode(n *tree.Node) uint32 {
	switch {
	case n == nil:
		return unix.S_IFCHR | stubPerm
	case n.IsWhiteout():
		return unix.S_IFREG | n.Perm()
	}
	return n.Mode
}

// fileType is what directory entries say.
func fileType(mode uint32) uint8 {
	switch mode & unix.S_IFMT {
	case unix.S_IFREG:
		return ftRegular
	case unix.S_IFDIR:
		return ftDirectory
	case unix.S_IFCHR:
		return ftChar
	case unix.S_IFBLK:
		return ftBlock
	case unix.S_IFIFO:
		return ftFifo
	case unix.S_IFSOCK:
		return ftSocket
	}
	return ftSymlink
}

// place gives every inode its nid, and the parts of the image theirs.
func (p *plan) place() error {
	pos, blocks := uint64(inodeStart), uint64(0)
	for i := range p.inodes {
		in := &p.inodes[i]
		if in.marks&manyXattrs != 0 {
			p.remeasure(i)
		}
		pos = in.settle(alignTo(pos, slotSize))
		in.nid = uint32(pos / slotSize)
		pos += uint64(in.front) + uint64(in.tail)
		blocks += uint64(in.blocks)
	}
	end := alignTo(pos, slotSize)
	p.inodesEnd = end
	p.dataStart = alignTo(end+p.shared.size, blockSize)
	p.dataBlocks = blocks
	switch {
	case end > nidSpace:
		return fmt.Errorf("%d bytes of inodes (%d are possible)", end, nidSpace)
	case p.dataStart+blocks*blockSize >= addrSpace:
		return fmt.Errorf("image of %d bytes (%d are possible)", p.dataStart+blocks*blockSize, addrSpace)
	case p.inodes[0].nid > maxRootNid:
		return fmt.Errorf("internal error: root at nid %d", p.inodes[0].nid)
	}
	return nil
}

// remeasure finds the length of an inode that has so many xattrs that not all of
// those that are shared are marked.
func (p *plan) remeasure(i int) {
	p.rewrite(i, &p.xs)
	p.shared.mark(p.xs.list, p.inodes[i].shared)
	p.shapeOf(i, &p.shape)
	p.inodes[i].front = uint32(p.shape.front())
}

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
	links     map[*tree.Node]*link
	shared    sharedXattrs
	hasACL    bool
	buildTime tree.Time

	inodesEnd  uint64 // where the table of shared xattrs is
	dataStart  uint64 // where the blocks are
	dataBlocks uint64

	shape   shape     // of the inode at hand in layOut
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
	shared xattrSet
	marks  marks
}

type marks uint8

const (
	hasWhiteouts marks = 1 << iota // the directory is the home of a whiteout
	hasLinks                       // some entry's inode has its home elsewhere
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
	p := &plan{version: opts.Version, root: root, links: s.links, buildTime: root.Mtime}
	if s.whiteouts {
		p.version = max(opts.Version, opts.MaxVersion)
	}
	p.inodes = make([]inode, 1, s.nodes+stubCount)
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
// directory, and takes note of what concerns the whole image.
func (p *plan) number(i int) {
	if n := p.inodes[i].node; n != nil {
		if n.Mtime.Compare(p.buildTime) < 0 {
			p.buildTime = n.Mtime
		}
		if n.IsDir() {
			p.numberEntries(uint32(i))
		}
	}
	p.rewrite(i, &p.xs)
	for k := range p.xs.list {
		name := p.xs.list[k].name
		p.hasACL = p.hasACL || name == xattrACLAccess || name == xattrACLDefault
	}
	p.note(i)
}

func (p *plan) numberEntries(dir uint32) {
	node := p.inodes[dir].node
	first, marks := uint32(len(p.inodes)), marks(0)
	for _, child := range p.children(dir) {
		if l := p.links[child]; l != nil {
			if l.home != node || l.index != 0 {
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

// mode is st_mode as the image has it: a whiteout is an empty file there.
func (in *inode) mode() uint32 {
	switch {
	case in.node == nil:
		return unix.S_IFCHR | stubPerm
	case in.node.IsWhiteout():
		return unix.S_IFREG | in.node.Perm()
	}
	return in.node.Mode
}

// fileType is what directory entries say.
func (in *inode) fileType() uint8 { return fileType(in.mode()) }

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
	end, blocks := p.layOut(func(i int, pos uint64, s *shape) {
		p.inodes[i].nid = uint32(pos / slotSize)
		p.inodes[i].blocks = s.blocks
	})
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

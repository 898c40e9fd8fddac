package tree

import (
	"fmt"
	"math/rand/v2"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/verity"
)

// randomTree makes a tree with every kind of inode and with names, values and
// numbers at the edges of what a dump and an image can hold.
func randomTree(seed uint64) *Node {
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 17))}
	root := g.attributes(NewDir(0o755))
	g.fill(root, 0)
	SetLinks(root)
	return root
}

type generator struct {
	*rand.Rand
	leaves []*Node
}

func (g *generator) fill(dir *Node, depth int) {
	for range g.IntN(8) {
		name := g.name()
		switch {
		case g.IntN(4) == 0 && depth < 6:
			sub := g.attributes(NewDir(uint32(g.IntN(0o10000))))
			dir.SetChild(name, sub)
			g.fill(sub, depth+1)
		case g.IntN(6) == 0 && len(g.leaves) > 0:
			dir.SetChild(name, g.leaves[g.IntN(len(g.leaves))])
		default:
			leaf := g.attributes(g.leaf())
			g.leaves = append(g.leaves, leaf)
			dir.SetChild(name, leaf)
		}
	}
}

func (g *generator) name() string {
	b := make([]byte, 1+g.IntN(12))
	if g.IntN(30) == 0 {
		b = make([]byte, 255)
	}
	for i := range b {
		b[i] = "abcxyz-=\\ .\n\t\r\x01\x7f\xc3\xff"[g.IntN(18)]
	}
	if s := string(b); s != "." && s != ".." {
		return s
	}
	return "-"
}

func (g *generator) attributes(n *Node) *Node {
	n.UID, n.GID = g.number(), g.number()
	n.Mtime = Time{Sec: int64(g.number()) << g.IntN(8), Nsec: uint32(g.IntN(1_000_000_000))}
	for range g.IntN(3) {
		name := []string{"user.a=b", "security.selinux", "trusted.x y", "trusted.overlay.y", "user.-"}[g.IntN(5)]
		value := []string{"", "-", "a=b\x00", "\xff\\", "label"}[g.IntN(5)]
		n.SetXattr(name, []byte(value))
	}
	return n
}

func (g *generator) number() uint32 {
	return []uint32{0, 1, 1000, 65535, 65536, 1<<32 - 1, g.Uint32()}[g.IntN(7)]
}

func (g *generator) leaf() *Node {
	perm := uint32(g.IntN(0o10000))
	switch g.IntN(9) {
	case 0:
		return &Node{Mode: unix.S_IFLNK | 0o777, Target: []string{"-", "../a b", "/\xfe"}[g.IntN(3)]}
	case 1:
		return &Node{Mode: unix.S_IFCHR | perm, Rdev: g.number()}
	case 2:
		return &Node{Mode: unix.S_IFBLK | perm, Rdev: g.number()}
	case 3:
		return &Node{Mode: unix.S_IFIFO | perm}
	case 4:
		return &Node{Mode: unix.S_IFSOCK | perm}
	case 5:
		return &Node{Mode: unix.S_IFREG | perm}
	}
	return &Node{Mode: unix.S_IFREG | perm, File: g.file()}
}

func (g *generator) file() *File {
	if g.IntN(2) == 0 {
		content := []byte("-")
		if g.IntN(2) == 0 {
			content = make([]byte, 1+g.IntN(5000))
			for i := range content {
				content[i] = byte(g.Uint32())
			}
		}
		return &File{Size: uint64(len(content)), Inline: content}
	}
	f := &File{Size: 1 + g.Uint64N(1<<53)>>g.IntN(53)}
	if g.IntN(4) > 0 {
		f.Digest = verity.Sum(verity.SHA256, fmt.Append(nil, g.Uint64()))
		f.Payload = f.Digest.ObjectPath()
	}
	return f
}

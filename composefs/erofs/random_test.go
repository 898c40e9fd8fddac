package erofs

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/tree"
	"github.com/bootc-go/bootc/composefs/verity"
)

// gen makes random trees that lean towards the places where the format has
// corners: block boundaries, shared xattrs, links across directories.
type gen struct {
	*rand.Rand
	files []*tree.Node // that more names may be given to
	dirs  []*tree.Node
	times []tree.Time
	pool  []tree.Xattr
}

func randomTree(seed uint64) *tree.Node {
	g := &gen{Rand: rand.New(rand.NewPCG(seed, 17))}
	for range 1 + g.IntN(4) {
		g.times = append(g.times, tree.Time{Sec: g.Int64N(1 << 33), Nsec: uint32(g.IntN(2) * g.IntN(1e9))})
	}
	for range 2 + g.IntN(10) {
		g.pool = append(g.pool, tree.Xattr{Name: g.xattrName(), Value: []byte(g.text(g.size()))})
	}
	root := g.attributes(tree.NewDir(0o755))
	g.dirs = []*tree.Node{root}
	for range g.IntN(12) {
		g.addDir()
	}
	for range []int{3, 30, 30, 300, 1500}[g.IntN(5)] {
		g.addFile()
	}
	for range g.IntN(8) {
		g.addLink()
	}
	setDirLinks(root)
	return root
}

func (g *gen) addDir() {
	dir := g.attributes(tree.NewDir(uint32(g.IntN(0o10000))))
	g.dirs[g.IntN(len(g.dirs))].SetChild(g.name(), dir)
	g.dirs = reachable(g.dirs[0])
}

// reachable is every directory of the tree: a new one may stand where another
// was.
func reachable(dir *tree.Node) []*tree.Node {
	all := []*tree.Node{dir}
	for _, child := range dir.Children() {
		if child.IsDir() {
			all = append(all, reachable(child)...)
		}
	}
	return all
}

// place puts a file under a free name.
func (g *gen) place(n *tree.Node) {
	dir, name := g.dirs[g.IntN(len(g.dirs))], g.name()
	if dir.Child(name) == nil {
		dir.SetChild(name, n)
	}
}

func (g *gen) addFile() {
	n := g.file()
	g.place(n)
	g.files = append(g.files, n)
}

func (g *gen) addLink() {
	if len(g.files) > 0 {
		n := g.files[g.IntN(len(g.files))]
		n.Nlink++
		g.place(n)
	}
}

func (g *gen) file() *tree.Node {
	perm := uint32(g.IntN(0o10000))
	var n *tree.Node
	switch g.IntN(12) {
	case 0, 1:
		n = symlink(g.text(1 + g.IntN([]int{20, 20, 300, 4095}[g.IntN(4)])))
	case 2:
		n = whiteout()
	case 3:
		n = device([]uint32{unix.S_IFBLK, unix.S_IFCHR}[g.IntN(2)]|perm, g.Uint32())
	case 4:
		n = node([]uint32{unix.S_IFIFO, unix.S_IFSOCK}[g.IntN(2)] | perm)
	case 5, 6, 7:
		n = inlineMode(g.text(g.size()%5001), perm)
	default:
		n = g.external()
	}
	return g.attributes(n)
}

func (g *gen) external() *tree.Node {
	size := 1 + g.Uint64N(1<<[]int{13, 20, 33, 44, 53}[g.IntN(5)])
	n := external(size, fmt.Sprint(g.IntN(200)))
	if g.IntN(8) == 0 {
		n.File.Digest = verity.Digest{}
	}
	if g.IntN(20) == 0 {
		n.File.Payload = g.name()
	}
	return n
}

func (g *gen) attributes(n *tree.Node) *tree.Node {
	n.Mtime = g.times[g.IntN(len(g.times))]
	n.Nlink = 1
	if g.IntN(6) == 0 {
		n.UID, n.GID = g.Uint32N(70000), g.Uint32N(70000)
	}
	if g.IntN(40) == 0 {
		n.Nlink = g.Uint32N(70000)
	}
	for range g.IntN(5) {
		if x := g.pool[g.IntN(len(g.pool))]; g.IntN(3) > 0 {
			n.SetXattr(x.Name, x.Value)
		}
	}
	if g.IntN(8) == 0 {
		n.SetXattr(g.xattrName(), []byte(g.text(g.size())))
	}
	return n
}

// xattrName leaves out what mkcomposefs itself cannot tell from its own
// xattrs (docs/reference/formats/erofs.md, "Where others differ").
func (g *gen) xattrName() string {
	prefix := []string{
		"user.", "user.", "trusted.", "security.", "system.posix_acl_access", "system.posix_acl_default",
		"trusted.overlay.", "trusted.overlay.overlay.", "lustre.", "odd.",
	}[g.IntN(10)]
	suffix := []string{"", "selinux", "x", "a.b", "metacopy", "redirect", "origin", g.name()}[g.IntN(8)]
	return (prefix + suffix)[:min(len(prefix+suffix), 255)]
}

// size is mostly small, and often near a border.
func (g *gen) size() int {
	switch g.IntN(10) {
	case 0:
		return 4096 - g.IntN(200)
	case 1:
		return 2048 - 20 + g.IntN(40)
	case 2:
		return g.IntN(5000)
	}
	return g.IntN(70)
}

func (g *gen) name() string {
	switch g.IntN(12) {
	case 0:
		return stubName(g.IntN(256))
	case 1:
		return strings.Repeat("n", 1+g.IntN(255))
	case 2:
		b := make([]byte, 1+g.IntN(20))
		for i := range b {
			b[i] = byte(1 + g.IntN(255))
		}
		if s := strings.ReplaceAll(string(b), "/", "-"); s != "." && s != ".." {
			return s
		}
	}
	return fmt.Sprintf("%.*s-%d", g.IntN(60), "a-name-that-may-be-long-or-short-and-fills-a-block-of-entries", g.IntN(1<<20))
}

func (g *gen) text(n int) string { return text(n + 26)[g.IntN(26):][:n] }

// TestRandomTrees is the same comparison as that of the cases, for whatever a
// seed makes.
func TestRandomTrees(t *testing.T) {
	t.Parallel()
	count := uint64(600)
	if testing.Short() {
		count = 60
	}
	for seed := range count {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			root := randomTree(seed)
			img := oracles[seed%uint64(len(oracles))].same(t, root)
			sameTree(t, readImage(t, img), root)
			if seed%10 == 0 {
				fsck(t, img)
			}
		})
	}
}

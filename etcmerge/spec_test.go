package etcmerge

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/tree"
)

// A spec is an inode in a few characters:
//
//   - nothing
//     A B C …  a regular file with that content, mode 644
//     A!       with mode 600
//     A*       with the extended attribute user.k=v
//     A^s      with the label s, one letter
//     L M N    symbolic links to that
//     F D S    a fifo, a device, a socket
//     {f:A g:{h:B}}  a directory, mode 755, and what is in it
//     !{f:A}         with mode 700
//
// Times are those of the tree that it stands in.
type spec string

// parse makes the inode, whose mtime is in seconds.
func (s spec) parse(mtime int64) *tree.Node {
	p := &specParser{text: string(s), mtime: tree.Time{Sec: mtime}}
	n := p.inode()
	if p.text != "" {
		panic(fmt.Sprintf("spec %q: %q is left over", s, p.text))
	}
	if n != nil && n.IsDir() {
		tree.SetLinks(n)
	}
	return n
}

type specParser struct {
	text  string
	mtime tree.Time
}

func (p *specParser) take(prefix string) bool {
	rest, ok := strings.CutPrefix(p.text, prefix)
	p.text = rest
	return ok
}

func (p *specParser) inode() *tree.Node {
	n := &tree.Node{Mtime: p.mtime, Nlink: 1}
	if p.take(">") {
		n.Mtime.Sec = currentTime
	}
	private := p.take("!")
	switch {
	case p.take("-"):
		return nil
	case p.take("{"):
		n.Mode = unix.S_IFDIR | 0o755
		p.entries(n)
	case strings.IndexAny(p.text, "LMN") == 0:
		n.Mode, n.Target = unix.S_IFLNK|0o777, p.text[:1]
		p.text = p.text[1:]
	case p.take("F"):
		n.Mode = unix.S_IFIFO | 0o644
	case p.take("D"):
		n.Mode, n.Rdev = unix.S_IFCHR|0o644, uint32(unix.Mkdev(1, 3))
	case p.take("S"):
		n.Mode = unix.S_IFSOCK | 0o644
	default:
		n.Mode, n.File = unix.S_IFREG|0o644, &tree.File{Size: 1, Inline: []byte(p.text[:1])}
		p.text = p.text[1:]
	}
	p.attributes(n, private)
	return n
}

func (p *specParser) attributes(n *tree.Node, private bool) {
	if p.take("!") || private {
		n.Mode &^= 0o077
	}
	if p.take("*") {
		n.SetXattr("user.k", []byte("v"))
	}
	if p.take("^") {
		n.SetXattr(labelXattr, []byte(p.text[:1]))
		p.text = p.text[1:]
	}
}

func (p *specParser) entries(dir *tree.Node) {
	for !p.take("}") {
		p.take(" ")
		name, rest, ok := strings.Cut(p.text, ":")
		if !ok {
			panic("spec: no name in " + p.text)
		}
		p.text = rest
		if n := p.inode(); n != nil {
			dir.SetChild(name, n)
		}
		p.take(" ")
	}
}

// materialize makes the inode n at path, which must not exist, but for a
// directory, which may. Names of one node become names of one inode.
func materialize(t testing.TB, path string, n *tree.Node) {
	t.Helper()
	makeInode(t, path, n, map[*tree.Node]string{})
}

func makeInode(t testing.TB, path string, n *tree.Node, seen map[*tree.Node]string) {
	t.Helper()
	if first, ok := seen[n]; ok {
		must(t, os.Link(first, path))
		return
	}
	switch {
	case n.IsDir():
		if err := os.Mkdir(path, 0o700); !os.IsExist(err) {
			must(t, err)
		}
		for name, c := range n.Children() {
			makeInode(t, filepath.Join(path, name), c, seen)
		}
	case n.IsSymlink():
		must(t, os.Symlink(n.Target, path))
	case n.IsRegular():
		var data []byte
		if n.File != nil {
			data = n.File.Inline
		}
		must(t, os.WriteFile(path, data, 0o600))
	default:
		must(t, unix.Mknod(path, n.Type()|0o600, int(n.Rdev)))
	}
	if !n.IsDir() {
		seen[n] = path
	}
	must(t, os.Lchown(path, int(n.UID), int(n.GID)))
	for _, x := range n.Xattrs {
		must(t, unix.Lsetxattr(path, x.Name, x.Value, 0))
	}
	if !n.IsSymlink() {
		must(t, unix.Chmod(path, n.Perm()))
	}
	stamp(t, path, n.Mtime)
}

func stamp(t testing.TB, path string, mtime tree.Time) {
	t.Helper()
	ts := unix.Timespec{Sec: mtime.Sec, Nsec: int64(mtime.Nsec)}
	must(t, unix.UtimesNanoAt(unix.AT_FDCWD, path, []unix.Timespec{ts, ts}, unix.AT_SYMLINK_NOFOLLOW))
}

// must fails the test for a preparation that did not work; most need root.
func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%v (this test needs root)", err)
	}
}

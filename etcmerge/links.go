package etcmerge

import (
	"github.com/bootc-go/bootc/composefs/tree"
)

// links keeps what is known of inodes of current with several names, so that
// the names of one inode stay names of one.
type links struct {
	result  map[*tree.Node]*tree.Node // inode of current: the inode of the result
	sources map[*tree.Node]string     // inode of the result: its path in current
	stays   map[*tree.Node]string     // inode of new: a path where it stays
	same    map[*tree.Node]*tree.Node // inode of current: the inode of new that replaces it
}

func newLinks() links {
	return links{map[*tree.Node]*tree.Node{}, map[*tree.Node]string{}, map[*tree.Node]string{}, map[*tree.Node]*tree.Node{}}
}

// taken records that the inode c, at path, is got in the result.
func (l *links) taken(path string, c, got *tree.Node) {
	l.result[c], l.sources[got] = got, path
}

func (l *links) takenBefore(c *tree.Node) *tree.Node { return l.result[c] }

// untouched records that n, which may be nil, takes the place of c.
func (l *links) untouched(path string, c, n *tree.Node) {
	if n == nil || n.IsDir() || c.Nlink < 2 || differs(c, n) != 0 {
		return
	}
	if _, ok := l.same[c]; !ok {
		l.same[c], l.stays[n] = n, path
	}
}

// join makes names of an inode of current names of one inode of the result
// again: where one of them follows the new image, which changes nothing but the
// inode, a name that was added here must, too.
func (l *links) join(dir *tree.Node) {
	if len(l.same) == 0 {
		return
	}
	replace := map[*tree.Node]*tree.Node{}
	for c, n := range l.same {
		if got := l.result[c]; got != nil {
			replace[got] = n
		}
	}
	if len(replace) > 0 {
		relink(dir, replace)
	}
}

// relink replaces inodes below dir.
func relink(dir *tree.Node, replace map[*tree.Node]*tree.Node) {
	for name, n := range dir.Children() {
		switch other := replace[n]; {
		case other != nil:
			dir.SetChild(name, other)
		case n.IsDir():
			relink(n, replace)
		}
	}
}

package erofs

import (
	"errors"
	"fmt"
	"strings"

	"github.com/bootc-go/bootc/composefs/tree"
)

// link is an inode with several names.
type link struct {
	home  uint32 // number of the directory of its first name, depth first
	index uint32 // its place in plan.inodes, once it has one
}

// survey is the first walk over a tree: it refuses what cannot be written and
// finds what must be known before inodes can be numbered.
type survey struct {
	linkSet
	homes     []uint32  // the directories of the inodes' first names, all by number
	xattrs    int       // an upper bound of their number
	whiteouts bool      // there is one
	buildTime tree.Time // the earliest of the inodes'
	path      []string  // names on the way from the root
}

// linkSet knows the inodes with several names.
type linkSet struct {
	index tree.Index
	links []*link // by number in index, no longer than need be
}

// link returns what there is to know about an inode with several names, nil for
// all others.
func (l *linkSet) link(n *tree.Node) *link {
	if len(l.links) == 0 || n == nil {
		return nil
	}
	if i, known := l.index.Find(n); known && i < len(l.links) {
		return l.links[i]
	}
	return nil
}

func takeSurvey(root *tree.Node) (*survey, error) {
	s := &survey{buildTime: root.Mtime}
	err := errors.New("not a directory")
	if root.IsDir() {
		err = s.visit(root, 0)
	}
	if err != nil {
		return nil, fmt.Errorf("/%s: %w", strings.Join(s.path, "/"), err)
	}
	return s, nil
}

// visit looks at the inode n, an entry of the directory with the number parent,
// and all below. If it returns an error, s.path leads to what is wrong.
func (s *survey) visit(n *tree.Node, parent uint32) error {
	number, known := s.index.Add(n)
	if known {
		return s.again(n, number)
	}
	if err := checkNode(n); err != nil {
		return err
	}
	s.homes = append(s.homes, parent)
	if n.Mtime.Compare(s.buildTime) < 0 {
		s.buildTime = n.Mtime
	}
	s.xattrs += len(n.Xattrs) + 2
	if n.IsWhiteout() {
		s.whiteouts = true
		s.xattrs += 4 // of the directory
	}
	if !n.IsDir() {
		return nil
	}
	if len(s.path) >= maxDepth {
		return fmt.Errorf("more than %d directories deep", maxDepth)
	}
	return s.visitEntries(n, uint32(number))
}

func (s *survey) visitEntries(dir *tree.Node, number uint32) error {
	for name, child := range dir.Children() {
		s.path = append(s.path, name)
		if err := checkName(name); err != nil {
			return err
		}
		if err := s.visit(child, number); err != nil {
			return err
		}
		s.path = s.path[:len(s.path)-1]
	}
	return nil
}

// again notes one more name of an inode.
func (s *survey) again(n *tree.Node, number int) error {
	if n.IsDir() {
		return errors.New("directory under two names")
	}
	if number >= len(s.links) {
		s.links = append(s.links, make([]*link, number+1-len(s.links))...)
	}
	if s.links[number] == nil {
		s.links[number] = &link{home: s.homes[number]}
	}
	return nil
}

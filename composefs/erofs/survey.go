package erofs

import (
	"errors"
	"fmt"
	"strings"

	"github.com/bootc-go/bootc/composefs/tree"
)

// link is an inode with several names.
type link struct {
	home  *tree.Node // the directory of its first name, depth first
	index uint32     // its place in plan.inodes, once it has one
}

// survey is the first walk over a tree: it refuses what cannot be written and
// finds what must be known before inodes can be numbered.
type survey struct {
	nodes     int
	xattrs    int                       // an upper bound of their number
	whiteouts bool                      // there is one
	links     map[*tree.Node]*link      // the inodes with several names
	homes     map[*tree.Node]*tree.Node // inode to the directory of its first name
	path      []string                  // names on the way from the root
}

func takeSurvey(root *tree.Node) (*survey, error) {
	s := &survey{links: map[*tree.Node]*link{}, homes: map[*tree.Node]*tree.Node{}}
	err := errors.New("not a directory")
	if root.IsDir() {
		err = s.visit(root, nil)
	}
	if err != nil {
		return nil, fmt.Errorf("/%s: %w", strings.Join(s.path, "/"), err)
	}
	return s, nil
}

// visit looks at the inode n, an entry of the directory parent, and all below.
// If it returns an error, s.path leads to what is wrong.
func (s *survey) visit(n, parent *tree.Node) error {
	if home, ok := s.homes[n]; ok {
		return s.again(n, home)
	}
	if err := checkNode(n); err != nil {
		return err
	}
	s.homes[n] = parent
	s.nodes++
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
	return s.visitEntries(n)
}

func (s *survey) visitEntries(dir *tree.Node) error {
	for name, child := range dir.Children() {
		s.path = append(s.path, name)
		if err := checkName(name); err != nil {
			return err
		}
		if err := s.visit(child, dir); err != nil {
			return err
		}
		s.path = s.path[:len(s.path)-1]
	}
	return nil
}

// again notes one more name of an inode.
func (s *survey) again(n, home *tree.Node) error {
	if n.IsDir() {
		return errors.New("directory under two names")
	}
	if s.links[n] == nil {
		s.links[n] = &link{home: home}
	}
	return nil
}

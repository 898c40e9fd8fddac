package tree

import (
	"bytes"
	"errors"
	"fmt"
)

// checkPath wants a path to be absolute, of bearable length, and without empty
// names, "." and "..".
func checkPath(path []byte) error {
	switch {
	case len(path) == 0 || path[0] != '/':
		return fmt.Errorf("%q is not absolute", shorten(path))
	case len(path) > maxPath:
		return fmt.Errorf("%q has more than %d bytes", shorten(path), maxPath)
	case len(path) == 1:
		return nil
	}
	for rest, more := path[1:], true; more; {
		var name []byte
		name, rest, more = bytes.Cut(rest, []byte{'/'})
		if err := checkName(name); err != nil {
			return fmt.Errorf("%q: %w", shorten(path), err)
		}
	}
	return nil
}

func checkName(name []byte) error {
	switch {
	case len(name) == 0:
		return errors.New("an empty name")
	case len(name) > maxName:
		return fmt.Errorf("a name of more than %d bytes", maxName)
	case len(name) <= 2 && (string(name) == "." || string(name) == ".."):
		return errors.New(`"." and ".." are no names`)
	case bytes.IndexByte(name, 0) >= 0:
		return errors.New("a NUL byte")
	case bytes.IndexByte(name, '/') >= 0: // possible in a tree, not in a path
		return errors.New("a slash in a name")
	}
	return nil
}

func shorten(b []byte) []byte {
	if len(b) > 300 {
		return append(b[:300:300], "..."...)
	}
	return b
}

// position is a directory in a tree that is being read, with its ancestors:
// most lines of a dump belong to the directory of the line before.
type position struct {
	path  []byte // of the directory, "" for the root
	ends  []int  // where in path each of the nodes ends
	nodes []*Node
}

func (p *position) reset(root *Node) {
	p.path, p.ends, p.nodes = p.path[:0], []int{0}, []*Node{root}
}

// move goes to the directory at path, which has no final slash.
func (p *position) move(path []byte) (*Node, error) {
	if !bytes.Equal(path, p.path) {
		p.ascend(path)
		if err := p.descend(path); err != nil {
			return nil, err
		}
	}
	return p.nodes[len(p.nodes)-1], nil
}

// ascend goes up to the last directory that is on the way to path.
func (p *position) ascend(path []byte) {
	common := 0
	for common < len(path) && common < len(p.path) && path[common] == p.path[common] {
		common++
	}
	top := len(p.ends) - 1
	for end := p.ends[top]; end > common || end < len(path) && path[end] != '/'; end = p.ends[top] {
		top--
	}
	p.ends, p.nodes = p.ends[:top+1], p.nodes[:top+1]
	p.path = p.path[:p.ends[top]]
}

// descend goes down to path, of which p.path is the beginning.
func (p *position) descend(path []byte) error {
	for len(p.path) < len(path) {
		start := len(p.path) + 1
		end := len(path)
		if i := bytes.IndexByte(path[start:], '/'); i >= 0 {
			end = start + i
		}
		dir := p.nodes[len(p.nodes)-1].Child(string(path[start:end]))
		switch {
		case dir == nil:
			return fmt.Errorf("its directory %q is missing", path[:end])
		case !dir.IsDir():
			return fmt.Errorf("%q is not a directory", path[:end])
		}
		p.path = append(p.path, path[len(p.path):end]...)
		p.ends, p.nodes = append(p.ends, end), append(p.nodes, dir)
	}
	return nil
}

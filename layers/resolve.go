package layers

import (
	"errors"
	"fmt"
	"strings"

	"github.com/bootc-go/bootc/composefs/tree"
)

// maxLinks is how many symbolic links Linux follows on the way to a file
// (path_resolution(7)): nothing below more of them could ever be opened.
const maxLinks = 40

// maxDepth is how deep a directory may be. No path of PATH_MAX bytes leads
// deeper, and symbolic links could pile paths upon each other without end.
const maxDepth = 2048

// errNotFound is that a path does not lead to anything.
var errNotFound = errors.New("there is no such file")

// frame is a directory on the way to another one. One that does not exist yet
// has no node.
type frame struct {
	name string
	node *tree.Node
}

// resolver walks paths below a root, which it cannot leave: ".." at the root
// stays there, and an absolute symbolic link begins there.
type resolver struct {
	root  *tree.Node
	stack []frame // from the root down to where the walk is
	left  int64   // of maxWalked
}

// spend charges for n bytes of path. A few links with long targets would
// otherwise make each entry cost a thousand times what its own path does.
func (r *resolver) spend(n int) error {
	if r.left -= int64(n); r.left < 0 {
		return unsupported("symbolic links that lead over paths of more than %d bytes are not supported", maxWalked)
	}
	return nil
}

// direct returns the directory at a clean path if no symbolic link and nothing
// missing is on the way to it, which is what most paths are like. Otherwise it
// returns nil.
func (r *resolver) direct(path string) *tree.Node {
	n := r.root
	for path != "" && n != nil {
		var name string
		name, path, _ = strings.Cut(path, "/")
		if n = n.Child(name); n != nil && !n.IsDir() {
			return nil
		}
	}
	return n
}

// lookup returns the directory at a clean path, following symbolic links. It is
// errNotFound if it does not exist.
func (r *resolver) lookup(path string) (*tree.Node, error) {
	if n := r.direct(path); n != nil {
		return n, nil
	}
	if err := r.walk(path, nil); err != nil {
		return nil, err
	}
	n := r.stack[len(r.stack)-1].node
	if n == nil {
		return nil, errNotFound
	}
	return n, nil
}

// walk follows path and leaves the way to it in r.stack. What does not exist is
// taken for a directory that is yet to be made, so a ".." behind it only takes
// it back. The function barred, if given, is asked before a symbolic link that
// path itself names, by path up to it, is followed: if it says so, the walk ends
// with errNotFound.
func (r *resolver) walk(path string, barred func(string) bool) error {
	r.stack = append(r.stack[:0], frame{"", r.root})
	own := len(path) // what is left of path itself, at the end of todo
	for todo, links := path, 0; todo != ""; {
		mine := len(todo) <= own
		name, rest, _ := strings.Cut(todo, "/")
		todo = rest
		child, err := r.enter(name)
		if err != nil {
			return err
		}
		if child == nil { // entered
			continue
		}
		if mine {
			own = len(rest)
			if barred != nil && barred(strings.TrimSuffix(path[:len(path)-len(rest)], "/")) {
				return errNotFound
			}
		}
		if links++; links > maxLinks {
			return errors.New("too many levels of symbolic links")
		}
		if strings.HasPrefix(child.Target, "/") {
			r.stack = r.stack[:1]
		}
		todo = child.Target + "/" + rest
		if err := r.spend(len(todo)); err != nil {
			return err
		}
	}
	return nil
}

// enter takes one step, unless it is over a symbolic link, which it returns.
func (r *resolver) enter(name string) (link *tree.Node, err error) {
	top := r.stack[len(r.stack)-1]
	var child *tree.Node
	switch name {
	case "", ".":
		return nil, nil
	case "..":
		r.stack = r.stack[:max(len(r.stack)-1, 1)]
		return nil, nil
	}
	if top.node != nil {
		child = top.node.Child(name)
	}
	if child != nil && child.IsSymlink() {
		return child, nil
	}
	if child != nil && !child.IsDir() {
		return nil, fmt.Errorf("%q is not a directory", r.where(name))
	}
	if len(r.stack) > maxDepth {
		return nil, unsupported("directories nested more than %d deep are not supported", maxDepth)
	}
	r.stack = append(r.stack, frame{name, child})
	return nil, nil
}

// where is the path of name in the directory where the walk is.
func (r *resolver) where(name string) string {
	var b strings.Builder
	for _, f := range r.stack[1:] {
		b.WriteString(f.name + "/")
	}
	return b.String() + name
}

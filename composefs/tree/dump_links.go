package tree

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// hardLink is a further name of an inode whose line may come later. Until then
// a node without a type holds its place.
type hardLink struct {
	line   int
	node   *Node // holds the place
	dir    *Node
	name   string
	target string
	state  linkState
}

type linkState uint8

const (
	unresolved linkState = iota
	resolving
	resolved
)

// hardLink reads the fields behind the '@' of the mode. Only the type and the
// target count, as composefs-dump(5) says; all else is that of the target.
func (d *dumpReader) hardLink(mode []byte, f *fields) (*Node, error) {
	p := &numbers{}
	if t := p.octal("mode", mode) & unix.S_IFMT; p.err == nil && (t == unix.S_IFDIR || !knownType(t)) {
		return nil, fmt.Errorf("mode @%s is none that a hard link can have", mode)
	}
	for range 5 { // nlink, uid, gid, rdev, mtime
		f.next()
	}
	payload := f.next()
	if p.err != nil {
		return nil, p.err
	}
	if len(payload) == 0 || optional(payload) == nil {
		return nil, errors.New("hard link without a target")
	}
	target, err := unescape(d.scratch, payload)
	if err == nil {
		err = checkPath(target)
	}
	if err != nil {
		return nil, fmt.Errorf("target: %w", err)
	}
	l := &hardLink{line: d.lineNo, node: &Node{}, target: string(target)}
	d.links = append(d.links, l)
	return l.node, nil
}

func knownType(t uint32) bool {
	switch t {
	case unix.S_IFREG, unix.S_IFDIR, unix.S_IFLNK, unix.S_IFCHR, unix.S_IFBLK, unix.S_IFIFO, unix.S_IFSOCK:
		return true
	}
	return false
}

// resolveLinks puts the targets in place of what holds their places.
func (d *dumpReader) resolveLinks() error {
	if len(d.links) == 0 {
		return nil
	}
	byNode := make(map[*Node]*hardLink, len(d.links))
	for _, l := range d.links {
		byNode[l.node] = l
	}
	for _, l := range d.links {
		if err := d.resolve(l, byNode); err != nil {
			return err
		}
	}
	return nil
}

// resolve follows the chain of links that l begins, and resolves all of it.
func (d *dumpReader) resolve(l *hardLink, byNode map[*Node]*hardLink) error {
	var chain []*hardLink
	var end *Node
	for ; l != nil; l = byNode[end] {
		if l.state == resolved {
			end = l.node
			break
		}
		if l.state == resolving {
			return fmt.Errorf("line %d: hard link to itself: %q", l.line, shorten([]byte(l.target)))
		}
		l.state = resolving
		chain = append(chain, l)
		end = Lookup(d.root, l.target)
		if end == nil || end.IsDir() {
			return fmt.Errorf("line %d: hard link to %q: %w", l.line, shorten([]byte(l.target)), badTarget(end))
		}
	}
	for _, l := range chain {
		l.state, l.node = resolved, end
		l.dir.SetChild(l.name, end)
	}
	return nil
}

func badTarget(n *Node) error {
	if n == nil {
		return errors.New("no such file")
	}
	return errors.New("is a directory")
}

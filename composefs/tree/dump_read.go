package tree

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// ReadDump reads the text form of a file system, composefs-dump(5), strictly:
// what mkcomposefs and composefs-rs would read differently is refused, with the
// number of the line. The format is described in
// docs/reference/formats/dump.md. Memory is bounded by a small multiple of what
// r really yields.
func ReadDump(r io.Reader) (*Node, error) {
	d := &dumpReader{in: bufio.NewReaderSize(r, maxLine), path: make([]byte, maxLine), scratch: make([]byte, maxLine)}
	root, err := d.read()
	if err != nil {
		return nil, fmt.Errorf("cannot read dump: %w", err)
	}
	return root, nil
}

// dumpReader is a dump on its way to a tree.
type dumpReader struct {
	in      *bufio.Reader
	lineNo  int
	path    []byte // unescaped path of the current line
	scratch []byte // for what else is unescaped

	root  *Node
	at    position
	links []*hardLink

	arena  arena
	nodes  slab[Node]
	files  slab[File]
	xattrs slab[Xattr]
	xs     []Xattr // of the current line
}

func (d *dumpReader) read() (*Node, error) {
	for {
		text, err := d.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = d.line(text)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", d.lineNo, err)
		}
	}
	if d.root == nil {
		return nil, errors.New("no files in it")
	}
	if err := d.resolveLinks(); err != nil {
		return nil, err
	}
	return d.root, nil
}

// next returns the next line without its newline, valid until the one after.
// The last line may lack the newline.
func (d *dumpReader) next() ([]byte, error) {
	text, err := d.in.ReadSlice('\n')
	if len(text) > 0 || err == nil {
		d.lineNo++
	}
	switch {
	case err == nil:
		return text[:len(text)-1], nil
	case errors.Is(err, io.EOF) && len(text) > 0:
		return text, nil
	case errors.Is(err, bufio.ErrBufferFull):
		return nil, fmt.Errorf("longer than %d bytes", maxLine)
	}
	return nil, err
}

// line adds what one line describes.
func (d *dumpReader) line(text []byte) error {
	f := &fields{rest: text, left: len(text) > 0}
	path, err := unescape(d.path, f.next())
	if err == nil {
		err = checkPath(path)
	}
	if err != nil {
		return fmt.Errorf("path: %w", err)
	}
	n, err := d.inode(f)
	if err != nil {
		return fmt.Errorf("%q: %w", path, err)
	}
	if err := d.place(path, n); err != nil {
		return fmt.Errorf("%q: %w", path, err)
	}
	return nil
}

// place makes n the inode at path, whose directory an earlier line described.
func (d *dumpReader) place(path []byte, n *Node) error {
	if len(path) == 1 {
		return d.setRoot(n)
	}
	if d.root == nil {
		return errors.New("comes before the root directory")
	}
	slash := bytes.LastIndexByte(path, '/')
	parent, err := d.at.move(path[:slash])
	if err != nil {
		return err
	}
	name := d.arena.string(path[slash+1:])
	if parent.Child(name) != nil {
		return errors.New("is there already")
	}
	parent.SetChild(name, n)
	if len(d.links) > 0 && d.links[len(d.links)-1].node == n {
		d.links[len(d.links)-1].dir, d.links[len(d.links)-1].name = parent, name
	}
	return nil
}

func (d *dumpReader) setRoot(n *Node) error {
	switch {
	case d.root != nil:
		return errors.New("a second root directory")
	case !n.IsDir():
		return errors.New("the root is not a directory")
	}
	d.root = n
	d.at.reset(n)
	return nil
}

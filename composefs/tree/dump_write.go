package tree

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// WriteDump writes the text form of the tree, one line a name in the order of
// [Walk], as composefs-rs does: directories have size 0, the first name of an
// inode stands for it and all later ones are hard links to that one. Link
// counts are those of the nodes; see [SetLinks].
func WriteDump(w io.Writer, root *Node) error {
	d := &dumpWriter{out: bufio.NewWriterSize(w, 64<<10), first: sharedNodes(root)}
	err := d.write(root)
	if err == nil {
		err = d.out.Flush()
	}
	if err != nil {
		return fmt.Errorf("cannot write dump: %w", err)
	}
	return nil
}

// sharedNodes is the inodes that have several names, each without a path.
func sharedNodes(root *Node) map[*Node]string {
	shared := map[*Node]string{}
	seen := map[*Node]struct{}{}
	var visit func(*Node)
	visit = func(dir *Node) {
		for _, child := range dir.Children() {
			if child.IsDir() {
				visit(child)
				continue
			}
			if _, ok := seen[child]; ok {
				shared[child] = ""
			}
			seen[child] = struct{}{}
		}
	}
	visit(root)
	return shared
}

// dumpWriter is a tree on its way to a dump.
type dumpWriter struct {
	out   *bufio.Writer
	path  []byte // of the current name, "" for the root
	line  []byte
	first map[*Node]string // first name of each inode that has several
}

func (d *dumpWriter) write(n *Node) error {
	if err := d.one(n); err != nil {
		return err
	}
	for name, child := range n.Children() {
		if err := checkName([]byte(name)); err != nil {
			return fmt.Errorf("%q in %q: %w", shorten([]byte(name)), shorten(d.path), err)
		}
		length := len(d.path)
		d.path = append(append(d.path, '/'), name...)
		if err := d.write(child); err != nil {
			return err
		}
		d.path = d.path[:length]
	}
	return nil
}

// one writes the line of the name at hand.
func (d *dumpWriter) one(n *Node) error {
	path := d.path
	if len(path) == 0 {
		path = []byte{'/'}
	}
	d.line = appendEscaped(d.line[:0], path, false)
	first, shared := d.first[n]
	switch {
	case shared && first != "":
		d.line = appendHardLink(d.line, first)
	default:
		if err := sayable(n); err != nil {
			return fmt.Errorf("%q: %w", shorten(path), err)
		}
		if shared {
			d.first[n] = string(path)
		}
		d.line = appendInode(d.line, n)
	}
	_, err := d.out.Write(append(d.line, '\n'))
	return err
}

// AppendDumpLine appends the line of a dump that says that path is the inode n
// or, if link is not empty, one more name of the file called link.
func AppendDumpLine(b []byte, path, link string, n *Node) []byte {
	b = appendEscaped(b, path, false)
	if link != "" {
		b = appendHardLink(b, link)
	} else {
		b = appendInode(b, n)
	}
	return append(b, '\n')
}

// appendHardLink appends all fields but the path of one more name of a file.
func appendHardLink(b []byte, first string) []byte {
	b = append(b, " 0 @120000 - - - - 0.0 "...)
	b = appendEscaped(b, first, false)
	return append(b, " - -"...)
}

// sayable reports what of the inode a dump cannot say.
func sayable(n *Node) error {
	switch {
	case !knownType(n.Type()):
		return fmt.Errorf("mode %o has no known file type", n.Mode)
	case n.IsSymlink() && (n.Target == "" || strings.Contains(n.Target, "\x00")):
		return errors.New("link without a target, or with a NUL byte in it")
	case n.IsRegular() && n.File != nil && n.File.Inline != nil && uint64(len(n.File.Inline)) != n.File.Size:
		return fmt.Errorf("size is %d, but there are %d bytes of content", n.File.Size, len(n.File.Inline))
	}
	return nil
}

// appendInode appends all fields but the path.
func appendInode(b []byte, n *Node) []byte {
	b = append(b, ' ')
	b = strconv.AppendUint(b, n.Size(), 10)
	b = append(b, ' ')
	b = strconv.AppendUint(b, uint64(n.Mode), 8)
	for _, v := range []uint32{n.Nlink, n.UID, n.GID, n.device()} {
		b = append(b, ' ')
		b = strconv.AppendUint(b, uint64(v), 10)
	}
	b = append(b, ' ')
	b = strconv.AppendInt(b, n.Mtime.Sec, 10)
	b = append(b, '.')
	b = strconv.AppendUint(b, uint64(n.Mtime.Nsec), 10)
	b = append(b, ' ')
	b = appendData(b, n)
	for _, x := range n.Xattrs {
		b = append(b, ' ')
		b = appendEscaped(b, x.Name, true)
		b = append(b, '=')
		b = appendEscaped(b, x.Value, true)
	}
	return b
}

// appendData appends payload, content and digest.
func appendData(b []byte, n *Node) []byte {
	switch {
	case n.IsSymlink():
		b = appendOptional(b, n.Target)
		return append(b, " - -"...)
	case !n.IsRegular() || n.File == nil:
		return append(b, "- - -"...)
	case n.File.Inline != nil:
		b = append(b, "- "...)
		b = appendOptional(b, n.File.Inline)
		return append(b, " -"...)
	}
	b = appendOptional(b, n.File.Payload)
	b = append(b, " - "...)
	if n.File.Digest.IsZero() {
		return append(b, '-')
	}
	b, _ = n.File.Digest.AppendText(b) // never fails
	return b
}

// device is the number of a device, 0 of all else.
func (n *Node) device() uint32 {
	if t := n.Type(); t != unix.S_IFCHR && t != unix.S_IFBLK {
		return 0
	}
	return n.Rdev
}

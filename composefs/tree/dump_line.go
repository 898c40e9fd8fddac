package tree

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/verity"
)

// fields are those of a line that are left. They are separated by one space.
type fields struct {
	rest []byte
	left bool // there is one more, if only an empty one
}

// next returns the next field, nil if there is none.
func (f *fields) next() []byte {
	if !f.left {
		return nil
	}
	i := bytes.IndexByte(f.rest, ' ')
	field := f.rest
	if i < 0 {
		f.rest, f.left = nil, false
		return field
	}
	f.rest = f.rest[i+1:]
	return field[:i:i]
}

// inode reads all fields behind the path.
func (d *dumpReader) inode(f *fields) (*Node, error) {
	p := &numbers{}
	size := p.decimal("size", f.next(), math.MaxUint64)
	mode := f.next()
	if bytes.HasPrefix(mode, []byte{'@'}) {
		return d.hardLink(mode[1:], f)
	}
	n := d.nodes.one()
	n.Mode = p.octal("mode", mode)
	n.Nlink = uint32(p.decimal("nlink", f.next(), math.MaxUint32))
	n.UID = uint32(p.decimal("uid", f.next(), math.MaxUint32))
	n.GID = uint32(p.decimal("gid", f.next(), math.MaxUint32))
	n.Rdev = uint32(p.decimal("rdev", f.next(), math.MaxUint32))
	n.Mtime = p.time(f.next())
	if p.err != nil {
		return nil, p.err
	}
	if err := d.data(n, size, f); err != nil {
		return nil, err
	}
	if err := d.readXattrs(n, f); err != nil {
		return nil, err
	}
	return n, nil
}

// data reads payload, content and digest.
func (d *dumpReader) data(n *Node, size uint64, f *fields) error {
	payload, content, digest := f.next(), f.next(), f.next()
	if len(payload) == 0 || len(content) == 0 || len(digest) == 0 {
		return errors.New(`fields are missing or empty (write "-" for none)`)
	}
	payload, content, digest = optional(payload), optional(content), optional(digest)
	if !n.IsRegular() && (content != nil || digest != nil) {
		return errors.New("content or digest of what is no regular file")
	}
	switch n.Type() {
	case unix.S_IFREG:
		return d.file(n, size, payload, content, digest)
	case unix.S_IFLNK:
		return errors.Join(d.target(n, payload), noDevice(n))
	case unix.S_IFCHR, unix.S_IFBLK:
		return errors.Join(noPayload(payload), noSize(size))
	case unix.S_IFDIR:
		return errors.Join(noPayload(payload), noDevice(n))
	case unix.S_IFIFO, unix.S_IFSOCK:
		return errors.Join(noPayload(payload), noSize(size), noDevice(n))
	}
	return fmt.Errorf("mode %o has no known file type", n.Mode)
}

// optional is nil for the field of what is not there.
func optional(field []byte) []byte {
	if len(field) == 1 && field[0] == '-' {
		return nil
	}
	return field
}

func noPayload(payload []byte) error {
	if payload != nil {
		return errors.New("payload of what is neither a regular file nor a link")
	}
	return nil
}

func noSize(size uint64) error {
	if size != 0 {
		return errors.New("size of what has none")
	}
	return nil
}

func noDevice(n *Node) error {
	if n.Rdev != 0 {
		return errors.New("device number of what is no device")
	}
	return nil
}

func (d *dumpReader) target(n *Node, field []byte) error {
	target, err := d.text("target", field)
	switch {
	case err != nil:
		return err
	case target == "":
		return errors.New("link without a target")
	}
	n.Target = target
	return nil
}

// text reads a target or payload.
func (d *dumpReader) text(what string, field []byte) (string, error) {
	b, err := unescape(d.scratch, field)
	switch {
	case err != nil:
		return "", fmt.Errorf("%s: %w", what, err)
	case len(b) > maxTarget:
		return "", fmt.Errorf("%s of more than %d bytes", what, maxTarget)
	case bytes.IndexByte(b, 0) >= 0:
		return "", fmt.Errorf("%s with a NUL byte", what)
	}
	return d.arena.string(b), nil
}

func (d *dumpReader) file(n *Node, size uint64, payload, content, digest []byte) error {
	if err := noDevice(n); err != nil {
		return err
	}
	if content != nil {
		if payload != nil || digest != nil {
			return errors.New("both inline content and a payload or digest")
		}
		return d.inline(n, size, content)
	}
	if size > maxFile {
		return fmt.Errorf("size %d is more than 2^53", size)
	}
	if size == 0 && payload == nil && digest == nil {
		return nil
	}
	return d.external(n, size, payload, digest)
}

func (d *dumpReader) inline(n *Node, size uint64, field []byte) error {
	content, err := unescape(d.scratch, field)
	switch {
	case err != nil:
		return fmt.Errorf("content: %w", err)
	case uint64(len(content)) != size:
		return fmt.Errorf("size is %d, but there are %d bytes of content", size, len(content))
	case size > maxInline:
		return fmt.Errorf("inline content of %d bytes, more than %d", size, maxInline)
	}
	n.File = d.files.one()
	n.File.Size, n.File.Inline = size, d.arena.slice(content)
	return nil
}

func (d *dumpReader) external(n *Node, size uint64, payload, digest []byte) error {
	file := d.files.one()
	file.Size = size
	if payload != nil {
		text, err := d.text("payload", payload)
		if err != nil {
			return err
		}
		file.Payload = text
	}
	if digest != nil {
		var dig verity.Digest
		if err := dig.UnmarshalText(digest); err != nil {
			return err
		}
		file.Digest = dig
	}
	n.File = file
	return nil
}

// readXattrs reads all fields that are left.
func (d *dumpReader) readXattrs(n *Node, f *fields) error {
	if !f.left {
		return nil
	}
	if len(f.rest) > maxXattrText {
		return fmt.Errorf("more than %d bytes of xattrs", maxXattrText)
	}
	d.xs = d.xs[:0]
	space := xattrHeader
	for f.left {
		x, err := d.xattr(f.next())
		if err != nil {
			return fmt.Errorf("xattr: %w", err)
		}
		space += xattrSpace(x.Name, x.Value)
		d.xs = append(d.xs, x)
	}
	if space > maxXattrs {
		return fmt.Errorf("xattrs take %d bytes, more than %d", space, maxXattrs)
	}
	return d.setXattrs(n)
}

func (d *dumpReader) setXattrs(n *Node) error {
	byName := func(a, b Xattr) int { return strings.Compare(a.Name, b.Name) }
	if !slices.IsSortedFunc(d.xs, byName) {
		slices.SortFunc(d.xs, byName)
	}
	for i := range len(d.xs) - 1 {
		if d.xs[i].Name == d.xs[i+1].Name {
			return fmt.Errorf("xattr %q twice", d.xs[i].Name)
		}
	}
	n.Xattrs = d.xattrs.take(len(d.xs))
	copy(n.Xattrs, d.xs)
	return nil
}

func (d *dumpReader) xattr(field []byte) (Xattr, error) {
	name, value, ok := bytes.Cut(field, []byte{'='})
	if !ok {
		return Xattr{}, fmt.Errorf("%.300q has no equals sign", field)
	}
	name, err := unescape(d.scratch, name)
	switch {
	case err != nil:
		return Xattr{}, err
	case len(name) == 0 || len(name) > maxXattrName:
		return Xattr{}, fmt.Errorf("name of %d bytes, not 1 to %d", len(name), maxXattrName)
	case bytes.IndexByte(name, 0) >= 0:
		return Xattr{}, errors.New("name with a NUL byte")
	}
	x := Xattr{Name: d.arena.name(name)}
	if value, err = unescape(d.scratch, value); err != nil {
		return Xattr{}, fmt.Errorf("%q: %w", x.Name, err)
	}
	if len(value) > maxXattrValue {
		return Xattr{}, fmt.Errorf("%q: value of more than %d bytes", x.Name, maxXattrValue)
	}
	x.Value = d.arena.value(value)
	return x, nil
}

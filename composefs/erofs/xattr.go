package erofs

import (
	"bytes"
	"slices"
	"strings"
)

// xattr is an extended attribute as the image has it, under its escaped name.
type xattr struct {
	name   string
	value  []byte
	shared int // place in the table of shared xattrs, -1 if it is not there
}

func (x *xattr) equal(y *xattr) bool { return x.name == y.name && bytes.Equal(x.value, y.value) }

// splitXattr cuts a name into the prefix that an index stands for and the rest.
func splitXattr(name string) (index uint8, suffix string) {
	for i := 1; i < len(xattrPrefixes); i++ {
		if p := xattrPrefixes[i]; i != lustreIndex && name[0] == p[0] && strings.HasPrefix(name, p) {
			return uint8(i), name[len(p):]
		}
	}
	return 0, name
}

// size is the length of the xattr's entry, padded.
func (x *xattr) size() int {
	_, suffix := splitXattr(x.name)
	return align(xentrySize+len(suffix)+len(x.value), 4)
}

func (x *xattr) append(b []byte) []byte {
	index, suffix := splitXattr(x.name)
	b = append(b, byte(len(suffix)), index)
	b = le.AppendUint16(b, uint16(len(x.value)))
	b = append(b, suffix...)
	b = append(b, x.value...)
	return zeros(b, -(xentrySize+len(suffix)+len(x.value))&3)
}

// bodySize is the length of an inode's xattr body.
func bodySize(xs []xattr) int {
	if len(xs) == 0 {
		return 0
	}
	size := xbodySize
	for i := range xs {
		if xs[i].shared >= 0 {
			size += xidSize
		} else {
			size += xs[i].size()
		}
	}
	return size
}

// xattrCount is how an inode tells the length of its xattr body.
func xattrCount(bodySize int) uint16 {
	if bodySize == 0 {
		return 0
	}
	return uint16((bodySize-xbodySize)/4 + 1)
}

// nameFilter has the bit of each name cleared, so that a reader sees at once
// that a name is not there.
func nameFilter(xs []xattr) uint32 {
	filter := ^uint32(0)
	for i := range xs {
		index, suffix := splitXattr(xs[i].name)
		filter &^= 1 << (xxh32(suffix, filterSeed+uint32(index)) & 31)
	}
	return filter
}

// setXattr puts an xattr into its place in a sorted list, instead of one that
// has its name.
func setXattr(xs []xattr, name string, value []byte) []xattr {
	if len(xs) == 0 || xs[len(xs)-1].name < name {
		return append(xs, xattr{name, value, -1})
	}
	i, found := slices.BinarySearchFunc(xs, name, func(x xattr, s string) int { return strings.Compare(x.name, s) })
	x := xattr{name, value, -1}
	if found {
		xs[i] = x
		return xs
	}
	return slices.Insert(xs, i, x)
}

// escapeXattr hides a name from the overlayfs that mounts the image. Names
// keep their order.
func escapeXattr(name string) string {
	if rest, ok := strings.CutPrefix(name, overlayPrefix); ok {
		return escapedPrefix + rest
	}
	return name
}

func align(n, to int) int { return (n + to - 1) &^ (to - 1) }

func zeros(b []byte, n int) []byte {
	var zero [64]byte
	for ; n > len(zero); n -= len(zero) {
		b = append(b, zero[:]...)
	}
	return append(b, zero[:n]...)
}

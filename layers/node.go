package layers

import (
	"bytes"
	"crypto/sha512"
	"encoding/hex"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/tree"
	"github.com/bootc-go/bootc/composefs/verity"
)

// slab allocates values of one type many at a time: an image has 100,000 nodes.
type slab[T any] struct {
	free []T
	size int // of the next allocation
}

const maxSlab = 256

func (s *slab[T]) new() *T {
	if len(s.free) == 0 {
		s.size = min(max(2*s.size, 8), maxSlab)
		s.free = make([]T, s.size)
	}
	v := &s.free[0]
	s.free = s.free[1:]
	return v
}

// maxInterned keeps a hostile tar from filling an interner.
const maxInterned = 1024

// interner gives equal names one string.
type interner struct{ known map[string]string }

func (in *interner) name(b []byte) string {
	if s, ok := in.known[string(b)]; ok {
		return s
	}
	s := string(b)
	if in.known == nil {
		in.known = map[string]string{}
	}
	if len(in.known) < maxInterned {
		in.known[s] = s
	}
	return s
}

// nodes makes the nodes of one layer.
type nodes struct {
	nodes slab[tree.Node]
	files slab[tree.File]
	names interner // of extended attributes
}

// node returns what the header says; the content of a file is up to the caller.
func (ns *nodes) node(e *rawEntry) *tree.Node {
	n := ns.nodes.new()
	n.Mode = e.fileType() | uint32(e.mode)&0o7777
	n.UID, n.GID = uint32(e.uid), uint32(e.gid)
	n.Mtime = e.mtime
	switch e.typeflag {
	case typeSymlink:
		n.Target = string(e.link)
	case typeChar, typeBlock:
		n.Rdev = uint32(unix.Mkdev(uint32(e.devmajor), uint32(e.devminor)))
	}
	n.Xattrs = ns.xattrs(e.xattrs)
	return n
}

// xattrs returns the attributes sorted; of a repeated one the last counts.
func (ns *nodes) xattrs(raw []rawXattr) []tree.Xattr {
	if len(raw) == 0 {
		return nil
	}
	xs := make([]tree.Xattr, 0, len(raw))
	for _, x := range slices.Backward(raw) {
		xs = append(xs, tree.Xattr{Name: ns.names.name(x.name), Value: bytes.Clone(x.value)})
	}
	slices.SortStableFunc(xs, func(a, b tree.Xattr) int { return strings.Compare(a.Name, b.Name) })
	return slices.CompactFunc(xs, func(a, b tree.Xattr) bool { return a.Name == b.Name })
}

// objectPath is d.ObjectPath() with one allocation instead of three.
func objectPath(d verity.Digest) string {
	var raw [sha512.Size]byte
	var path [2*sha512.Size + 1]byte
	sum := d.AppendTo(raw[:0])
	hex.Encode(path[1:], sum)
	path[0], path[1], path[2] = path[1], path[2], '/'
	return string(path[:2*len(sum)+1])
}

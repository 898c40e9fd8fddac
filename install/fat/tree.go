package fat

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"time"
	"unicode/utf16"
)

// node is a file or directory and the clusters it gets, which are consecutive.
type node struct {
	path     string // in the source
	name     string
	short    [11]byte
	long     []uint16 // code units; nil if the short name says it all
	dir      bool
	size     int64
	cluster  uint32 // 0: an empty file has none
	clusters uint32
	children []*node
}

// readTree reads names and sizes, not contents.
func readTree(fsys fs.FS, dir *node, depth int) error {
	if depth > 32 {
		return fmt.Errorf("%s: directories nested too deeply", dir.path)
	}
	entries, err := fs.ReadDir(fsys, dir.path) // sorted by name
	if err != nil {
		return err
	}
	var names []string
	seen := map[string]string{}
	for _, e := range entries {
		n, err := newNode(dir, e)
		if err != nil {
			return err
		}
		if other := seen[strings.ToUpper(n.name)]; other != "" {
			return fmt.Errorf("%s: differs from %q in case only", n.path, other)
		}
		seen[strings.ToUpper(n.name)] = n.name
		if n.dir {
			if err := readTree(fsys, n, depth+1); err != nil {
				return err
			}
		}
		dir.children = append(dir.children, n)
		names = append(names, n.name)
	}
	short, long := shortNames(names)
	for i, n := range dir.children {
		n.short = short[i]
		if long[i] {
			n.long = utf16.Encode([]rune(n.name))
		}
	}
	return nil
}

func newNode(dir *node, e fs.DirEntry) (*node, error) {
	n := &node{path: path.Join(dir.path, e.Name()), name: e.Name(), dir: e.IsDir()}
	if err := checkName(n.name); err != nil {
		return nil, fmt.Errorf("%s: %w", dir.path, err)
	}
	info, err := e.Info()
	if err != nil {
		return nil, err
	}
	switch {
	case n.dir:
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s: neither a file nor a directory: %s", n.path, info.Mode().Type())
	case info.Size() > maxFileSize:
		return nil, fmt.Errorf("%s: larger than 4 GiB", n.path)
	default:
		n.size = info.Size()
	}
	return n, nil
}

// place gives n and all below it clusters from next on, and returns the one after.
func (n *node) place(next int64, isRoot bool) int64 {
	length := n.size
	if n.dir {
		length = n.entries(isRoot) * entrySize
	}
	if count := (length + clusterSize - 1) / clusterSize; count > 0 {
		n.cluster, n.clusters = uint32(next), uint32(count)
		next += count
	}
	for _, child := range n.children {
		next = child.place(next, false)
	}
	return next
}

// entries is how many entries the directory n has: "." and "..", or the label in
// the root, and those of its children.
func (n *node) entries(isRoot bool) int64 {
	count := int64(2)
	if isRoot {
		count = 1
	}
	for _, child := range n.children {
		count += 1 + int64(len(child.long)+unitsPerLong-1)/unitsPerLong
	}
	return count
}

// encode is the content of the directory n below parent, which is 0 for those in
// the root.
func (n *node) encode(parent uint32, o Options) []byte {
	b := make([]byte, 0, n.clusters*clusterSize)
	when := o.Time.UTC()
	if n.cluster == rootCluster {
		b = append(b, entry([11]byte(padded(o.Label, 11)), attrVolume, 0, 0, when)...)
	} else {
		b = append(b, entry([11]byte(padded(".", 11)), attrDir, n.cluster, 0, when)...)
		b = append(b, entry([11]byte(padded("..", 11)), attrDir, parent, 0, when)...)
	}
	for _, child := range n.children {
		if child.long != nil {
			b = append(b, longEntries(child.long, child.short)...)
		}
		attr := byte(attrArchive)
		if child.dir {
			attr = attrDir
		}
		b = append(b, entry(child.short, attr, child.cluster, uint32(child.size), when)...)
	}
	return b[:cap(b)]
}

// walk calls fn for n and all below it.
func (n *node) walk(parent *node, fn func(n, parent *node) error) error {
	if err := fn(n, parent); err != nil {
		return err
	}
	for _, child := range n.children {
		if err := child.walk(n, fn); err != nil {
			return err
		}
	}
	return nil
}

func (o Options) check() error {
	switch {
	case o.SectorSize != 512 && o.SectorSize != 4096:
		return fmt.Errorf("sectors of %d bytes", o.SectorSize)
	case o.Size/o.SectorSize > 1<<32-1:
		return errors.New("too large for FAT32")
	case o.Start/o.SectorSize > 1<<32-1:
		return errors.New("too far from the beginning of the disk for FAT32")
	case len(o.Label) > 11 || o.Label == "" || o.Label != strings.ToUpper(o.Label):
		return fmt.Errorf("label %q: want up to 11 capitals", o.Label)
	case o.Time.Before(time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)) || o.Time.Year() > 2107:
		return fmt.Errorf("FAT cannot tell the time %s", o.Time)
	}
	return nil
}

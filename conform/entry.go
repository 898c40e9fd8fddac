package conform

import (
	"archive/tar"
	"fmt"
	"hash/maphash"
	"strings"
)

// maxEntries is how many entries of a layer are looked at: what bootc takes.
const maxEntries = 1 << 20

const (
	whiteout = ".wh."
	opaque   = ".wh..wh..opq"
)

// seen is what is known of a path of a layer.
type seen uint8

const (
	isEntry   seen = 1 << iota // it has an entry
	isDir                      // which is a directory
	hasInside                  // an entry that is no whiteout is in it
)

// entryChecker checks the entries of one layer. Of each path it keeps a hash with a
// secret seed, so that nobody can choose names which collide.
type entryChecker struct {
	*layer
	seed  maphash.Seed
	paths map[uint64]seen
	n     int
}

func newEntryChecker(l *layer) *entryChecker {
	return &entryChecker{layer: l, seed: maphash.MakeSeed(), paths: map[uint64]seen{}}
}

func (e *entryChecker) hash(path string) uint64 { return maphash.String(e.seed, path) }

// entry checks one entry. The error is that there are too many.
func (e *entryChecker) entry(h *tar.Header) error {
	if h.Typeflag == tar.TypeXGlobalHeader {
		return nil
	}
	if e.n++; e.n > maxEntries {
		return fmt.Errorf("the layer has more than %d entries", maxEntries)
	}
	p := e.p.at(h.Name)
	path, ok := e.name(h.Name, p)
	if !ok {
		return nil
	}
	e.attributes(h, p)
	if e.whiteout(h, path, p) {
		return nil
	}
	e.checkType(h, path, p)
	is := isEntry
	if h.Typeflag == tar.TypeDir {
		is |= isDir
	}
	e.note(path, is, p)
	if dir, _ := split(path); path != "" {
		e.paths[e.hash(dir)] |= hasInside
	}
	return nil
}

// note remembers the path, and reports one that is there already.
func (e *entryChecker) note(path string, is seen, p place) {
	k := e.hash(path)
	if e.paths[k]&isEntry != 0 {
		e.add("layer-entry-twice", p, "the path has two entries")
	}
	e.paths[k] = e.paths[k]&hasInside | is
}

// name returns the path that a name means.
func (e *entryChecker) name(name string, p place) (string, bool) {
	if name == "" {
		e.add("layer-entry-name", p, "an entry has no name")
		return "", false
	}
	path, up := clean(name)
	if up {
		e.add("layer-entry-dotdot", p, "the name has a component \"..\"")
		return "", false
	}
	if strings.HasPrefix(name, "/") {
		e.add("layer-entry-absolute", p, "the name is not relative")
	}
	return path, true
}

// clean makes a name relative to the root, without empty components and dots: "" is
// the root. up says that there is a component "..".
func clean(name string) (path string, up bool) {
	var parts []string
	for part := range strings.SplitSeq(name, "/") {
		switch part {
		case "", ".":
		case "..":
			return "", true
		default:
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, "/"), false
}

func split(path string) (dir, base string) {
	i := strings.LastIndexByte(path, '/')
	return path[:max(i, 0)], path[i+1:]
}

// attributes checks what an entry says in extended headers.
func (e *entryChecker) attributes(h *tar.Header, p place) {
	sparse := h.Typeflag == tar.TypeGNUSparse
	libarchive := ""
	for key := range h.PAXRecords {
		name, schily := strings.CutPrefix(key, "SCHILY.xattr.")
		if schily && name == "" {
			e.add("layer-xattr-name", p, "an extended attribute has no name")
		}
		sparse = sparse || strings.HasPrefix(key, "GNU.sparse.")
		if name, ok := strings.CutPrefix(key, "LIBARCHIVE.xattr."); ok {
			if _, both := h.PAXRecords["SCHILY.xattr."+name]; !both {
				libarchive = max(libarchive, key)
			}
		}
	}
	if sparse {
		e.add("layer-sparse", p, "the file is sparse, which not all readers know")
	}
	if libarchive != "" {
		e.add("layer-xattr-libarchive", p, "%s is an attribute in a form that container tools do not read; SCHILY.xattr is what they do", shorten(libarchive))
	}
}

// whiteout checks a whiteout, and reports whether the entry is one, or below one.
func (e *entryChecker) whiteout(h *tar.Header, path string, p place) bool {
	dir, base := split(path)
	if strings.HasPrefix(dir, whiteout) || strings.Contains(dir, "/"+whiteout) {
		e.add("layer-whiteout-below", p, "the entry is below a whiteout, where nothing can be")
		return true
	}
	hidden, is := strings.CutPrefix(base, whiteout)
	if !is {
		return false
	}
	switch {
	case hidden == "" || hidden == "." || hidden == "..":
		e.add("layer-whiteout-name", p, "the whiteout names nothing that it could hide")
	case base == opaque:
		e.add("layer-whiteout-opaque", p, "an opaque whiteout; explicit ones are preferred")
	}
	switch {
	case h.Typeflag != tar.TypeReg:
		e.add("layer-whiteout-type", p, "the whiteout is no regular file")
	case h.Size > 0:
		e.add("layer-whiteout-content", p, "the whiteout is not empty")
	}
	if e.paths[e.hash(dir)]&hasInside != 0 {
		e.add("layer-whiteout-order", p, "entries of the same directory stand before the whiteout")
	}
	e.note(path, isEntry, p)
	return true
}

// checkType checks the type of an entry, and what it must have.
func (e *entryChecker) checkType(h *tar.Header, path string, p place) {
	if path == "" && h.Typeflag != tar.TypeDir {
		e.add("layer-root-type", p, "the root is no directory")
		return
	}
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeDir, tar.TypeChar, tar.TypeBlock, tar.TypeFifo, tar.TypeCont, tar.TypeGNUSparse:
	case tar.TypeSymlink:
		if h.Linkname == "" {
			e.add("layer-symlink-target", p, "the symbolic link has no target")
		}
	case tar.TypeLink:
		e.link(h.Linkname, p)
	default:
		e.add("layer-entry-type", p, "entries of type %q are none that a layer can have", h.Typeflag)
	}
}

// link checks the target of a hard link.
func (e *entryChecker) link(target string, p place) {
	path, up := clean(target)
	switch is := e.paths[e.hash(path)]; {
	case up:
		e.add("layer-entry-dotdot", p, "the target of the hard link, %q, has a component \"..\"", shorten(target))
	case is&isEntry == 0:
		e.add("layer-link-absent", p, "the target of the hard link, %q, is not in this layer before it", shorten(target))
	case is&isDir != 0:
		e.add("layer-link-directory", p, "the target of the hard link, %q, is a directory", shorten(target))
	}
}

package layers

import (
	"bytes"
	"math"

	"golang.org/x/sys/unix"
)

// maxInline is the size in bytes up to which a file's content stands in the
// splitstream, and later in the image, instead of being an object.
const maxInline = 64

// whiteoutPrefix begins the name of an entry that hides what is called as the
// rest of the name says; opaqueName hides all in its directory (OCI image
// specification, layer.md, "Whiteouts").
const (
	whiteoutPrefix = ".wh."
	opaqueName     = ".wh..wh..opq"
)

// rawEntry is a header that has been found fit for the merge. Its slices are
// valid as long as the header's.
type rawEntry struct {
	*header
	path     []byte // clean; empty is the root
	target   []byte // of a hard link, clean
	whiteout bool
}

// checker turns headers into entries. It keeps buffers from one to the next.
type checker struct {
	pathBuf, targetBuf []byte
}

// check refuses by name what no merge could take.
func (c *checker) check(h *header) (rawEntry, error) {
	e := rawEntry{header: h}
	err := c.fill(&e)
	if err != nil {
		err = entryError(h.name, err)
	}
	return e, err
}

func (c *checker) fill(e *rawEntry) (err error) {
	if len(e.name) == 0 {
		return malformed("it has no name")
	}
	if e.path, c.pathBuf, err = cleanPath(c.pathBuf, e.name); err != nil {
		return err
	}
	if e.sparse || e.typeflag == typeSparse {
		return unsupported("sparse files are not supported")
	}
	if err := e.checkWhiteout(); err != nil {
		return err
	}
	if len(e.path) == 0 && e.typeflag != typeDir {
		return malformed("the root must be a directory")
	}
	if err := e.checkOwner(); err != nil {
		return err
	}
	if err := e.checkXattrs(); err != nil {
		return err
	}
	return c.fillType(e)
}

// fillType checks what only some types have.
func (c *checker) fillType(e *rawEntry) (err error) {
	switch e.typeflag {
	case typeRegular, typeContiguous, typeDir, typeFifo:
		return nil
	case typeChar, typeBlock:
		return e.checkDevice()
	case typeSymlink:
		return e.checkSymlink()
	case typeLink:
		if e.target, c.targetBuf, err = cleanPath(c.targetBuf, e.link); err != nil {
			return targetError(e.link, err)
		}
		if len(e.target) == 0 {
			return targetError(e.link, malformed("not a file"))
		}
		return nil
	}
	return unsupported("entries of type %q are not supported", e.typeflag)
}

// checkWhiteout finds out whether the entry is a whiteout. Below one there can be
// nothing, since "it is not possible to create a filesystem which has a file or
// directory with a name beginning with .wh." (layer.md).
func (e *rawEntry) checkWhiteout() error {
	if !bytes.Contains(e.path, []byte(whiteoutPrefix)) {
		return nil
	}
	dir, base := splitPath(e.path)
	for part := range bytes.SplitSeq(dir, []byte{'/'}) {
		if bytes.HasPrefix(part, []byte(whiteoutPrefix)) {
			return malformed("it is below a whiteout")
		}
	}
	if !bytes.HasPrefix(base, []byte(whiteoutPrefix)) {
		return nil
	}
	e.whiteout = true
	switch hidden := string(base[len(whiteoutPrefix):]); hidden {
	case "", ".", "..":
		return malformed("a whiteout cannot hide %q", hidden)
	}
	return nil
}

func (e *rawEntry) checkOwner() error {
	if e.uid < 0 || e.uid > math.MaxUint32 {
		return unsupported("the user id %d is not supported", e.uid)
	}
	if e.gid < 0 || e.gid > math.MaxUint32 {
		return unsupported("the group id %d is not supported", e.gid)
	}
	return nil
}

func (e *rawEntry) checkXattrs() error {
	for _, x := range e.xattrs {
		if len(x.name) == 0 || len(x.name) > maxName {
			return unsupported("an extended attribute with a name of %d bytes is not supported", len(x.name))
		}
	}
	return nil
}

// checkDevice wants numbers that fit into the kernel's 32-bit dev_t.
func (e *rawEntry) checkDevice() error {
	if e.devmajor < 0 || e.devmajor >= 1<<12 || e.devminor < 0 || e.devminor >= 1<<20 {
		return unsupported("the device number %d:%d is not supported", e.devmajor, e.devminor)
	}
	return nil
}

func (e *rawEntry) checkSymlink() error {
	if len(e.link) == 0 {
		return malformed("the symbolic link has no target")
	}
	if len(e.link) > maxTarget {
		return unsupported("a symbolic link with a target of more than %d bytes is not supported", maxTarget)
	}
	return nil
}

// fileType is the entry's type as in st_mode; a hard link has none.
func (e *rawEntry) fileType() uint32 {
	switch e.typeflag {
	case typeDir:
		return unix.S_IFDIR
	case typeSymlink:
		return unix.S_IFLNK
	case typeChar:
		return unix.S_IFCHR
	case typeBlock:
		return unix.S_IFBLK
	case typeFifo:
		return unix.S_IFIFO
	}
	return unix.S_IFREG
}

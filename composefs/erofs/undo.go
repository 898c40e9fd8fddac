package erofs

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/tree"
	"github.com/bootc-go/bootc/composefs/verity"
)

// undo gives n the xattrs that the image has for it, as they were before they
// were rewritten for overlayfs.
func (rd *reader) undo(n *tree.Node, raw []rawXattr, nid uint64) error {
	metacopy := false
	for _, x := range raw {
		rest, overlay := strings.CutPrefix(x.name, overlayPrefix)
		original, escaped := strings.CutPrefix(x.name, escapedPrefix)
		switch {
		case !overlay:
			n.Xattrs = append(n.Xattrs, tree.Xattr{Name: x.name, Value: x.keep()})
		case escaped:
			n.Xattrs = append(n.Xattrs, tree.Xattr{Name: rd.unescaped(original), Value: x.keep()})
		case x.name == xattrMetacopy && isExternal(n) && !metacopy:
			metacopy = true
			if err := undoMetacopy(n.File, x.value); err != nil {
				return err
			}
		case x.name == xattrRedirect && isExternal(n) && n.File.Payload == "":
			if err := undoRedirect(n.File, x.value); err != nil {
				return err
			}
		case x.name == xattrOpaque && nid == uint64(rd.super.rootNid) && string(x.value) == "y":
		default:
			return fmt.Errorf("overlayfs xattr %s where it means nothing", overlayPrefix+rest)
		}
	}
	if isExternal(n) && !metacopy {
		return errors.New("external file without " + xattrMetacopy)
	}
	slices.SortStableFunc(n.Xattrs, func(a, b tree.Xattr) int { return strings.Compare(a.Name, b.Name) })
	rd.undoWhiteout(n)
	return nil
}

// keep returns the value, to stay.
func (x *rawXattr) keep() []byte {
	if x.shared {
		return x.value
	}
	return bytes.Clone(x.value)
}

// unescaped is the name of which an xattr's escaped name has this rest.
func (rd *reader) unescaped(rest string) string {
	name := overlayPrefix + rest
	if known, ok := rd.names[name]; ok {
		return known
	}
	rd.names[name] = name
	return name
}

// undoMetacopy reads struct ovl_metacopy of the kernel. An empty one is without
// a digest.
func undoMetacopy(f *tree.File, v []byte) error {
	if len(v) == 0 {
		return nil
	}
	if len(v) < metacopySize || v[0] != 0 || int(v[1]) != len(v) || v[2] != 0 {
		return fmt.Errorf("malformed %s", xattrMetacopy)
	}
	d, err := verity.FromBytes(verity.Algorithm(v[3]), v[metacopySize:])
	if err != nil {
		return fmt.Errorf("%s: %w", xattrMetacopy, err)
	}
	f.Digest = d
	return nil
}

func undoRedirect(f *tree.File, v []byte) error {
	if len(v) < 2 || v[0] != '/' {
		return fmt.Errorf("malformed %s", xattrRedirect)
	}
	f.Payload = string(v[1:])
	return nil
}

// undoWhiteout makes a whiteout of the empty file that stands for one.
func (rd *reader) undoWhiteout(n *tree.Node) {
	if rd.head.version == oldVersion || !n.IsRegular() || n.File != nil {
		return
	}
	mark, marked := n.Xattr(unescapedWhiteout)
	userMark, userMarked := n.Xattr(xattrUserWhiteout)
	if !marked || !userMarked || len(mark)+len(userMark) > 0 {
		return
	}
	n.RemoveXattr(unescapedWhiteout)
	n.RemoveXattr(xattrUserWhiteout)
	n.Mode = unix.S_IFCHR | n.Perm()
}

// undoWhiteouts takes the marks off a directory that holds whiteouts. As the
// writer puts its own in place of others, all xattrs of these names are marks.
func (rd *reader) undoWhiteouts(dir *tree.Node) {
	if rd.head.version == oldVersion {
		return
	}
	dir.Xattrs = slices.DeleteFunc(dir.Xattrs, func(x tree.Xattr) bool {
		switch x.Name {
		case unescapedWhiteouts, xattrUserWhiteouts:
			return true
		case xattrOpaque, xattrUserDirOpaque:
			return rd.head.version >= uint32(V1)
		}
		return false
	})
}

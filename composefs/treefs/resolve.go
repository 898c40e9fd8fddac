package treefs

import (
	"io/fs"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/tree"
)

// maxLinks is how many symbolic links the kernel follows in one path (MAXSYMLINKS).
const maxLinks = 40

// find returns the inode called name; a link at the end is followed if follow says
// so, all others always. op is for the error.
func (f *FS) find(op, name string, follow bool) (*tree.Node, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	n, err := f.walk(name, follow)
	if err != nil {
		return nil, &fs.PathError{Op: op, Path: name, Err: err}
	}
	return n, nil
}

// walk goes along path from the root. The directories above the current place are
// kept, for ".."; that of the root is the root. A link's target goes before what
// is left of the path, which therefore never grows by more than maxLinks targets.
func (f *FS) walk(path string, follow bool) (*tree.Node, error) {
	above := []*tree.Node{f.root}
	at := f.root
	for links := 0; path != ""; {
		name, rest, more := strings.Cut(path, "/")
		path = rest
		switch name {
		case "", ".":
			continue
		case "..":
			above = above[:max(1, len(above)-1)]
			at = above[len(above)-1]
			continue
		}
		child := at.Child(name)
		switch {
		case child == nil:
			return nil, unix.ENOENT
		case child.IsSymlink() && (more || follow):
			if links++; links > maxLinks {
				return nil, unix.ELOOP
			}
			if child.Target == "" {
				return nil, unix.ENOENT
			}
			if strings.HasPrefix(child.Target, "/") {
				above, at = above[:1], f.root
			}
			path = child.Target
			if more {
				path += "/" + rest
			}
		case child.IsDir():
			above, at = append(above, child), child
		default:
			// Nothing can follow but the end of the path, so above need not know.
			at = child
			if more {
				return nil, unix.ENOTDIR
			}
		}
	}
	return at, nil
}

// Package treefs is a composefs tree as an io/fs file system.
package treefs

import (
	"io/fs"
	"os"

	"github.com/bootc-go/bootc/composefs/tree"
	"github.com/bootc-go/bootc/composefs/verity"
)

// FS is a file system in memory whose files' contents are objects. Symbolic links
// are followed as in a chroot at its root.
type FS struct {
	root *tree.Node
	open func(verity.Digest) (*os.File, error)
}

// New returns the file system below root. It opens external contents by open.
func New(root *tree.Node, open func(verity.Digest) (*os.File, error)) *FS {
	return &FS{root: root, open: open}
}

// Open opens the named file.
func (f *FS) Open(name string) (fs.File, error) {
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

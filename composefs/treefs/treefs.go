// Package treefs is a composefs tree as an io/fs file system: what reads files by
// path can read an image that is mounted nowhere.
package treefs

import (
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/tree"
	"github.com/bootc-go/bootc/composefs/verity"
)

// FS is a file system over a tree, whose large files are objects. Symbolic links,
// absolute ones too, are followed as in a chroot at its root. Opening a file takes
// the memory of its name, however large it is.
//
// Several goroutines may use it at once if the tree has been walked before.
type FS struct {
	root *tree.Node
	open func(verity.Digest) (*os.File, error)
}

var _ interface {
	fs.StatFS
	fs.ReadDirFS
	fs.ReadFileFS
	fs.ReadLinkFS
} = (*FS)(nil)

// New returns the file system below root. External contents are what open returns,
// for reading from the beginning.
func New(root *tree.Node, open func(verity.Digest) (*os.File, error)) *FS {
	return &FS{root: root, open: open}
}

// Open opens the named file. That of a regular file is an io.ReaderAt and an
// io.Seeker; devices, sockets and pipes open too, but cannot be read.
func (f *FS) Open(name string) (fs.File, error) {
	n, err := f.find("open", name, true)
	if err != nil {
		return nil, err
	}
	switch {
	case n.IsDir():
		return &dir{info: newInfo(name, n)}, nil
	case n.IsRegular():
		content, err := f.content(n)
		if err != nil {
			return nil, &fs.PathError{Op: "open", Path: name, Err: err}
		}
		return &file{content: content, info: newInfo(name, n)}, nil
	default:
		return &special{info: newInfo(name, n)}, nil
	}
}

// Stat describes the named file; links are followed.
func (f *FS) Stat(name string) (fs.FileInfo, error) {
	n, err := f.find("stat", name, true)
	if err != nil {
		return nil, err
	}
	return newInfo(name, n), nil
}

// Lstat describes the named file, which may be a link.
func (f *FS) Lstat(name string) (fs.FileInfo, error) {
	n, err := f.find("lstat", name, false)
	if err != nil {
		return nil, err
	}
	return newInfo(name, n), nil
}

// ReadLink returns the target of the named link.
func (f *FS) ReadLink(name string) (string, error) {
	n, err := f.find("readlink", name, false)
	if err != nil {
		return "", err
	}
	if !n.IsSymlink() {
		return "", &fs.PathError{Op: "readlink", Path: name, Err: fs.ErrInvalid}
	}
	return n.Target, nil
}

// ReadDir lists the named directory.
func (f *FS) ReadDir(name string) ([]fs.DirEntry, error) {
	n, err := f.find("readdir", name, true)
	if err != nil {
		return nil, err
	}
	if !n.IsDir() {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: unix.ENOTDIR}
	}
	return (&dir{info: newInfo(name, n)}).ReadDir(-1)
}

// ReadFile returns the content of the named file. The caller has made sure by Stat
// that it is of a size to be read whole.
func (f *FS) ReadFile(name string) ([]byte, error) {
	n, err := f.find("open", name, true)
	if err != nil {
		return nil, err
	}
	if !n.IsRegular() {
		return nil, &fs.PathError{Op: "read", Path: name, Err: fs.ErrInvalid}
	}
	data, err := f.readAll(n)
	if err != nil {
		return nil, &fs.PathError{Op: "read", Path: name, Err: err}
	}
	return data, nil
}

func (f *FS) readAll(n *tree.Node) ([]byte, error) {
	c, err := f.content(n)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	data := make([]byte, n.Size())
	if _, err := io.ReadFull(c, data); err != nil {
		return nil, err
	}
	return data, nil
}

// content opens what the regular file n holds.
func (f *FS) content(n *tree.Node) (content, error) {
	if n.File == nil {
		return newInline(nil), nil
	}
	if n.File.Payload == "" && n.File.Digest.IsZero() {
		if n.File.Size != uint64(len(n.File.Inline)) {
			return nil, fmt.Errorf("%d of %d bytes are in the tree", len(n.File.Inline), n.File.Size)
		}
		return newInline(n.File.Inline), nil
	}
	if n.File.Digest.IsZero() {
		return nil, fmt.Errorf("the digest of object %s is not known", n.File.Payload)
	}
	object, err := f.open(n.File.Digest)
	if err != nil {
		return nil, err
	}
	if err := checkSize(object, n.File); err != nil {
		object.Close()
		return nil, err
	}
	return object, nil
}

// checkSize compares what the tree says with what is there, so that nobody takes
// memory for bytes that do not exist.
func checkSize(object *os.File, f *tree.File) error {
	st, err := object.Stat()
	if err != nil {
		return err
	}
	if st.Size() < 0 || uint64(st.Size()) != f.Size {
		return fmt.Errorf("object %s has %d bytes, not %d", f.Digest, st.Size(), f.Size)
	}
	return nil
}

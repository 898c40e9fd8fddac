// Package erofs writes and reads composefs images: EROFS file systems that
// hold a tree's metadata and small files, and say by overlayfs xattrs where the
// content of all other files is.
//
// [Write] makes the canonical image of a tree, which the composefs project
// calls Epoch1: two writers that follow it make the same bytes of the same
// tree, so the fs-verity digest of the image ([Digest]) names the tree. The
// layout is described in docs/reference/formats/erofs.md.
package erofs

import (
	"errors"
	"io"

	"github.com/bootc-go/bootc/composefs/tree"
	"github.com/bootc-go/bootc/composefs/verity"
)

// Version is the version number in an image's composefs header.
type Version uint8

// The versions of the header. They differ in nothing but that number and the
// xattrs of directories that hold whiteouts.
const (
	V0 Version = 0 // what mkcomposefs writes by default; a tree with whiteouts becomes V1 even so
	V1 Version = 1 // what mkcomposefs --min-version=1 and composefs-rs write
)

// Options say which of the canonical images of a tree is wanted.
type Options struct {
	// Algorithm is that of the image's own digest; only Digest looks at it.
	// The digests in the image have their own.
	Algorithm verity.Algorithm
	Version   Version
}

// Write writes the canonical image of root. It does not change the tree and
// never holds the image; w gets large pieces.
func Write(w io.Writer, root *tree.Node, opts Options) error {
	return errors.New("not written yet")
}

// Digest returns the fs-verity digest of what Write would write.
func Digest(root *tree.Node, opts Options) (verity.Digest, error) {
	return verity.Digest{}, errors.New("not written yet")
}

// Read reads an image of size bytes back into the tree it was made of: the
// overlayfs xattrs and the 256 stub entries of the root are undone, and names
// of one inode become one *Node. It refuses what is not a well-formed image,
// however hostile, and holds no more than a small multiple of size.
func Read(r io.ReaderAt, size int64) (*tree.Node, error) {
	return nil, errors.New("not written yet")
}

// Objects returns the payload paths of the external files of a tree, as Read
// returns it, in byte order and each once.
func Objects(root *tree.Node) []string {
	return nil
}

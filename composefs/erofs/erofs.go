// Package erofs writes and reads composefs images: EROFS file systems that
// hold a tree's metadata and small files, and say by overlayfs xattrs where the
// content of all other files is.
//
// [Write] makes the canonical image of a tree, which the composefs project
// calls Epoch1: two writers that follow it make the same bytes of the same
// tree, so the fs-verity digest of the image ([Digest]) names the tree.
// [Read] gets the tree back. The layout is described in
// docs/reference/formats/erofs.md.
package erofs

import (
	"fmt"
	"io"

	"github.com/bootc-go/bootc/composefs/tree"
	"github.com/bootc-go/bootc/composefs/verity"
)

// Version is the version number in an image's composefs header.
type Version uint8

// The versions of the canonical image. They differ in that number and in two
// xattrs of directories that hold whiteouts.
const (
	V0 Version = 0
	V1 Version = 1 // what composefs-rs writes, and this project's default
)

// Options say which image of a tree is wanted. Version is --min-version of
// mkcomposefs and MaxVersion --max-version; without these options mkcomposefs
// writes what V0 and V1 give here.
type Options struct {
	// Algorithm is that of the image's own digest; Write does not look at it.
	// The digests in the image have their own.
	Algorithm verity.Algorithm

	// Version is the image's version, unless the tree has whiteouts and
	// MaxVersion is higher.
	Version    Version
	MaxVersion Version
}

// Write writes the canonical image of root to w, in large pieces, from another
// goroutine, and without ever holding it. A hard link is an inode that stands under several names;
// the first of them, depth first, decides its place. The Nlink of a directory
// is not looked at, that of all else is written as it is.
//
// The tree is not changed, but like [tree.Node.Names] Write must not be called
// for one tree by two goroutines at once. What the format cannot hold is an
// error that names the path.
func Write(w io.Writer, root *tree.Node, opts Options) error {
	if err := write(w, root, opts); err != nil {
		return fmt.Errorf("cannot write a composefs image: %w", err)
	}
	return nil
}

// Digest returns the fs-verity digest of what Write would write.
func Digest(root *tree.Node, opts Options) (verity.Digest, error) {
	if opts.Algorithm.Size() == 0 {
		return verity.Digest{}, fmt.Errorf("cannot compute the digest of a composefs image: unknown %v", opts.Algorithm)
	}
	h := verity.NewHasher(opts.Algorithm)
	if err := write(h, root, opts); err != nil {
		return verity.Digest{}, fmt.Errorf("cannot compute the digest of a composefs image: %w", err)
	}
	return h.Sum(), nil
}

func write(w io.Writer, root *tree.Node, opts Options) error {
	if v := max(opts.Version, opts.MaxVersion); v > V1 {
		return fmt.Errorf("unknown version %d", v)
	}
	p, err := newPlan(root, opts)
	if err != nil {
		return err
	}
	return p.write(w)
}

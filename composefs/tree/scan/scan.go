// Package scan turns a directory into a tree.
package scan

import (
	"context"
	"errors"
	"os"

	"github.com/bootc-go/bootc/composefs/tree"
	"github.com/bootc-go/bootc/composefs/verity"
)

// DefaultInlineMax is the size in bytes up to which mkcomposefs and
// composefs-rs keep a file's content in the image.
const DefaultInlineMax = 64

// Options say what Scan takes over.
type Options struct {
	Algorithm verity.Algorithm // of the digests of external files; SHA512 if 0

	KeepHardlinks bool // names of one inode become one node; else each name is an inode of its own
	UseEpoch      bool // all modification times are 0
	SkipDevices   bool // leave out block and character devices
	SkipXattrs    bool // leave out extended attributes
	UserXattrs    bool // of the extended attributes, take only user.*

	InlineMax int // size in bytes up to which content is inline; DefaultInlineMax if 0, none if negative
	Threads   int // how many files are read at once; as many as there are processors if 0

	// Store, if set, is called for every external file once its digest is
	// known, from several goroutines at once. It may read f and must not
	// close it.
	Store func(ctx context.Context, f *os.File, size int64, d verity.Digest) error
}

// Scan reads the directory dir and all below it. Symbolic links are not
// followed, other file systems mounted below are entered. Everything is read
// through descriptors, so a directory that changes meanwhile cannot lead the
// scan out of dir; a file that changes while it is read is an error.
func Scan(ctx context.Context, dir string, o Options) (*tree.Node, error) {
	return nil, errors.New("not written yet")
}

// Package scan turns a directory into a tree.
package scan

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/tree"
	"github.com/bootc-go/bootc/composefs/verity"
)

// DefaultInlineMax is the size in bytes up to which mkcomposefs and
// composefs-rs keep a file's content in the image.
const DefaultInlineMax = 64

// ErrChanged means that a file was changed while it was read.
var ErrChanged = errors.New("changed while it was read")

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
	// known, from several goroutines at once. It may read f, from the start,
	// and must not close it.
	Store func(ctx context.Context, f *os.File, size int64, d verity.Digest) error
}

func (o Options) withDefaults() Options {
	if o.Algorithm == 0 {
		o.Algorithm = verity.SHA512
	}
	if o.InlineMax == 0 {
		o.InlineMax = DefaultInlineMax
	}
	if o.Threads <= 0 {
		o.Threads = runtime.GOMAXPROCS(0)
	}
	return o
}

// Scan reads the directory dir and all below it. Symbolic links are not
// followed, other file systems mounted below are entered. Everything is read
// through descriptors, so a directory that changes meanwhile cannot lead the
// scan out of dir; a file that changes while it is read is an error. Link
// counts are those of the tree that is returned.
func Scan(ctx context.Context, dir string, o Options) (*tree.Node, error) {
	root, err := scan(ctx, dir, o.withDefaults())
	if err != nil {
		return nil, fmt.Errorf("cannot read directory %s: %w", dir, err)
	}
	tree.SetLinks(root)
	return root, nil
}

func scan(ctx context.Context, dir string, o Options) (*tree.Node, error) {
	fd, err := openat(unix.AT_FDCWD, dir, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return nil, err
	}
	g, ctx := errgroup.WithContext(ctx)
	w := &walker{ctx: ctx, o: o, files: make(chan *file, 64), links: map[inode]*tree.Node{}}
	for range o.Threads {
		r := newReader(ctx, o)
		g.Go(func() error { return r.run(w.files) })
	}
	var root *tree.Node
	g.Go(func() error {
		defer close(w.files)
		root, err = w.dir(fd, "")
		return err
	})
	if err := g.Wait(); err != nil {
		for f := range w.files {
			f.close()
		}
		return nil, err
	}
	return root, nil
}

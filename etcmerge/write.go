package etcmerge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/tree"
)

// Write makes the empty directory dir what the tree root is, owners, modes,
// extended attributes, times and hard links included, as [Plan.Apply] wants its
// target. Contents that the tree does not have come from open. Nothing is durable
// when it returns, and nobody else may write to dir meanwhile.
func Write(ctx context.Context, dir *os.File, root *tree.Node, open Opener) error {
	w := &writer{ctx: ctx, top: int(dir.Fd()), open: open, made: map[*tree.Node]string{}}
	if err := w.entries(w.top, here, root); err != nil {
		return fmt.Errorf("cannot write the files of the image: %w", err)
	}
	return nil
}

// writer makes one tree.
type writer struct {
	ctx        context.Context //nolint:containedctx // lives as long as one Write
	top        int
	open       Opener
	made       map[*tree.Node]string // where the first name of an inode is
	attributes attributes
}

// entries fills the directory fd and gives it its attributes, in this order: a
// directory that its owner must not write to could not be filled afterwards, and
// its time would change.
func (w *writer) entries(fd int, path string, n *tree.Node) error {
	for name, c := range n.Children() {
		if ignored(path, name) {
			continue
		}
		sub := join(path, name)
		if err := w.inode(fd, name, sub, c); err != nil {
			return fmt.Errorf("%s: %w", show(sub), err)
		}
	}
	return w.finish(fd, n)
}

func (w *writer) finish(fd int, n *tree.Node) error {
	if err := w.attributes.set(fd, n); err != nil {
		return err
	}
	return setTimes(fd, n)
}

func (w *writer) inode(parent int, name, path string, n *tree.Node) error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	if first, ok := w.made[n]; ok {
		return unix.Linkat(w.top, first, parent, name, 0)
	}
	flags := uint64(unix.O_PATH | unix.O_NOFOLLOW)
	var err error
	switch {
	case n.IsDir():
		flags = unix.O_RDONLY | unix.O_DIRECTORY
		err = unix.Mkdirat(parent, name, 0o700)
	case n.IsSymlink():
		err = unix.Symlinkat(n.Target, parent, name)
	case n.IsRegular():
		flags = unix.O_WRONLY
		err = unix.Mknodat(parent, name, unix.S_IFREG|0o600, 0)
	default:
		err = unix.Mknodat(parent, name, n.Type()|0o600, int(n.Rdev))
	}
	if err != nil {
		return err
	}
	fd, err := openBelow(parent, name, flags)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close()
	if n.IsDir() {
		return w.entries(fd, path, n)
	}
	w.made[n] = path
	if n.IsRegular() {
		if err := w.content(f, path, n); err != nil {
			return err
		}
	}
	return w.finish(fd, n)
}

// content writes what a regular file holds, which must be as long as n says.
func (w *writer) content(f *os.File, path string, n *tree.Node) error {
	switch {
	case n.Size() == 0:
		return nil
	case n.File.Inline != nil:
		_, err := f.Write(n.File.Inline)
		return err
	}
	r, err := w.open(path, n)
	if err != nil {
		return err
	}
	written, err := io.Copy(f, r)
	if err = errors.Join(err, r.Close()); err == nil && uint64(written) != n.Size() {
		err = fmt.Errorf("%d bytes instead of %d", written, n.Size())
	}
	return err
}

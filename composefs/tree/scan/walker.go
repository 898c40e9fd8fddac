package scan

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/tree"
)

// walker goes through the directories and hands the regular files that have
// content to the readers.
type walker struct {
	ctx   context.Context //nolint:containedctx // lives as long as one scan
	o     Options
	files chan *file
	links map[inode]*tree.Node // what has been seen of the inodes with several names
	attrs attributes
}

// inode names an inode of the system.
type inode struct{ dev, ino uint64 }

// dir reads the directory fd, which it closes, and all below it. The path is
// relative to where the scan began and only for errors.
func (w *walker) dir(fd int, path string) (*tree.Node, error) {
	f := os.NewFile(uintptr(fd), path)
	defer f.Close()
	n, err := w.attrs.node(fd, unix.S_IFDIR, w.o)
	if err != nil {
		return nil, at(path, err)
	}
	names, err := f.Readdirnames(-1)
	if err != nil {
		return nil, at(path, vanished(err))
	}
	for _, name := range names {
		if err := w.ctx.Err(); err != nil {
			return nil, err
		}
		if err := w.entry(n, fd, name, path+"/"+name); err != nil {
			return nil, err
		}
	}
	return n, nil
}

// entry adds what is called name in the directory fd to its node.
func (w *walker) entry(dir *tree.Node, fd int, name, path string) error {
	var st unix.Stat_t
	if err := unix.Fstatat(fd, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return at(path, vanished(err))
	}
	key, several := inode{st.Dev, st.Ino}, w.o.KeepHardlinks && st.Nlink > 1 && st.Mode&unix.S_IFMT != unix.S_IFDIR
	if seen := w.links[key]; several && seen != nil {
		dir.SetChild(name, seen)
		return nil
	}
	n, err := w.inode(fd, name, path, &st)
	if err != nil || n == nil {
		return err
	}
	if several {
		w.links[key] = n
	}
	dir.SetChild(name, n)
	return nil
}

// inode makes the node of one entry, nil if it is left out.
func (w *walker) inode(fd int, name, path string, st *unix.Stat_t) (*tree.Node, error) {
	switch t := st.Mode & unix.S_IFMT; {
	case t == unix.S_IFDIR:
		sub, err := openat(fd, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW)
		if err != nil {
			return nil, at(path, vanished(err))
		}
		return w.dir(sub, path)
	case (t == unix.S_IFBLK || t == unix.S_IFCHR) && w.o.SkipDevices:
		return nil, nil //nolint:nilnil // nothing is an answer here
	case t == unix.S_IFREG && st.Size > 0:
		return w.regular(fd, name, path)
	default:
		n, err := w.special(fd, name, t)
		return n, at(path, err)
	}
}

// regular opens a file with content and leaves the rest to a reader. Should
// something else stand there meanwhile, opening it without waiting is harmless.
func (w *walker) regular(fd int, name, path string) (*tree.Node, error) {
	sub, err := openat(fd, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY)
	if err != nil {
		return nil, at(path, vanished(err))
	}
	f := &file{fd: sub, path: path, node: &tree.Node{}}
	select {
	case w.files <- f:
		return f.node, nil
	case <-w.ctx.Done():
		f.close()
		return nil, w.ctx.Err()
	}
}

// special reads what has no content outside of its inode.
func (w *walker) special(fd int, name string, wantType uint32) (*tree.Node, error) {
	sub, err := openat(fd, name, unix.O_PATH|unix.O_NOFOLLOW)
	if err != nil {
		return nil, vanished(err)
	}
	defer unix.Close(sub) //nolint:errcheck // nothing was written
	n, err := w.attrs.node(sub, wantType, w.o)
	if err != nil || !n.IsSymlink() {
		return n, err
	}
	n.Target, err = readlink(sub)
	return n, err
}

func readlink(fd int) (string, error) {
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(fd, "", buf)
	if err != nil {
		return "", err
	}
	return string(buf[:n]), nil
}

// vanished makes an ErrChanged of an error which says that what was there a moment ago
// is gone, shorter, or something else.
func vanished(err error) error {
	for _, gone := range []error{unix.ENOENT, unix.ENOTDIR, unix.ELOOP, io.EOF, io.ErrUnexpectedEOF} {
		if errors.Is(err, gone) {
			return fmt.Errorf("%w: %w", ErrChanged, err)
		}
	}
	return err
}

// at adds the path to an error.
func at(path string, err error) error {
	if err == nil {
		return nil
	}
	if path == "" {
		path = "/"
	}
	return fmt.Errorf("%s: %w", path, err)
}

// openat opens a file that no child process inherits.
func openat(fd int, name string, flags int) (int, error) {
	for {
		sub, err := unix.Openat(fd, name, flags|unix.O_CLOEXEC, 0)
		if err != unix.EINTR {
			return sub, err
		}
	}
}

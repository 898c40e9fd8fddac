// Package rootdir reads the root directory of an operating system that need not be
// the one that runs. The kernel resolves symbolic links below the directory, as if it
// were "/", so that neither an absolute link nor a ".." leads out of it.
package rootdir

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Dir is a root directory. It is an [fs.FS] with its links. Names are more than that
// asks for: they need not be UTF-8, nor cleaned, and all are relative to the root. Of the
// entries of a directory only the names and types can be asked.
type Dir struct {
	file *os.File
}

// Open opens the directory called name.
func Open(name string) (*Dir, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	return &Dir{f}, nil
}

// Close ends the use of d.
func (d *Dir) Close() { d.file.Close() }

// Open opens a file or directory for reading. It does not wait for the writer of a
// named pipe.
func (d *Dir) Open(name string) (fs.File, error) {
	return d.open("open", name, unix.O_RDONLY|unix.O_NONBLOCK, 0)
}

// Stat describes what is at name, links followed.
func (d *Dir) Stat(name string) (fs.FileInfo, error) { return d.stat(name, 0) }

// Lstat describes what is at name, which may be a link.
func (d *Dir) Lstat(name string) (fs.FileInfo, error) { return d.stat(name, unix.O_NOFOLLOW) }

func (d *Dir) stat(name string, flags uint64) (fs.FileInfo, error) {
	f, err := d.open("stat", name, unix.O_PATH|flags, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Stat()
}

// ReadLink is the target of the link at name, as it is written.
func (d *Dir) ReadLink(name string) (string, error) {
	parent, err := d.open("readlink", path.Dir(name), unix.O_PATH, 0)
	if err != nil {
		return "", err
	}
	defer parent.Close()
	return readlinkat(int(parent.Fd()), path.Base(name))
}

// ReadDir lists the directory at name, sorted by name in byte order.
func (d *Dir) ReadDir(name string) ([]fs.DirEntry, error) {
	f, err := d.open("open", name, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readDir(f)
}

// ReadFile reads the regular file at name, of at most limit bytes.
func (d *Dir) ReadFile(name string, limit int64) ([]byte, error) {
	return d.readFile(name, limit, 0)
}

// ReadPlainFile does the same with a file that is no link and below none.
func (d *Dir) ReadPlainFile(name string, limit int64) ([]byte, error) {
	return d.readFile(name, limit, unix.RESOLVE_NO_SYMLINKS)
}

func (d *Dir) readFile(name string, limit int64, resolve uint64) ([]byte, error) {
	f, err := d.open("open", name, unix.O_RDONLY|unix.O_NONBLOCK, resolve)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("/%s is no regular file", name)
	}
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("/%s has more than %d bytes", name, limit)
	}
	return data, err
}

// open opens name below d, and nothing else.
func (d *Dir) open(op, name string, flags, resolve uint64) (*os.File, error) {
	clean := path.Clean("/" + name)[1:]
	if clean == "" {
		clean = "."
	}
	fd, err := openat2(int(d.file.Fd()), clean, flags, unix.RESOLVE_IN_ROOT|unix.RESOLVE_NO_MAGICLINKS|resolve)
	if err != nil {
		return nil, &fs.PathError{Op: op, Path: "/" + name, Err: err}
	}
	return os.NewFile(uintptr(fd), "/"+name), nil
}

func openat2(dirfd int, name string, flags, resolve uint64) (int, error) {
	how := unix.OpenHow{Flags: flags | unix.O_CLOEXEC, Resolve: resolve}
	for {
		fd, err := unix.Openat2(dirfd, name, &how)
		if !errors.Is(err, unix.EINTR) && !errors.Is(err, unix.EAGAIN) {
			return fd, err
		}
	}
}

func readlinkat(dirfd int, name string) (string, error) {
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(dirfd, name, buf)
	if err != nil {
		return "", &fs.PathError{Op: "readlink", Path: name, Err: err}
	}
	return string(buf[:n]), nil
}

func readDir(f *os.File) ([]fs.DirEntry, error) {
	entries, err := f.ReadDir(-1)
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, err
}

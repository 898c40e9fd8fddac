package etcmerge

import (
	"errors"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// dir is a directory and what is below it, by paths that cannot lead out: no
// symbolic link is followed, wherever in a path it stands.
type dir struct {
	fd int

	parentPath string // the directory that was asked for last
	parentFD   int    // -1 if there is none
}

// newDir makes a dir of a descriptor, which stays the caller's.
func newDir(fd int) *dir { return &dir{fd: fd, parentFD: -1} }

func (d *dir) close() {
	if d.parentFD >= 0 {
		unix.Close(d.parentFD) //nolint:errcheck // only looked at
		d.parentFD = -1
	}
}

// parent returns the directory that path is in, which is valid until the next
// call, and the last name of path. Many paths in a row are in one directory.
func (d *dir) parent(path string) (fd int, name string, err error) {
	i := strings.LastIndexByte(path, '/')
	if i < 0 {
		return d.fd, path, nil
	}
	if d.parentFD >= 0 && d.parentPath == path[:i] {
		return d.parentFD, path[i+1:], nil
	}
	d.close()
	fd, err = openBelow(d.fd, path[:i], unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return -1, "", err
	}
	d.parentPath, d.parentFD = path[:i], fd
	return fd, path[i+1:], nil
}

// open opens a file for reading. Should a fifo be there, it is not waited for.
func (d *dir) open(path string) (*os.File, error) {
	return d.openAs(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY)
}

// openDir opens a directory, which may be the dir itself.
func (d *dir) openDir(path string) (*os.File, error) {
	return d.openAs(path, unix.O_RDONLY|unix.O_DIRECTORY)
}

func (d *dir) openAs(path string, flags uint64) (*os.File, error) {
	parent, name, err := d.parent(path)
	if err != nil {
		return nil, err
	}
	fd, err := openBelow(parent, name, flags)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), path), nil
}

// stat looks at what is at path.
func (d *dir) stat(path string, st *unix.Stat_t) error {
	parent, name, err := d.parent(path)
	if err != nil {
		return err
	}
	return unix.Fstatat(parent, name, st, unix.AT_SYMLINK_NOFOLLOW)
}

// maxPath is below what the kernel takes as one path.
const maxPath = unix.PathMax - unix.NAME_MAX - 2

// openBelow opens a path below fd, in pieces if it is longer than paths may be.
func openBelow(fd int, path string, flags uint64) (int, error) {
	if len(path) <= maxPath {
		return openat2(fd, path, flags)
	}
	i := strings.LastIndexByte(path[:maxPath], '/')
	if i <= 0 {
		return -1, unix.ENAMETOOLONG
	}
	sub, err := openat2(fd, path[:i], unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return -1, err
	}
	defer unix.Close(sub) //nolint:errcheck // only looked at
	return openBelow(sub, path[i+1:], flags)
}

func openat2(fd int, path string, flags uint64) (int, error) {
	how := unix.OpenHow{Flags: flags | unix.O_CLOEXEC, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS}
	for {
		sub, err := unix.Openat2(fd, path, &how)
		if !errors.Is(err, unix.EINTR) {
			return sub, err
		}
	}
}

// removeAll removes what is called name in the directory fd, with everything
// below it. A missing one is no error.
func removeAll(fd int, name string) error {
	err := unix.Unlinkat(fd, name, 0)
	switch {
	case err == nil || errors.Is(err, unix.ENOENT):
		return nil
	case !errors.Is(err, unix.EISDIR):
		return err
	}
	sub, err := openat2(fd, name, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	if err := removeEntries(os.NewFile(uintptr(sub), name)); err != nil {
		return err
	}
	return unix.Unlinkat(fd, name, unix.AT_REMOVEDIR)
}

// removeEntries empties a directory and closes it.
func removeEntries(f *os.File) error {
	defer f.Close()
	entries, err := f.Readdirnames(-1)
	if err != nil {
		return err
	}
	for _, name := range entries {
		if err := removeAll(int(f.Fd()), name); err != nil {
			return err
		}
	}
	return nil
}

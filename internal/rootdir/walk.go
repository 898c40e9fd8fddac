package rootdir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Entry is a name that [Dir.Walk] meets.
type Entry struct {
	Path string       // with a leading slash
	Stat unix.Statx_t // links are not followed
	dir  *os.File
	name string
}

// Name is the last element of the path.
func (e *Entry) Name() string { return e.name }

// Type is the type of the file, such as unix.S_IFDIR.
func (e *Entry) Type() uint32 { return uint32(e.Stat.Mode) & unix.S_IFMT }

// ReadLink is the target of a symbolic link, as it is written.
func (e *Entry) ReadLink() (string, error) { return readlinkat(int(e.dir.Fd()), e.name) }

// Open opens a regular file for reading.
func (e *Entry) Open() (*os.File, error) {
	fd, err := openat2(int(e.dir.Fd()), e.name, unix.O_RDONLY|unix.O_NONBLOCK, unix.RESOLVE_BENEATH|unix.RESOLVE_NO_SYMLINKS)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: e.Path, Err: err}
	}
	return os.NewFile(uintptr(fd), e.Path), nil
}

// Walk calls fn for all that is below the directory at name, in the order of the
// names, a directory before what is in it. A link is not followed, and what is mounted
// is not met: neither a mount's own name nor what is below it. If there is no such
// directory, or if something is mounted there, nothing is met. fn returns [fs.SkipDir]
// to leave out what is in a directory; any other error ends the walk.
func (d *Dir) Walk(name string, fn func(*Entry) error) error {
	f, err := d.open("open", name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, unix.RESOLVE_NO_XDEV)
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.ELOOP), errors.Is(err, unix.EXDEV):
		return nil
	case err != nil:
		return err
	}
	defer f.Close()
	return walk(f, strings.TrimSuffix("/"+name, "/."), fn)
}

// walk visits what is in dir, whose path is prefix.
func walk(dir *os.File, prefix string, fn func(*Entry) error) error {
	entries, err := readDir(dir)
	if err != nil {
		return fmt.Errorf("directory %q: %w", prefix+"/", err)
	}
	for _, de := range entries {
		e := &Entry{Path: prefix + "/" + de.Name(), dir: dir, name: de.Name()}
		if err := statx(int(dir.Fd()), e.name, &e.Stat); err != nil {
			return &fs.PathError{Op: "stat", Path: e.Path, Err: err}
		}
		if isMount(&e.Stat) {
			continue
		}
		if err := e.visit(fn); err != nil {
			return err
		}
	}
	return nil
}

func (e *Entry) visit(fn func(*Entry) error) error {
	err := fn(e)
	if e.Type() != unix.S_IFDIR || err != nil {
		if errors.Is(err, fs.SkipDir) {
			return nil
		}
		return err
	}
	fd, err := openat2(int(e.dir.Fd()), e.name, unix.O_RDONLY|unix.O_DIRECTORY,
		unix.RESOLVE_BENEATH|unix.RESOLVE_NO_SYMLINKS|unix.RESOLVE_NO_XDEV)
	switch {
	case errors.Is(err, unix.EXDEV): // mounted since it was looked at
		return nil
	case err != nil:
		return &fs.PathError{Op: "open", Path: e.Path, Err: err}
	}
	sub := os.NewFile(uintptr(fd), e.Path)
	defer sub.Close()
	return walk(sub, e.Path, fn)
}

func statx(dirfd int, name string, st *unix.Statx_t) error {
	return unix.Statx(dirfd, name, unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT, unix.STATX_BASIC_STATS, st)
}

func isMount(st *unix.Statx_t) bool { return st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0 }

package repo

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	objectsName = "objects"
	imagesName  = "images"
	streamsName = "streams"
	refsName    = "refs" // below images and streams

	dirMode  = 0o755
	fileMode = 0o644
)

// openRetry is openat(2), again if a signal came between.
func openRetry(dirfd int, name string, flags int, mode uint32) (int, error) {
	for {
		fd, err := unix.Openat(dirfd, name, flags, mode)
		if !errors.Is(err, unix.EINTR) {
			return fd, err
		}
	}
}

// openFile opens a regular file of the repository for reading, and nothing
// that could block or lead elsewhere. Errors are the kernel's.
func (r *Repo) openFile(name string) (*os.File, error) {
	fd, err := openRetry(r.fd, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), path.Join(r.path, name))
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = fmt.Errorf("not a regular file but %s", st.Mode().Type())
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// openDir opens a directory of the repository, component by component so that
// no symbolic link leads out of it, and makes what is missing if create is
// set. Errors name the component.
func (r *Repo) openDir(name string, create bool) (*os.File, error) {
	dir := r.dir
	for part := range strings.SplitSeq(name, "/") {
		sub, err := openSubdir(dir, part, create)
		if dir != r.dir {
			dir.Close()
		}
		if err != nil {
			return nil, err
		}
		dir = sub
	}
	return dir, nil
}

func openSubdir(dir *os.File, name string, create bool) (*os.File, error) {
	const flags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	full := path.Join(dir.Name(), name)
	fd, err := openRetry(int(dir.Fd()), name, flags, 0)
	if create && errors.Is(err, unix.ENOENT) {
		if err := makeDir(int(dir.Fd()), name); err != nil {
			return nil, fmt.Errorf("make directory %s: %w", full, err)
		}
		if err := dir.Sync(); err != nil {
			return nil, fmt.Errorf("sync directory %s: %w", dir.Name(), err)
		}
		fd, err = openRetry(int(dir.Fd()), name, flags, 0)
	}
	if err != nil {
		return nil, &os.PathError{Op: "open directory", Path: full, Err: err}
	}
	return os.NewFile(uintptr(fd), full), nil
}

// makeDir makes a directory with the mode that all of them have, whatever the
// umask. One that is there is left as it is.
func makeDir(dirfd int, name string) error {
	err := unix.Mkdirat(dirfd, name, dirMode)
	if errors.Is(err, unix.EEXIST) {
		return nil
	}
	if err != nil {
		return err
	}
	return unix.Fchmodat(dirfd, name, dirMode, 0)
}

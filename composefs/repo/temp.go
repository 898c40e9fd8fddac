package repo

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// tempObject begins the names of temporary files, as composefs-rs calls them;
// they stand in objects itself, where neither program looks for objects.
const tempObject = ".tmp-object-"

// temp is a file on its way to a name.
//
// It has none yet (O_TMPFILE), so that a program that dies leaves nothing
// behind, which matters twice: a half-written object must not stand under the
// name of a whole one, and cleaning up would mean deleting, after which ext4
// creates files ten times slower for a minute. Measured on ext4 (Linux 6.18, 2
// cores, files of 24 KB, per CPU second): O_TMPFILE and linkat(AT_EMPTY_PATH)
// 57,000 files; a temporary name and renameat2 in the same directory 50,000,
// from another directory 42,000; and 60,000 for opening the final name
// directly, which is the one that is not safe. Only a file system that lacks
// O_TMPFILE gets a temporary name.
type temp struct {
	dirfd int    // names are relative to it
	fd    int    // -1 when closed
	name  string // "" for O_TMPFILE

	// shut says that fd is for reading. fs-verity refuses a file that anybody
	// can write to, and a child that is forked has a copy of every descriptor
	// until its exec is nearly over. So the file is open for writing only while
	// nobody can fork, which must not be long: never while a reader is waited
	// for.
	shut bool
}

// newTemp makes a temp in dir; one that needs a name gets it in scratch.
func (r *Repo) newTemp(dir, scratch string) (*temp, error) {
	if r.insecure {
		return r.createTemp(dir, scratch)
	}
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	t, err := r.createTemp(dir, scratch)
	if err != nil {
		return nil, err
	}
	if err := t.shutWriter(); err != nil {
		t.discard()
		return nil, err
	}
	return t, nil
}

func (r *Repo) createTemp(dir, scratch string) (*temp, error) {
	fd, err := r.kernel.openTemp(r.fd, dir)
	if err == nil {
		return &temp{dirfd: r.fd, fd: fd}, nil
	}
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EISDIR) {
		return newNamedTemp(r.fd, scratch)
	}
	return nil, err
}

func newNamedTemp(dirfd int, scratch string) (*temp, error) {
	t := &temp{dirfd: dirfd}
	err := t.tryNames(scratch, func(name string) (err error) {
		t.fd, err = openRetry(dirfd, name, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_CLOEXEC, fileMode)
		return err
	})
	if err != nil {
		return nil, err
	}
	return t, nil
}

// tryNames calls fn with temporary names below scratch until one was free.
func (t *temp) tryNames(scratch string, fn func(name string) error) error {
	for range 100 {
		name := scratch + "/" + tempObject + strconv.FormatUint(rand.Uint64(), 36)
		err := fn(name)
		if err == nil {
			t.name = name
		}
		if !errors.Is(err, unix.EEXIST) {
			return err
		}
	}
	return unix.EEXIST
}

// write appends p.
func (t *temp) write(p []byte) error {
	if !t.shut {
		return writeAll(t.fd, p)
	}
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	fd, err := openRetry(unix.AT_FDCWD, procPath(t.fd), unix.O_WRONLY|unix.O_APPEND|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("reopen: %w", err)
	}
	defer unix.Close(fd) //nolint:errcheck // the content is checked by its digest
	return writeAll(fd, p)
}

func writeAll(fd int, p []byte) error {
	for len(p) > 0 {
		n, err := unix.Write(fd, p)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
		p = p[max(n, 0):]
	}
	return nil
}

// shutWriter makes the file one that is open for reading only.
func (t *temp) shutWriter() error {
	fd, err := openRetry(unix.AT_FDCWD, procPath(t.fd), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("reopen: %w", err)
	}
	unix.Close(t.fd) //nolint:errcheck // nothing was written
	t.fd, t.shut = fd, true
	return nil
}

// file lends the open file as an os.File.
func (t *temp) file(fn func(*os.File) error) error {
	fd, err := unix.FcntlInt(uintptr(t.fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), t.name)
	defer f.Close()
	return fn(f)
}

// link gives the file its name. If the name is taken the error is EEXIST.
func (t *temp) link(name string) error {
	if t.name != "" {
		err := unix.Renameat2(t.dirfd, t.name, t.dirfd, name, unix.RENAME_NOREPLACE)
		if err == nil {
			t.name = ""
		}
		return err
	}
	// Without CAP_DAC_READ_SEARCH kernels before 6.10 refuse an empty path
	// with ENOENT.
	err := unix.Linkat(t.fd, "", t.dirfd, name, unix.AT_EMPTY_PATH)
	if errors.Is(err, unix.ENOENT) {
		err = unix.Linkat(unix.AT_FDCWD, procPath(t.fd), t.dirfd, name, unix.AT_SYMLINK_FOLLOW)
	}
	return err
}

// replace gives the file its name, in place of the file that has it.
func (t *temp) replace(scratch, name string) error {
	if t.name == "" {
		if err := t.tryNames(scratch, t.link); err != nil {
			return err
		}
	}
	err := unix.Renameat(t.dirfd, t.name, t.dirfd, name)
	if err == nil {
		t.name = ""
	}
	return err
}

// discard closes the file, and removes it if it has a temporary name still.
func (t *temp) discard() {
	if t.fd >= 0 {
		unix.Close(t.fd) //nolint:errcheck // nothing depends on it
		t.fd = -1
	}
	if t.name != "" {
		unix.Unlinkat(t.dirfd, t.name, 0) //nolint:errcheck // GC removes what stays
		t.name = ""
	}
}

func procPath(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }

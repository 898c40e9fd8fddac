// Package atomicfile replaces files and symbolic links so that whoever looks,
// at any instant and after a power cut, finds the old one or the new one,
// whole.
//
// The order is always the same: write under a temporary name, fsync the file,
// rename, fsync the directory. Without the first fsync a power cut may leave
// the new name with an empty file; without the second, the old file after the
// caller was told that the new one is there.
package atomicfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// TempPrefix begins the names of temporary files. A program that dies leaves
// one behind now and then; whoever owns the directory may remove them when
// nobody else writes to it.
const TempPrefix = ".tmp-"

// attempts bounds the search for a temporary name that is free. A name is
// never fixed: what a crash left behind would block the retry.
const attempts = 100

// Write makes the file name, a path below dir, hold what fill writes, with
// exactly the permission bits perm. The temporary file stands in dir itself,
// under a name that begins with [TempPrefix], so dir and name must be on one
// file system.
func Write(dir *os.File, name string, perm fs.FileMode, fill func(io.Writer) error) error {
	f, err := create(dir)
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", name, err)
	}
	temp := f.Name()
	err = finish(f, perm, fill)
	if err == nil {
		err = replace(dir, temp, name)
	}
	if err != nil {
		unix.Unlinkat(int(dir.Fd()), temp, 0) //nolint:errcheck // the error that matters is the first
		return fmt.Errorf("cannot write %s: %w", name, err)
	}
	return nil
}

// WriteFile is Write for content in memory.
func WriteFile(dir *os.File, name string, data []byte, perm fs.FileMode) error {
	return Write(dir, name, perm, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// WriteLike is WriteFile with the mode, the owner and the extended attributes, labels
// among them, of the file like. What the file system does not keep of attributes is
// left out.
func WriteLike(dir *os.File, name string, like *os.File, data []byte) error {
	st, err := like.Stat()
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", name, err)
	}
	return Write(dir, name, st.Mode().Perm(), func(w io.Writer) error {
		if f, ok := w.(*os.File); ok {
			if err := copyAttributes(like, f); err != nil {
				return err
			}
		}
		_, err := w.Write(data)
		return err
	})
}

// copyAttributes gives f owner and extended attributes of like.
func copyAttributes(like, f *os.File) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(like.Fd()), &st); err != nil {
		return fmt.Errorf("stat: %w", err)
	}
	if err := f.Chown(int(st.Uid), int(st.Gid)); err != nil {
		return err
	}
	list := make([]byte, 64<<10) // the kernel's limit
	n, err := unix.Flistxattr(int(like.Fd()), list)
	if err != nil {
		return ignoreUnsupported(err)
	}
	value := make([]byte, 64<<10)
	for name := range strings.SplitSeq(strings.TrimSuffix(string(list[:n]), "\x00"), "\x00") {
		if name == "" {
			continue
		}
		size, err := unix.Fgetxattr(int(like.Fd()), name, value)
		if err == nil {
			err = unix.Fsetxattr(int(f.Fd()), name, value[:size], 0)
		}
		if err := ignoreUnsupported(err); err != nil {
			return fmt.Errorf("extended attribute %s: %w", name, err)
		}
	}
	return nil
}

func ignoreUnsupported(err error) error {
	if errors.Is(err, unix.EOPNOTSUPP) {
		return nil
	}
	return err
}

// create makes a temporary file that only the owner can read, until it is
// finished.
func create(dir *os.File) (*os.File, error) {
	temp, fd, err := tryNames(func(temp string) (int, error) {
		return unix.Openat(int(dir.Fd()), temp, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0o600)
	})
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), temp), nil
}

// finish fills and closes f; afterwards its content is on disk.
func finish(f *os.File, perm fs.FileMode, fill func(io.Writer) error) error {
	err := fill(f)
	if err == nil {
		err = f.Chmod(perm) // the mode given to open would be cut by the umask
	}
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

// replace puts the temporary name in name's place for good.
func replace(dir *os.File, temp, name string) error {
	if err := unix.Renameat(int(dir.Fd()), temp, int(dir.Fd()), name); err != nil {
		return fmt.Errorf("rename: %w", err)
	}
	return syncParent(dir, name)
}

// Symlink makes name, a path below dir, a symbolic link to target, in place of
// whatever link or file stood there. A temporary name, if one is needed,
// stands in dir itself, as with [Write].
func Symlink(dir *os.File, target, name string) error {
	if err := symlink(dir, target, name); err != nil {
		return fmt.Errorf("cannot link %s to %s: %w", name, target, err)
	}
	return nil
}

func symlink(dir *os.File, target, name string) error {
	err := unix.Symlinkat(target, int(dir.Fd()), name)
	if err == nil || errors.Is(err, unix.EEXIST) && linksTo(dir, name, target) {
		return syncParent(dir, name)
	}
	if !errors.Is(err, unix.EEXIST) {
		return err
	}
	temp, _, err := tryNames(func(temp string) (int, error) {
		return 0, unix.Symlinkat(target, int(dir.Fd()), temp)
	})
	if err != nil {
		return err
	}
	if err := replace(dir, temp, name); err != nil {
		unix.Unlinkat(int(dir.Fd()), temp, 0) //nolint:errcheck // the error that matters is the first
		return err
	}
	return nil
}

func linksTo(dir *os.File, name, target string) bool {
	buf := make([]byte, len(target)+1)
	n, err := unix.Readlinkat(int(dir.Fd()), name, buf)
	return err == nil && string(buf[:n]) == target
}

// Remove removes the file or link name, a path below dir, and makes that
// durable. A missing one is no error.
func Remove(dir *os.File, name string) error {
	err := unix.Unlinkat(int(dir.Fd()), name, 0)
	if err == nil {
		err = syncParent(dir, name)
	}
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("cannot remove %s: %w", name, err)
	}
	return nil
}

// SyncDir makes the entries of dir durable.
func SyncDir(dir *os.File) error {
	if err := dir.Sync(); err != nil {
		return fmt.Errorf("cannot sync directory: %w", err)
	}
	return nil
}

// SyncFS makes all changes of dir's file system durable. On FAT syncfs leaves them in the
// cache of the disk, where a power cut drops them in any order, and so does ext4 with
// blocks that its journal has already; after it, fsync of a directory empties the cache.
func SyncFS(dir *os.File) error {
	if err := unix.Syncfs(int(dir.Fd())); err != nil {
		return fmt.Errorf("cannot sync file system: %w", err)
	}
	return SyncDir(dir)
}

// syncParent makes name's entry in its directory durable.
func syncParent(dir *os.File, name string) error {
	parent := path.Dir(name)
	fd, err := unix.Openat(int(dir.Fd()), parent, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open %s: %w", parent, err)
	}
	f := os.NewFile(uintptr(fd), parent)
	defer f.Close()
	return f.Sync()
}

// tryNames calls make with temporary names until one was free.
func tryNames(make func(temp string) (int, error)) (string, int, error) {
	for range attempts {
		temp := TempPrefix + strconv.FormatUint(rand.Uint64(), 36)
		fd, err := make(temp)
		if err == nil {
			return temp, fd, nil
		}
		if !errors.Is(err, unix.EEXIST) {
			return "", -1, fmt.Errorf("make temporary file: %w", err)
		}
	}
	return "", -1, fmt.Errorf("make temporary file: %w", unix.EEXIST)
}

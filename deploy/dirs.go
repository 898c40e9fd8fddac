package deploy

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/internal/atomicfile"
)

// fdPath leads to what f has open, even if that is attached nowhere.
func fdPath(f *os.File) string { return "/proc/self/fd/" + strconv.Itoa(int(f.Fd())) }

// makeDirs makes the directory name below root, and those above it, as they are
// missing: readable for all, and durable.
func makeDirs(root *os.Root, name string) error {
	for i := 1; i <= len(name); i++ {
		if i < len(name) && name[i] != '/' {
			continue
		}
		dir := name[:i]
		err := root.Mkdir(dir, 0o755)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err == nil {
			err = root.Chmod(dir, 0o755) // whatever the umask
		}
		if err == nil {
			err = syncDir(root, path.Dir(dir))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// syncDir makes the entries of a directory durable.
func syncDir(root *os.Root, name string) error {
	dir, err := root.Open(name)
	if err != nil {
		return err
	}
	defer dir.Close()
	return atomicfile.SyncDir(dir)
}

// readSmall reads a file of at most limit bytes.
func readSmall(root *os.Root, name string, limit int64) ([]byte, error) {
	f, err := root.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("larger than %d bytes", limit)
	}
	return data, err
}

// exists reports whether there is anything of that name.
func exists(root *os.Root, name string) (bool, error) {
	_, err := root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// exchange has two directories take each other's place, in one rename, for good.
func exchange(root *os.Root, a, b string) error {
	aDir, err := root.Open(path.Dir(a))
	if err != nil {
		return err
	}
	defer aDir.Close()
	bDir, err := root.Open(path.Dir(b))
	if err != nil {
		return err
	}
	defer bDir.Close()
	err = unix.Renameat2(int(aDir.Fd()), path.Base(a), int(bDir.Fd()), path.Base(b), unix.RENAME_EXCHANGE)
	if err != nil {
		return fmt.Errorf("exchange %s and %s: %w", a, b, err)
	}
	return errors.Join(atomicfile.SyncDir(aDir), atomicfile.SyncDir(bDir))
}

// inode is the number of what name is, 0 if there is nothing.
func inode(root *os.Root, name string) (uint64, error) {
	fi, err := root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, fmt.Errorf("internal error: %s has no inode", name)
	}
	return st.Ino, nil
}

// moveInto moves the directory from to the name to beside it, for good. What was
// there has the name from afterwards.
func moveInto(root *os.Root, from, to string) error {
	dir, err := root.Open(path.Dir(from))
	if err != nil {
		return err
	}
	defer dir.Close()
	fd, from, to := int(dir.Fd()), path.Base(from), path.Base(to)
	err = unix.Renameat2(fd, from, fd, to, unix.RENAME_EXCHANGE)
	if errors.Is(err, unix.ENOENT) {
		err = unix.Renameat2(fd, from, fd, to, unix.RENAME_NOREPLACE)
	}
	if err != nil {
		return fmt.Errorf("move %s to %s: %w", from, to, err)
	}
	return atomicfile.SyncDir(dir)
}

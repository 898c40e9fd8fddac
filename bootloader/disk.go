package bootloader

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/internal/atomicfile"
)

// area is a directory on a file system that the loader reads.
type area struct {
	name string   // of the file system, for people
	dir  *os.File // its directory, nil if there is none
	path string   // below dir, "." or as in "EFI/Linux"
}

// open opens the directory itself, not path, for work that stays below it.
func (a area) open() (*os.Root, error) { return os.OpenRoot(fdPath(a.dir)) }

func fdPath(dir *os.File) string { return "/proc/self/fd/" + strconv.Itoa(int(dir.Fd())) }

// sync makes all changes of the file system durable. FAT promises nothing for other
// directories than that of an fsync, so the whole file system it is.
func (a area) sync() error {
	if err := atomicfile.SyncFS(a.dir); err != nil {
		return fmt.Errorf("sync %s: %w", a.name, err)
	}
	return nil
}

// settle is sync for a reader that does not replay journals, as GRUB does not. On XFS
// a synced change may be in the log only; freezing brings everything to its place.
// After the sync of ext4 the blocks are in their place as well, of btrfs there is a
// new tree, FAT has no journal.
func (a area) settle() error {
	if err := a.sync(); err != nil {
		return err
	}
	var st unix.Statfs_t
	fd := int(a.dir.Fd())
	if err := unix.Fstatfs(fd, &st); err != nil {
		return fmt.Errorf("%s: %w", a.name, err)
	}
	if st.Type != unix.XFS_SUPER_MAGIC {
		return nil
	}
	if err := unix.IoctlSetInt(fd, fiFreeze, 0); err != nil {
		return fmt.Errorf("freeze %s: %w", a.name, err)
	}
	if err := unix.IoctlSetInt(fd, fiThaw, 0); err != nil {
		return fmt.Errorf("thaw %s: %w", a.name, err)
	}
	return nil
}

// Requests of include/uapi/linux/fs.h: _IOWR('X', 119, int) and _IOWR('X', 120, int).
const (
	fiFreeze = 0xc0045877
	fiThaw   = 0xc0045878
)

// free is how many bytes an unprivileged writer could add. Root's reserve is left
// alone.
func (a area) free() (int64, error) {
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(a.dir.Fd()), &st); err != nil {
		return 0, fmt.Errorf("%s: %w", a.name, err)
	}
	return int64(st.Bavail) * st.Bsize, nil
}

// exchange makes two names of one directory swap what they name, in one step.
func exchange(r *os.Root, dir, a, b string) error {
	d, err := r.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	err = unix.Renameat2(int(d.Fd()), a, int(d.Fd()), b, unix.RENAME_EXCHANGE)
	if errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("this file system cannot exchange %s and %s, which for FAT needs Linux 6.0: %w", a, b, err)
	}
	return err
}

// create writes a new file. It is durable after the next sync; until a name that
// readers look for leads to it, nobody sees it, so no temporary name is needed.
func create(ctx context.Context, r *os.Root, name string, content io.Reader) error {
	f, err := r.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, contextReader{ctx, content})
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// contextReader ends with the context's error.
type contextReader struct {
	ctx context.Context //nolint:containedctx // the reader lives as long as one copy
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// readFile reads a regular file of at most limit bytes.
func readFile(r *os.Root, name string, limit int64) ([]byte, error) {
	f, err := r.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file", name)
	}
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%s has more than %d bytes", name, limit)
	}
	return data, nil
}

// list returns what is in a directory, in order; nothing if it is missing.
func list(r *os.Root, dir string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(r.FS(), path.Clean(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return entries, err
}

// isFile reports whether name is a regular file that is not empty.
func isFile(r *os.Root, name string) bool {
	st, err := r.Lstat(name)
	return err == nil && st.Mode().IsRegular() && st.Size() > 0
}

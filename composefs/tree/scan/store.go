package scan

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/verity"
)

// DigestStore is a directory of files by digest, as mkcomposefs
// --digest-store makes it and mount.composefs wants it: the file with the
// digest abcd… is ab/cd….
type DigestStore struct {
	path string
	dir  *os.File
}

// OpenDigestStore opens the store at path, which it makes if need be.
func OpenDigestStore(path string) (*DigestStore, error) {
	err := os.MkdirAll(path, 0o755)
	if err == nil {
		var dir *os.File
		if dir, err = os.Open(path); err == nil {
			return &DigestStore{path, dir}, nil
		}
	}
	return nil, fmt.Errorf("cannot open digest store: %w", err)
}

// Close makes all that was put durable and closes the store.
func (s *DigestStore) Close() error {
	err := unix.Syncfs(int(s.dir.Fd()))
	if err = errors.Join(err, s.dir.Close()); err != nil {
		return fmt.Errorf("cannot write digest store %s: %w", s.path, err)
	}
	return nil
}

// Put adds a copy of f, which has size bytes and the digest d, unless it is
// there; the copy shares the blocks of f where the file system can. It has
// fs-verity where that is supported. A file of the wrong size, which a power
// cut can leave, is replaced. The signature is that of [Options].Store.
func (s *DigestStore) Put(_ context.Context, f *os.File, size int64, d verity.Digest) error {
	name := d.ObjectPath()
	if s.has(name, size) {
		return nil
	}
	if err := unix.Mkdirat(int(s.dir.Fd()), name[:2], 0o755); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("digest store: %w", err)
	}
	// Many goroutines may put the same file: each has its own temporary name.
	temp := ".tmp" + strconv.Itoa(os.Getpid()) + "-" + strconv.FormatUint(uint64(f.Fd()), 10)
	err := s.copy(temp, f, size)
	if err == nil {
		s.protect(temp, d.Algorithm())
		err = unix.Renameat(int(s.dir.Fd()), temp, int(s.dir.Fd()), name)
	}
	if err != nil {
		unix.Unlinkat(int(s.dir.Fd()), temp, 0) //nolint:errcheck // the first error counts
		return fmt.Errorf("digest store: %w", err)
	}
	return nil
}

func (s *DigestStore) has(name string, size int64) bool {
	var st unix.Stat_t
	err := unix.Fstatat(int(s.dir.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW)
	return err == nil && st.Mode&unix.S_IFMT == unix.S_IFREG && st.Size == size
}

// copy makes the file temp a copy of f. No child process gets hold of the
// descriptor it writes through, see [verity.Enable].
func (s *DigestStore) copy(temp string, f *os.File, size int64) error {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	unix.Unlinkat(int(s.dir.Fd()), temp, 0) //nolint:errcheck // usually nothing is there
	fd, err := unix.Openat(int(s.dir.Fd()), temp, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	out := os.NewFile(uintptr(fd), temp)
	defer out.Close()
	if err := copyData(out, f, size); err != nil {
		return err
	}
	return errors.Join(out.Chmod(0o644), out.Close())
}

func copyData(out, f *os.File, size int64) error {
	if unix.IoctlFileClone(int(out.Fd()), int(f.Fd())) == nil {
		return nil
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	n, err := io.Copy(out, f) // by copy_file_range(2) where that works
	if err == nil && n != size {
		return ErrChanged
	}
	return err
}

// protect enables fs-verity, if that can be.
func (s *DigestStore) protect(temp string, alg verity.Algorithm) {
	fd, err := openat(int(s.dir.Fd()), temp, unix.O_RDONLY|unix.O_NOFOLLOW)
	if err != nil {
		return
	}
	f := os.NewFile(uintptr(fd), temp)
	defer f.Close()
	verity.Enable(f, alg) //nolint:errcheck // as mkcomposefs: the image's digests are checked at mount if wanted
}

package disk

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Mount is a mounted file system that is attached nowhere.
type Mount struct {
	Root *os.File // its root directory
	fd   int
}

// Mount mounts the file system of the type fstype on the partition.
func (p *Partition) Mount(fstype string) (*Mount, error) {
	m, err := mount(p.Name(), fstype, nil)
	if err != nil {
		return nil, fmt.Errorf("cannot mount %s: %w", p.Name(), err)
	}
	return m, nil
}

// Memory mounts an empty file system in memory that has room for size bytes.
func Memory(size int64) (*Mount, error) {
	m, err := mount("tmpfs", "tmpfs", map[string]string{"size": strconv.FormatInt(size, 10), "mode": "0700"})
	if err != nil {
		return nil, fmt.Errorf("cannot mount a file system in memory: %w", err)
	}
	return m, nil
}

func mount(source, fstype string, options map[string]string) (*Mount, error) {
	fs, err := unix.Fsopen(fstype, unix.FSOPEN_CLOEXEC)
	if errors.Is(err, unix.ENODEV) {
		return nil, fmt.Errorf("the kernel does not know %s (modprobe %s)", fstype, fstype)
	}
	if err != nil {
		return nil, fmt.Errorf("fsopen: %w", err)
	}
	defer unix.Close(fs) //nolint:errcheck // nothing is written through it
	if err := unix.FsconfigSetString(fs, "source", source); err != nil {
		return nil, explain(fs, err)
	}
	for key, value := range options {
		if err := unix.FsconfigSetString(fs, key, value); err != nil {
			return nil, explain(fs, err)
		}
	}
	if err := unix.FsconfigCreate(fs); err != nil {
		return nil, explain(fs, err)
	}
	fd, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, 0)
	if err != nil {
		return nil, explain(fs, err)
	}
	root, err := unix.Openat(fd, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		unix.Close(fd) //nolint:errcheck // the first error counts
		return nil, err
	}
	return &Mount{Root: os.NewFile(uintptr(root), source), fd: fd}, nil
}

// explain adds what the kernel noted in the file system context to err.
func explain(fs int, err error) error {
	buf := make([]byte, 4096)
	n, rerr := unix.Read(fs, buf)
	if rerr != nil || n < 2 {
		return err
	}
	return fmt.Errorf("%w: %s", err, bytes.TrimSpace(buf[2:n])) // after "e " or "w "
}

// Trim tells the device which blocks are free, if it wants to know.
func Trim(root *os.File) error {
	all := struct{ start, length, minimum uint64 }{length: 1<<64 - 1}
	const fitrim = 0xC0185879
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, root.Fd(), fitrim, uintptr(unsafe.Pointer(&all)))
	switch errno {
	case 0, unix.EOPNOTSUPP, unix.ENOTTY:
		return nil
	}
	return fmt.Errorf("cannot trim the file system: %w", errno)
}

// Seal makes everything durable and leaves the file system with the root directory
// root as if it were unmounted: read-only, its journal empty.
func Seal(root *os.File) error {
	if err := unix.Syncfs(int(root.Fd())); err != nil {
		return fmt.Errorf("cannot sync the file system: %w", err)
	}
	fs, err := unix.Fspick(int(root.Fd()), "", unix.FSPICK_EMPTY_PATH|unix.FSPICK_CLOEXEC)
	if err == nil {
		defer unix.Close(fs) //nolint:errcheck // nothing is written through it
		if err = unix.FsconfigSetFlag(fs, "ro"); err == nil {
			err = unix.FsconfigReconfigure(fs)
		}
	}
	if err != nil {
		return fmt.Errorf("cannot make the file system read-only: %w", err)
	}
	return nil
}

// Close unmounts.
func (m *Mount) Close() error {
	return errors.Join(m.Root.Close(), unix.Close(m.fd))
}

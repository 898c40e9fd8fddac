package disk

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/internal/atomicfile"
	"github.com/bootc-go/bootc/internal/mounts"
)

// Mount mounts the file system of the type fstype on the partition.
func (p *Partition) Mount(fstype string) (*mounts.View, error) {
	m, err := mounts.New(fstype, p.Name())
	if err != nil {
		return nil, fmt.Errorf("cannot mount %s: %w", p.Name(), err)
	}
	return m, nil
}

// Memory mounts an empty file system in memory that has room for size bytes.
func Memory(size int64) (*mounts.View, error) {
	m, err := mounts.New("tmpfs", "tmpfs", "size="+strconv.FormatInt(size, 10), "mode=0700")
	if err != nil {
		return nil, fmt.Errorf("cannot mount a file system in memory: %w", err)
	}
	return m, nil
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
	if err := atomicfile.SyncFS(root); err != nil {
		return err
	}
	err := makeReadOnly(root)
	for end := time.Now().Add(sealPatience); errors.Is(err, unix.EBUSY) && time.Now().Before(end); {
		time.Sleep(sealPause)
		err = makeReadOnly(root)
	}
	if err != nil {
		return fmt.Errorf("cannot make the file system read-only: %w", err)
	}
	return nil
}

// A process that this one starts has, until it runs its program, all files that are
// open here, also those that were closed meanwhile. The file system is busy for as long.
const (
	sealPatience = 10 * time.Second
	sealPause    = 10 * time.Millisecond
)

func makeReadOnly(root *os.File) error {
	fs, err := unix.Fspick(int(root.Fd()), "", unix.FSPICK_EMPTY_PATH|unix.FSPICK_CLOEXEC)
	if err != nil {
		return err
	}
	defer unix.Close(fs) //nolint:errcheck // nothing is written through it
	if err := unix.FsconfigSetFlag(fs, "ro"); err != nil {
		return err
	}
	return unix.FsconfigReconfigure(fs)
}

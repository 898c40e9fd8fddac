// Package disk partitions a disk, or a file that holds one, makes file systems in
// its partitions, and mounts them where nobody sees them.
//
// What it mounts and attaches ends with the descriptors that hold it, so that also
// a process that is killed leaves no mount and no loop device behind.
package disk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// What callers branch on.
var (
	// ErrInUse means that somebody uses the disk or a part of it.
	ErrInUse = errors.New("in use")
	// ErrNotEmpty means that there is something on the disk or the file system.
	ErrNotEmpty = errors.New("not empty")
	// ErrMissingTool means that a program is not installed.
	ErrMissingTool = errors.New("missing program")
)

// Disk is an unused disk that is locked against others.
type Disk struct {
	file   *os.File
	name   string
	block  bool // a block device, not a file
	size   int64
	sector int64
}

// Open opens the block device called name, or with loopback the regular file.
// Nobody may use it: nothing of it is mounted or swapped to, and no other device
// lies on it (ErrInUse).
func Open(ctx context.Context, name string, loopback bool) (*Disk, error) {
	d, err := open(ctx, name, loopback)
	if err != nil {
		return nil, fmt.Errorf("cannot use %s: %w", name, err)
	}
	return d, nil
}

func open(ctx context.Context, name string, loopback bool) (*Disk, error) {
	if err := checkKind(name, loopback); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return nil, bare(err)
	}
	d := &Disk{file: f, name: name, block: !loopback}
	if err := d.examine(ctx); err != nil {
		f.Close()
		return nil, err
	}
	return d, nil
}

// checkKind refuses what is no disk before it is opened.
func checkKind(name string, loopback bool) error {
	st, err := os.Stat(name)
	switch {
	case err != nil:
		return bare(err)
	case loopback && !st.Mode().IsRegular():
		return errors.New("it is no regular file, which --via-loopback takes")
	case loopback:
		return nil
	case st.Mode().IsRegular():
		return errors.New("it is a regular file, not a block device: add --via-loopback")
	case st.Mode()&os.ModeDevice == 0 || st.Mode()&os.ModeCharDevice != 0:
		return errors.New("it is no block device")
	}
	return nil
}

func (d *Disk) examine(ctx context.Context) error {
	var err error
	if d.size, err = d.file.Seek(0, io.SeekEnd); err != nil {
		return bare(err)
	}
	d.sector = 512
	if d.block {
		if err := d.examineDevice(); err != nil {
			return err
		}
	}
	if err := d.lock(ctx); err != nil {
		return err
	}
	return d.checkUnused(ctx)
}

func (d *Disk) examineDevice() error {
	sector, err := unix.IoctlGetInt(int(d.file.Fd()), unix.BLKSSZGET)
	if err != nil {
		return fmt.Errorf("size of its sectors: %w", err)
	}
	d.sector = int64(sector)
	dir, err := d.sysfs()
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(dir, "partition")); err == nil {
		return errors.New("it is a partition, not a whole disk")
	}
	// As many as the kernel makes of it, itself included.
	if text, err := attribute(dir, "ext_range"); err != nil || text == "1" || text == "0" {
		return errors.Join(err, errors.New("the kernel makes no partitions of this device"))
	}
	return nil
}

// lock keeps others away who lock: a second installation, and udev, which would
// look at partitions that are being made.
func (d *Disk) lock(ctx context.Context) error {
	late := fmt.Errorf("%w: another program has locked it", ErrInUse)
	return wait(ctx, 30, late, func() (bool, error) { // udev holds its lock for moments
		err := unix.Flock(int(d.file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if errors.Is(err, unix.EWOULDBLOCK) {
			return false, nil
		}
		return true, err
	})
}

// checkUnused refuses a disk that is in use, and says by what if it can find that
// out. The kernel knows also what other mount namespaces hold, and what is about to
// end, but for loop devices.
func (d *Disk) checkUnused(ctx context.Context) error {
	if err := d.checkNoLoop(); err != nil || !d.block {
		return err
	}
	late := fmt.Errorf("%w by the kernel or by another program", ErrInUse)
	return wait(ctx, 30, late, func() (bool, error) {
		f, err := os.OpenFile(fdPath(d.file), os.O_RDONLY|unix.O_EXCL, 0)
		if err == nil {
			return true, f.Close()
		}
		if !errors.Is(err, unix.EBUSY) {
			return false, bare(err)
		}
		users, err := d.users()
		if len(users) > 0 {
			err = fmt.Errorf("%w: %s", ErrInUse, strings.Join(users, ", "))
		}
		return false, err
	})
}

// CheckUnused returns an ErrInUse if somebody began to use the disk since Open.
func (d *Disk) CheckUnused(ctx context.Context) error {
	if err := d.checkUnused(ctx); err != nil {
		return fmt.Errorf("cannot use %s: %w", d.name, err)
	}
	return nil
}

// Size is the disk's size in bytes.
func (d *Disk) Size() int64 { return d.size }

// SectorSize is the size of the disk's sectors in bytes.
func (d *Disk) SectorSize() int64 { return d.sector }

// File is the whole disk.
func (d *Disk) File() *os.File { return d.file }

// Close makes all that was written durable and gives the disk free. Partitions are
// closed before.
func (d *Disk) Close() error {
	err := d.file.Sync()
	return errors.Join(err, d.file.Close())
}

// bare is err without what the caller says himself: the operation and the name.
func bare(err error) error {
	if p := (*os.PathError)(nil); errors.As(err, &p) {
		return p.Err
	}
	return err
}

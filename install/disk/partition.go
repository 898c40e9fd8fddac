package disk

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/install/plan"
	"github.com/bootc-go/bootc/internal/mounts"
)

// Write gives the disk the partitions of p, in the place of whatever it held, and
// tells the kernel of them.
func (d *Disk) Write(ctx context.Context, p *plan.Plan) error {
	if err := d.write(ctx, p); err != nil {
		return fmt.Errorf("cannot partition %s: %w", d.name, err)
	}
	return nil
}

// write does not rely on the kernel to read the table, for which it would have to
// know GPT: it is told of each partition.
func (d *Disk) write(ctx context.Context, p *plan.Plan) error {
	if d.block {
		if err := d.forgetPartitions(ctx); err != nil {
			return err
		}
	}
	_, err := d.tool(ctx, p.Script(), "sfdisk", "--quiet", "--wipe=always", "--wipe-partitions=always",
		"--no-reread", "--no-tell-kernel", "--lock=no") // it is locked by us
	if err != nil || !d.block {
		return err
	}
	for _, part := range p.Partitions {
		arg := unix.BlkpgPartition{Pno: int32(part.Number), Start: part.Start, Length: part.Size}
		err := d.blkpg(unix.BLKPG_ADD_PARTITION, &arg)
		if errors.Is(err, unix.EINVAL) {
			return fmt.Errorf("the kernel makes no partitions of this device: %w", err)
		}
		if err != nil {
			return fmt.Errorf("tell the kernel of partition %d: %w", part.Number, err)
		}
	}
	return nil
}

// forgetPartitions makes the kernel forget the partitions that the disk had.
func (d *Disk) forgetPartitions(ctx context.Context) error {
	dir, err := d.sysfs()
	if err != nil {
		return err
	}
	old, err := parts(dir)
	if err != nil {
		return err
	}
	for _, part := range old {
		text, err := attribute(part, "partition")
		if err != nil {
			return err
		}
		number, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("number of the partition %s: %w", filepath.Base(part), err)
		}
		if err := d.forget(ctx, number); err != nil {
			return fmt.Errorf("make the kernel forget %s: %w", filepath.Base(part), err)
		}
	}
	return nil
}

// forget waits for those who look at a partition for a moment.
func (d *Disk) forget(ctx context.Context, number int) error {
	busy := fmt.Errorf("%w by another program", ErrInUse)
	return wait(ctx, 50, busy, func() (bool, error) {
		err := d.blkpg(unix.BLKPG_DEL_PARTITION, &unix.BlkpgPartition{Pno: int32(number)})
		switch {
		case errors.Is(err, unix.EBUSY):
			return false, nil
		case errors.Is(err, unix.ENXIO): // gone by itself
			return true, nil
		}
		return true, err
	})
}

// wait calls try every 100 ms until it is done, at most n times, after which the
// error is late.
func wait(ctx context.Context, n int, late error, try func() (done bool, err error)) error {
	for range n {
		if done, err := try(); done || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
	return late
}

func (d *Disk) blkpg(op int32, part *unix.BlkpgPartition) error {
	arg := unix.BlkpgIoctlArg{Op: op, Datalen: int32(unsafe.Sizeof(*part)), Data: (*byte)(unsafe.Pointer(part))}
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, d.file.Fd(), unix.BLKPG, uintptr(unsafe.Pointer(&arg)))
	if errno != 0 {
		return errno
	}
	return nil
}

// Partition is a block device with one partition of a disk.
type Partition struct {
	*os.File
}

// Partition opens a partition that Write made: the kernel's device on a block
// device, a loop device for a part of a file.
func (d *Disk) Partition(ctx context.Context, p plan.Partition) (*Partition, error) {
	open := d.loop
	if d.block {
		open = d.node
	}
	f, err := open(ctx, p)
	if err != nil {
		return nil, fmt.Errorf("cannot open partition %d of %s: %w", p.Number, d.name, err)
	}
	return &Partition{f}, nil
}

// node opens the device of a partition, which udev or the kernel may make a moment
// later.
func (d *Disk) node(ctx context.Context, p plan.Partition) (*os.File, error) {
	dir, err := d.sysfs()
	if err != nil {
		return nil, err
	}
	number, name, err := partDevice(dir, p.Number)
	if err != nil {
		return nil, err
	}
	return openNode(ctx, name, number)
}

// openNode opens the device with that name and number, as soon as it has a node.
func openNode(ctx context.Context, name string, number mounts.Device) (*os.File, error) {
	var f *os.File
	var err error
	late := fmt.Errorf("%s did not appear: a container needs the host's /dev (-v /dev:/dev)", name)
	err = wait(ctx, 100, late, func() (bool, error) {
		f, err = os.OpenFile(name, os.O_RDWR, 0)
		if errors.Is(err, os.ErrNotExist) {
			return false, nil
		}
		return true, err
	})
	if err != nil {
		return nil, err
	}
	if got, err := deviceNumber(f); err != nil || got != number {
		f.Close()
		return nil, fmt.Errorf("%s is device %s, not %s: a container needs the host's /dev (-v /dev:/dev)", name, got, number)
	}
	return f, nil
}

// partDevice is the number and the name of the device of partition n.
func partDevice(dir string, n int) (number mounts.Device, name string, err error) {
	all, err := parts(dir)
	if err != nil {
		return number, "", err
	}
	for _, part := range all {
		if text, err := attribute(part, "partition"); err != nil || text != strconv.Itoa(n) {
			continue
		}
		number, err = describedNumber(part)
		return number, deviceName(part), err
	}
	return number, "", errors.New("the kernel has no such partition")
}

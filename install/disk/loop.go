package disk

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/install/plan"
)

const loopTries = 64

// loop shows a part of the disk's file as a block device, which frees itself when
// its last user is gone.
func (d *Disk) loop(_ context.Context, p plan.Partition) (*os.File, error) {
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("loop devices (modprobe loop): %w", err)
	}
	defer control.Close()
	for range loopTries { // others may take the free device first
		var f *os.File
		if f, err = d.tryLoop(control, p); !errors.Is(err, unix.EBUSY) {
			return f, err
		}
	}
	return nil, err
}

func (d *Disk) tryLoop(control *os.File, p plan.Partition) (*os.File, error) {
	number, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
	if err != nil {
		return nil, fmt.Errorf("find a free loop device: %w", err)
	}
	f, err := os.OpenFile("/dev/loop"+strconv.Itoa(number), os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	config := unix.LoopConfig{Fd: uint32(d.file.Fd()), Size: uint32(d.sector)}
	config.Info.Offset, config.Info.Sizelimit = uint64(p.Start), uint64(p.Size)
	config.Info.Flags = unix.LO_FLAGS_AUTOCLEAR
	copy(config.Info.File_name[:len(config.Info.File_name)-1], d.name) // for losetup(8)
	if err := unix.IoctlLoopConfigure(int(f.Fd()), &config); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", f.Name(), err)
	}
	return f, nil
}

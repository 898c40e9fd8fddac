package mount

import (
	"errors"
	"strconv"

	"golang.org/x/sys/unix"
)

const loopTries = 64

var errNoLoop = &lacking{"this kernel has no loop devices (modprobe loop)", unix.ENOENT}

// attachLoop attaches the image to a free loop device, read-only, and returns
// the device's descriptor. The device frees itself when the last user is gone.
func (o *Options) attachLoop() (int, error) {
	control, err := unix.Open("/dev/loop-control", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENODEV) {
		return -1, errNoLoop
	}
	if err != nil {
		return -1, note("/dev/loop-control", err)
	}
	defer closeAll(control)
	// Others may take the free device first.
	for range loopTries {
		var fd int
		if fd, err = o.tryLoop(control); !errors.Is(err, unix.EBUSY) {
			return fd, err
		}
	}
	return -1, err
}

func (o *Options) tryLoop(control int) (int, error) {
	number, err := unix.IoctlRetInt(control, unix.LOOP_CTL_GET_FREE)
	if err != nil {
		return -1, note("finding a free loop device", err)
	}
	name := "/dev/loop" + strconv.Itoa(number)
	fd, err := unix.Open(name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, note(name, err)
	}
	if err := o.configureLoop(fd); err != nil {
		closeAll(fd)
		return -1, note(name, err)
	}
	return fd, nil
}

// configureLoop attaches the image to the device fd, around the page cache if
// the file system of the image allows it.
func (o *Options) configureLoop(fd int) error {
	config := unix.LoopConfig{Fd: uint32(o.Image.Fd())}
	config.Info.Flags = unix.LO_FLAGS_READ_ONLY | unix.LO_FLAGS_AUTOCLEAR | unix.LO_FLAGS_DIRECT_IO
	copy(config.Info.File_name[:len(config.Info.File_name)-1], o.Image.Name()) // for losetup(8)
	err := o.step("loop configure", func() error { return unix.IoctlLoopConfigure(fd, &config) })
	if errors.Is(err, unix.EINVAL) {
		config.Info.Flags &^= unix.LO_FLAGS_DIRECT_IO
		err = o.step("loop configure", func() error { return unix.IoctlLoopConfigure(fd, &config) })
	}
	return err
}

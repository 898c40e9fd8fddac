package disk

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/internal/mounts"
)

// sysfs is the directory in which the kernel describes the device.
func (d *Disk) sysfs() (string, error) {
	number, err := deviceNumber(d.file)
	if err != nil {
		return "", err
	}
	return sysfsOf(number)
}

// deviceNumber is that of the device f.
func deviceNumber(f *os.File) (mounts.Device, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return mounts.Device{}, err
	}
	return mounts.Device{Major: unix.Major(st.Rdev), Minor: unix.Minor(st.Rdev)}, nil
}

// describedNumber is that of the device described in dir.
func describedNumber(dir string) (mounts.Device, error) {
	text, err := attribute(dir, "dev")
	if err != nil {
		return mounts.Device{}, err
	}
	return mounts.ParseDevice(text)
}

func sysfsOf(number mounts.Device) (string, error) {
	dir, err := filepath.EvalSymlinks(filepath.Join("/sys/dev/block", number.String()))
	if err != nil {
		return "", fmt.Errorf("what the kernel says of device %s: %w", number, err)
	}
	return dir, nil
}

// deviceName is the name of the device described in dir.
func deviceName(dir string) string {
	return "/dev/" + strings.ReplaceAll(filepath.Base(dir), "!", "/")
}

// parts are the directories of the partitions that the kernel knows of the disk
// described in dir.
func parts(dir string) ([]string, error) {
	found, err := filepath.Glob(filepath.Join(dir, "*", "partition"))
	for i := range found {
		found[i] = filepath.Dir(found[i])
	}
	return found, err
}

// users says who uses the disk or its partitions.
func (d *Disk) users() ([]string, error) {
	dir, err := d.sysfs()
	if err != nil {
		return nil, err
	}
	devices, err := parts(dir)
	if err != nil {
		return nil, err
	}
	var users []string
	for _, dev := range append([]string{dir}, devices...) {
		of, err := usersOf(dev)
		if err != nil {
			return nil, err
		}
		users = append(users, of...)
	}
	return users, nil
}

// usersOf says who uses the device described in dir.
func usersOf(dir string) (users []string, err error) {
	name := filepath.Base(dir)
	number, err := describedNumber(dir)
	if err != nil {
		return nil, err
	}
	table, err := mounts.Read("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	for _, m := range table {
		if m.Device == number {
			users = append(users, fmt.Sprintf("%s is mounted on %s", name, m.Path))
		}
	}
	swaps, err := os.ReadFile("/proc/swaps")
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	for line := range strings.Lines(string(swaps)) {
		if strings.HasPrefix(line, "/dev/"+name+" ") {
			users = append(users, name+" is swap space")
		}
	}
	holders, err := filepath.Glob(filepath.Join(dir, "holders", "*"))
	for _, h := range holders {
		users = append(users, fmt.Sprintf("%s is part of %s", name, filepath.Base(h)))
	}
	return users, err
}

// checkNoLoop refuses a file or a disk that a loop device shows, whole or a part of
// it. The name that the kernel has for the file may be another one, in a container for
// example, so its inode counts, as far as the loop device may be looked at.
func (d *Disk) checkNoLoop() error {
	behind, err := d.backings()
	if err != nil {
		return err
	}
	loops, err := filepath.Glob("/sys/block/loop*")
	for _, dir := range loops {
		file, err := attribute(dir, "loop/backing_file")
		if err != nil {
			continue // it shows nothing
		}
		shown, err := loopBacking(deviceName(dir))
		if err != nil {
			shown, err = backingOf(file)
		}
		if err == nil && slices.Contains(behind, shown) {
			return fmt.Errorf("%w: /dev/%s shows it, or a part of it, as a disk", ErrInUse, filepath.Base(dir))
		}
	}
	return err
}

// backing is a file or a block device, as loop devices know it: a block device has
// only a number.
type backing struct{ dev, ino, rdev uint64 }

// backings are the disk and its partitions, or the file.
func (d *Disk) backings() ([]backing, error) {
	own, err := backingOf(fdPath(d.file))
	if err != nil || !d.block {
		return []backing{own}, err
	}
	all := []backing{own}
	dir, err := d.sysfs()
	if err != nil {
		return nil, err
	}
	devices, err := parts(dir)
	if err != nil {
		return nil, err
	}
	for _, part := range devices {
		number, err := describedNumber(part)
		if err != nil {
			return nil, fmt.Errorf("number of %s: %w", filepath.Base(part), err)
		}
		all = append(all, backing{rdev: unix.Mkdev(number.Major, number.Minor)})
	}
	return all, nil
}

func backingOf(name string) (backing, error) {
	var st unix.Stat_t
	if err := unix.Stat(name, &st); err != nil {
		return backing{}, err
	}
	if st.Mode&unix.S_IFMT == unix.S_IFBLK {
		return backing{rdev: st.Rdev}, nil
	}
	return backing{dev: st.Dev, ino: st.Ino}, nil
}

// loopBacking is what the loop device shows.
func loopBacking(device string) (backing, error) {
	f, err := os.OpenFile(device, os.O_RDONLY, 0)
	if err != nil {
		return backing{}, err
	}
	defer f.Close()
	info, err := unix.IoctlLoopGetStatus64(int(f.Fd()))
	if err != nil {
		return backing{}, err
	}
	if info.Rdevice != 0 { // a block device
		return backing{rdev: info.Rdevice}, nil
	}
	return backing{dev: info.Device, ino: info.Inode}, nil
}

// fdPath leads to what f is open on, whatever becomes of its name meanwhile.
func fdPath(f *os.File) string { return fmt.Sprintf("/proc/self/fd/%d", f.Fd()) }

// attribute is the content of a file in sysfs.
func attribute(dir, name string) (string, error) {
	b, err := os.ReadFile(filepath.Join(dir, name))
	return strings.TrimSpace(string(b)), err
}

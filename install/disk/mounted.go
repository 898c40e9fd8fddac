package disk

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/internal/blockdev"
	"github.com/bootc-go/bootc/internal/mounts"
)

// Mounted is what the kernel says of a mounted file system.
type Mounted struct {
	Type    string // "ext4"
	Source  string // "/dev/vda3"
	Subtree string // which directory of the file system is mounted, "/" for all
	Options string // of the file system, separated by commas
	UUID    string

	Device mounts.Device // the same for all subvolumes of a btrfs
}

// IsMountPoint says whether the directory dir is the root of a mount.
func IsMountPoint(dir *os.File) (bool, error) {
	st, err := statx(dir)
	return st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0, err
}

func statx(dir *os.File) (st unix.Statx_t, err error) {
	err = unix.Statx(int(dir.Fd()), "", unix.AT_EMPTY_PATH, unix.STATX_MNT_ID, &st)
	if err != nil {
		err = fmt.Errorf("%s: %w", dir.Name(), err)
	}
	return st, err
}

// Inspect says what is mounted where dir is.
func Inspect(ctx context.Context, dir *os.File) (Mounted, error) {
	m, err := inspect(ctx, dir)
	if err != nil {
		return m, fmt.Errorf("cannot find out what is mounted at %s: %w", dir.Name(), err)
	}
	return m, nil
}

func inspect(ctx context.Context, dir *os.File) (m Mounted, err error) {
	at, err := mountOf(dir, "/proc/self/mountinfo")
	if err != nil {
		return m, err
	}
	m = Mounted{Type: at.FSType, Source: at.Source, Subtree: at.Root, Options: at.Options, Device: at.Device}
	if !strings.HasPrefix(m.Source, "/dev/") {
		return m, nil
	}
	// The source is the name that somebody once gave the device. It may be that of
	// another one by now, or of none. btrfs has numbers of its own, of no device.
	if at.Major != 0 {
		dev, err := sysfsOf(at.Device)
		if err != nil {
			return m, err
		}
		m.Source = deviceName(dev)
	}
	out, err := Tool(ctx, "", "blkid", "--probe", "--match-tag", "UUID", "--output", "value", m.Source)
	m.UUID = strings.TrimSpace(string(out))
	return m, err
}

// MountsBelow lists what is mounted below the mount point dir.
func MountsBelow(dir *os.File) ([]string, error) {
	const table = "/proc/self/mountinfo"
	at, err := mountOf(dir, table)
	if err != nil {
		return nil, fmt.Errorf("cannot find out what is mounted below %s: %w", dir.Name(), err)
	}
	all, err := mounts.Read(table)
	var paths []string
	for _, m := range all {
		if strings.HasPrefix(m.Path, at.Path+"/") {
			paths = append(paths, m.Path)
		}
	}
	return paths, err
}

// mountOf is the mount on which file is, in a process's table of mounts.
func mountOf(file *os.File, table string) (m mounts.Mount, err error) {
	st, err := statx(file)
	if err != nil {
		return m, err
	}
	all, err := mounts.Read(table)
	if err != nil {
		return m, err
	}
	m, ok := all.ByID(st.Mnt_id)
	if !ok {
		err = errors.New("it is not in this process's mount namespace")
	}
	return m, err
}

// DeviceOf is the number of the file system on which path is, with a process's table of
// mounts. All subvolumes of a btrfs have the same one, unlike what stat(2) says.
func DeviceOf(path, table string) (mounts.Device, error) {
	f, err := os.OpenFile(path, unix.O_PATH, 0)
	if err != nil {
		return mounts.Device{}, bare(err)
	}
	defer f.Close()
	m, err := mountOf(f, table)
	return m.Device, err
}

// Disks lists the disks that the file system on which dir is lies on, by their
// directories in sysfs; none if it is on no block device.
func Disks(dir *os.File) ([]string, error) {
	at, err := mountOf(dir, "/proc/self/mountinfo")
	if err == nil {
		var disks []string
		disks, err = blockdev.Disks{Root: "/"}.UnderMount(at)
		if err == nil {
			return disks, nil
		}
	}
	return nil, fmt.Errorf("cannot find the disks below %s: %w", dir.Name(), err)
}

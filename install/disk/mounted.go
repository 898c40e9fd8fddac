package disk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/install/plan"
	"github.com/bootc-go/bootc/internal/mounts"
)

// Mounted is what the kernel says of a mounted file system.
type Mounted struct {
	Type    string // "ext4"
	Source  string // "/dev/vda3"
	Subtree string // which directory of the file system is mounted, "/" for all
	Options string // of the file system, separated by commas
	UUID    string
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
	m = Mounted{Type: at.FSType, Source: at.Source, Subtree: at.Root, Options: at.Options}
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

// BIOSBoot finds the partition in which GRUB stands for machines without UEFI, on
// the disk of which source is a partition. The disk is nil if there is none.
func BIOSBoot(ctx context.Context, source string) (disk *os.File, p plan.Partition, err error) {
	disk, p, err = biosBoot(ctx, source)
	if err != nil {
		err = fmt.Errorf("cannot look for a BIOS boot partition beside %s: %w", source, err)
	}
	return disk, p, err
}

func biosBoot(ctx context.Context, source string) (disk *os.File, p plan.Partition, err error) {
	name, err := wholeDisk(source)
	if name == "" || err != nil {
		return nil, p, err
	}
	out, err := Tool(ctx, "", "sfdisk", "--json", name)
	if err != nil {
		return nil, p, err
	}
	var doc struct {
		Partitiontable struct {
			SectorSize int64
			Partitions []struct {
				Type        string
				Start, Size int64
			}
		}
	}
	if err := json.Unmarshal(out, &doc); err != nil {
		return nil, p, fmt.Errorf("output of sfdisk: %w", err)
	}
	table := doc.Partitiontable
	for _, part := range table.Partitions {
		if strings.EqualFold(part.Type, plan.TypeBIOSBoot) {
			disk, err = os.OpenFile(name, os.O_RDWR, 0)
			return disk, plan.Partition{Start: part.Start * table.SectorSize, Size: part.Size * table.SectorSize}, err
		}
	}
	return nil, p, nil
}

// wholeDisk is the disk of which source is a partition, "" if it is none.
func wholeDisk(source string) (string, error) {
	f, err := os.OpenFile(source, os.O_RDONLY, 0)
	if err != nil {
		return "", err
	}
	defer f.Close()
	number, err := deviceNumber(f)
	if err != nil {
		return "", err
	}
	dir, err := sysfsOf(number)
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(filepath.Join(dir, "partition")); err != nil {
		return "", nil // it is a disk, or something else of its own
	}
	return deviceName(filepath.Dir(dir)), nil
}

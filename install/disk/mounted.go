package disk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/install/plan"
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
	f, err := mountLine(dir, "/proc/self/mountinfo")
	if err != nil {
		return m, err
	}
	for i := 6; i+3 < len(f); i++ {
		if f[i] == "-" { // optional fields end here
			m = Mounted{Type: f[i+1], Source: unescape(f[i+2]), Subtree: unescape(f[3]), Options: f[i+3]}
			break
		}
	}
	if !strings.HasPrefix(m.Source, "/dev/") {
		return m, nil
	}
	// The source is the name that somebody once gave the device. It may be that of
	// another one by now, or of none. btrfs has numbers of its own, of no device.
	if !strings.HasPrefix(f[2], "0:") {
		dev, err := sysfsOf(f[2])
		if err != nil {
			return m, err
		}
		m.Source = deviceName(dev)
	}
	out, err := Tool(ctx, "", "blkid", "--probe", "--match-tag", "UUID", "--output", "value", m.Source)
	m.UUID = strings.TrimSpace(string(out))
	return m, err
}

// mountLine has the fields of the line of mountinfo, proc_pid_mountinfo(5), for the mount
// on which file is.
func mountLine(file *os.File, mountinfo string) (fields []string, err error) {
	st, err := statx(file)
	if err != nil {
		return nil, err
	}
	id := strconv.FormatUint(st.Mnt_id, 10)
	err = eachLine(mountinfo, func(f []string) {
		if f[0] == id && len(f) > 6 {
			fields = f
		}
	})
	if err == nil && fields == nil {
		err = errors.New("it is not in this process's mount namespace")
	}
	return fields, err
}

// DeviceOf is the number of the file system on which path is, with a process's table of
// mounts. All subvolumes of a btrfs have the same one, unlike what stat(2) says.
func DeviceOf(path, mountinfo string) (string, error) {
	f, err := os.OpenFile(path, unix.O_PATH, 0)
	if err != nil {
		return "", bare(err)
	}
	defer f.Close()
	line, err := mountLine(f, mountinfo)
	if err != nil {
		return "", err
	}
	return line[2], nil
}

// unescape undoes how the kernel writes blanks in tables of mounts.
func unescape(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
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

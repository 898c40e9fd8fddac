// Package blockdev finds disks and their partitions without udev: by sysfs, and by
// the GUID partition tables on them.
package blockdev

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/internal/mounts"
)

// A Device is a block device with a node.
type Device struct {
	mounts.Device
	Path string // of the node
}

// Disks looks for block devices below the directories sys and dev of Root. A disk
// is given by its directory in sysfs.
type Disks struct{ Root string }

// Under lists the disks that the device lies on: one for a partition, several for
// a RAID or a volume group, and those below what is encrypted. There are none
// without an error if sysfs does not know the device.
func (d Disks) Under(dev mounts.Device) ([]string, error) {
	dir, err := filepath.EvalSymlinks(filepath.Join(d.Root, "sys/dev/block", dev.String()))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	all, err := d.below(dir, 0)
	return unique(all), err
}

// unique keeps the first of what is the same: two partitions of a disk may be in one
// volume group.
func unique(disks []string) []string {
	var out []string
	for _, d := range disks {
		if !slices.Contains(out, d) {
			out = append(out, d)
		}
	}
	return out
}

const maxStack = 16 // block devices on one another

func (d Disks) below(dir string, depth int) ([]string, error) {
	if exists(filepath.Join(dir, "partition")) {
		return []string{filepath.Dir(dir)}, nil
	}
	slaves, _ := filepath.Glob(filepath.Join(dir, "slaves/*")) // the pattern is good
	if len(slaves) == 0 || depth == maxStack {
		return []string{dir}, nil
	}
	var out []string
	for _, s := range slaves {
		dir, err := filepath.EvalSymlinks(s)
		if err != nil {
			return nil, err
		}
		more, err := d.below(dir, depth+1)
		if err != nil {
			return nil, err
		}
		out = append(out, more...)
	}
	return out, nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// All lists all disks.
func (d Disks) All() []string {
	links, _ := filepath.Glob(filepath.Join(d.Root, "sys/block/*")) // the pattern is good
	var out []string
	for _, l := range links {
		if dir, err := filepath.EvalSymlinks(l); err == nil {
			out = append(out, dir)
		}
	}
	return out
}

// Find returns the first partition on the disks that match accepts. Disks without a
// partition table, and drives without a medium, do not count; what is wrong with
// others is told only if nothing is found.
func (d Disks) Find(disks []string, match func(Partition) bool) (dev Device, found bool, err error) {
	var errs []error
	for _, disk := range disks {
		all, err := d.FindEach([]string{disk}, match)
		if len(all) > 0 {
			return all[0], true, nil
		}
		errs = append(errs, err)
	}
	return Device{}, false, errors.Join(errs...)
}

// FindEach returns of each disk the first partition that match accepts, as Find does.
func (d Disks) FindEach(disks []string, match func(Partition) bool) (all []Device, err error) {
	var errs []error
	for _, disk := range disks {
		parts, err := d.Partitions(disk)
		if i := slices.IndexFunc(parts, match); err == nil && i >= 0 {
			var dev Device
			if dev, err = d.Device(disk, parts[i]); err == nil {
				all = append(all, dev)
			}
		}
		errs = append(errs, err)
	}
	if len(all) > 0 {
		return all, nil
	}
	return nil, errors.Join(errs...)
}

// Partitions reads the partition table of the disk. Without a GUID partition table,
// or a medium, there are none.
func (d Disks) Partitions(disk string) ([]Partition, error) {
	f, err := os.Open(d.Node(disk))
	if err != nil {
		return nil, nil // no medium, or no node: nothing is found there
	}
	defer f.Close()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
	parts, err := readGPT(f, size)
	if errors.Is(err, errNoGPT) {
		return nil, nil
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", filepath.Base(disk), err)
	}
	return parts, err
}

// Node is the path of the disk's device node.
func (d Disks) Node(disk string) string {
	return filepath.Join(d.Root, "dev", strings.ReplaceAll(filepath.Base(disk), "!", "/"))
}

// Device is what the kernel has made of a partition of the disk.
func (d Disks) Device(disk string, p Partition) (Device, error) {
	files, _ := filepath.Glob(filepath.Join(disk, "*/partition")) // the pattern is good
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return Device{}, err
		}
		if strings.TrimSpace(string(text)) == strconv.Itoa(p.Number) {
			return d.device(filepath.Dir(file))
		}
	}
	return Device{}, fmt.Errorf("the kernel does not know partition %d of %s", p.Number, filepath.Base(disk))
}

func (d Disks) device(dir string) (Device, error) {
	text, err := os.ReadFile(filepath.Join(dir, "dev"))
	number, err2 := mounts.ParseDevice(strings.TrimSpace(string(text)))
	return Device{number, d.Node(dir)}, cmp.Or(err, err2)
}

// UnderMount lists the disks that a mounted file system lies on. File systems such as
// btrfs have a device number of their own; then the source of the mount is what leads
// to the disk. There are none if it is on no block device.
func (d Disks) UnderMount(m mounts.Mount) ([]string, error) {
	if m.Major != 0 {
		return d.Under(m.Device)
	}
	dev, err := numberOf(filepath.Join(d.Root, m.Source))
	if err != nil {
		return nil, err
	}
	var all []string
	for _, dev := range d.siblings(dev) {
		disks, err := d.Under(dev)
		if err != nil {
			return nil, err
		}
		all = append(all, disks...)
	}
	return unique(all), nil
}

// siblings are the devices of the btrfs that dev belongs to, dev the first of them.
func (d Disks) siblings(dev mounts.Device) []mounts.Device {
	sets, _ := filepath.Glob(filepath.Join(d.Root, "sys/fs/btrfs/*/devices")) // the pattern is good
	for _, set := range sets {
		files, _ := filepath.Glob(filepath.Join(set, "*/dev"))
		var all []mounts.Device
		for _, file := range files {
			if text, err := os.ReadFile(file); err == nil {
				if number, err := mounts.ParseDevice(strings.TrimSpace(string(text))); err == nil {
					all = append(all, number)
				}
			}
		}
		if i := slices.Index(all, dev); i >= 0 {
			return append([]mounts.Device{dev}, slices.Delete(all, i, i+1)...)
		}
	}
	return []mounts.Device{dev}
}

// numberOf is the number of the block device with the node path; 0:0, which
// no device has, if there is none.
func numberOf(path string) (mounts.Device, error) {
	var st unix.Stat_t
	err := unix.Stat(path, &st)
	if errors.Is(err, unix.ENOENT) || err == nil && st.Mode&unix.S_IFMT != unix.S_IFBLK {
		return mounts.Device{}, nil
	}
	return mounts.Device{Major: unix.Major(st.Rdev), Minor: unix.Minor(st.Rdev)}, err
}

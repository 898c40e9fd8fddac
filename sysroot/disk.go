package sysroot

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

// A device is a block device with a node.
type device struct {
	mounts.Device
	Path string // of the node
}

// disks looks for block devices below the directories sys and dev of a root,
// without udev.
type disks struct{ root string }

// under lists the sysfs directories of the disks that the device lies on:
// one for a partition, several for a RAID, and those below what is encrypted.
func (d disks) under(dev mounts.Device) ([]string, error) {
	dir, err := filepath.EvalSymlinks(filepath.Join(d.root, "sys/dev/block", dev.String()))
	if err != nil {
		return nil, err
	}
	return d.below(dir, 0)
}

const maxStack = 16 // block devices on one another

func (d disks) below(dir string, depth int) ([]string, error) {
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

// all lists the sysfs directories of all disks.
func (d disks) all() []string {
	links, _ := filepath.Glob(filepath.Join(d.root, "sys/block/*")) // the pattern is good
	var out []string
	for _, l := range links {
		if dir, err := filepath.EvalSymlinks(l); err == nil {
			out = append(out, dir)
		}
	}
	return out
}

// find returns the first partition on the disks, given by their sysfs
// directories, that match accepts. Disks without a partition table, and drives
// without a medium, do not count; what is wrong with others is told only if
// nothing is found.
func (d disks) find(dirs []string, match func(partition) bool) (device, bool, error) {
	var errs []error
	for _, dir := range dirs {
		parts, err := d.partitions(dir)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", filepath.Base(dir), err))
			continue
		}
		if i := slices.IndexFunc(parts, match); i >= 0 {
			dev, err := d.partition(dir, parts[i].Number)
			return dev, err == nil, err
		}
	}
	return device{}, false, errors.Join(errs...)
}

// partitions reads the table of the disk with the sysfs directory dir.
func (d disks) partitions(dir string) ([]partition, error) {
	f, err := os.Open(d.node(dir))
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
	return parts, err
}

// node is the path of the device with the sysfs directory dir.
func (d disks) node(dir string) string {
	return filepath.Join(d.root, "dev", strings.ReplaceAll(filepath.Base(dir), "!", "/"))
}

// partition is the device of a partition of the disk with the sysfs directory
// dir.
func (d disks) partition(dir string, number int) (device, error) {
	files, _ := filepath.Glob(filepath.Join(dir, "*/partition")) // the pattern is good
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return device{}, err
		}
		if strings.TrimSpace(string(text)) == strconv.Itoa(number) {
			return d.device(filepath.Dir(file))
		}
	}
	return device{}, fmt.Errorf("the kernel does not know partition %d of %s", number, filepath.Base(dir))
}

func (d disks) device(dir string) (device, error) {
	text, err := os.ReadFile(filepath.Join(dir, "dev"))
	number, err2 := mounts.ParseDevice(strings.TrimSpace(string(text)))
	return device{number, d.node(dir)}, cmp.Or(err, err2)
}

// deviceNumber is the number of the block device with the node path; 0:0, which
// no device has, if there is none.
func deviceNumber(path string) (mounts.Device, error) {
	var st unix.Stat_t
	err := unix.Stat(path, &st)
	if errors.Is(err, unix.ENOENT) || err == nil && st.Mode&unix.S_IFMT != unix.S_IFBLK {
		return mounts.Device{}, nil
	}
	return mounts.Device{Major: unix.Major(st.Rdev), Minor: unix.Minor(st.Rdev)}, err
}

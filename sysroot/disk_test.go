package sysroot

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bootc-go/bootc/internal/mounts"
	"github.com/bootc-go/bootc/internal/testdisk"
)

const (
	partUUID  = "0b0e3e5c-5b3d-4f6c-9a51-2b7c0a6d9e11"
	otherUUID = "6f1d1e0a-1c2b-4d3e-8f90-a1b2c3d4e5f6"
)

// espTable has an EFI system partition with the given id as its second.
func espTable(uuid string) string {
	return "label: gpt\nsize=1MiB, type=21686148-6449-6E6F-744E-656564454649\nsize=4MiB, type=U, uuid=" + uuid + "\nsize=4MiB, type=L\n"
}

// Where the EFI system partition is, on hosts with several disks, disks on
// others, and no udev.
func TestFindESP(t *testing.T) {
	t.Parallel()
	rootPart := "30 29 8:3 / /sysroot ro - ext4 /dev/sda3 ro\n"
	for name, tt := range map[string]struct {
		disks      []testdisk.Disk
		slaves     []string // the root's device is 253:0, on these
		mountinfo  string
		loaderPart string
		want       string
	}{
		"disk of the root": {
			disks: []testdisk.Disk{{Name: "sda", Minor: 0, Script: espTable(partUUID), Parts: 3}}, mountinfo: rootPart, want: "sda2",
		},
		"name with a slash": {
			disks: []testdisk.Disk{{Name: "cciss!c0d0", Minor: 0, Script: espTable(partUUID), Parts: 3}}, mountinfo: rootPart, want: "cciss/c0d02",
		},
		"the loader came from another disk": {
			disks:     []testdisk.Disk{{Name: "sda", Minor: 0, Script: espTable(otherUUID), Parts: 3}, {Name: "sdb", Minor: 16, Script: espTable(partUUID), Parts: 3}},
			mountinfo: rootPart, loaderPart: strings.ToUpper(partUUID), want: "sdb2",
		},
		"the loader's disk is gone": {
			disks: []testdisk.Disk{{Name: "sda", Minor: 0, Script: espTable(otherUUID), Parts: 3}}, mountinfo: rootPart, loaderPart: partUUID, want: "sda2",
		},
		"only another disk has one": {
			disks:     []testdisk.Disk{{Name: "sda", Minor: 0, Script: "label: gpt\nsize=1MiB\nsize=2MiB\nsize=3MiB\n", Parts: 3}, {Name: "sdb", Minor: 16, Script: espTable(partUUID), Parts: 3}},
			mountinfo: rootPart, want: "",
		},
		"RAID, the second disk has it": {
			disks:     []testdisk.Disk{{Name: "sda", Minor: 0, Script: "label: gpt\nsize=1MiB, type=R\n", Parts: 1}, {Name: "sdb", Minor: 16, Script: espTable(partUUID), Parts: 3}},
			slaves:    []string{"sda/sda1", "sdb/sdb3"},
			mountinfo: "30 29 253:0 / /sysroot ro - xfs /dev/md0 ro\n", want: "sdb2",
		},
		"RAID, both disks have one": {
			disks:     []testdisk.Disk{{Name: "sda", Minor: 0, Script: espTable(partUUID), Parts: 3}, {Name: "sdb", Minor: 16, Script: espTable(otherUUID), Parts: 3}},
			slaves:    []string{"sda/sda3", "sdb/sdb3"},
			mountinfo: "30 29 253:0 / /sysroot ro - xfs /dev/md0 ro\n", want: "sda2 sdb2",
		},
		"RAID, both disks have one, the second is mounted": {
			disks:     []testdisk.Disk{{Name: "sda", Minor: 0, Script: espTable(partUUID), Parts: 3}, {Name: "sdb", Minor: 16, Script: espTable(otherUUID), Parts: 3}},
			slaves:    []string{"sda/sda3", "sdb/sdb3"},
			mountinfo: "30 29 253:0 / /sysroot ro - xfs /dev/md0 ro\n31 29 8:18 / /boot/efi rw - vfat /dev/sdb2 rw\n", want: "sdb2 sda2",
		},
		"RAID, both disks have one, the second was started from": {
			disks:     []testdisk.Disk{{Name: "sda", Minor: 0, Script: espTable(otherUUID), Parts: 3}, {Name: "sdb", Minor: 16, Script: espTable(partUUID), Parts: 3}},
			slaves:    []string{"sda/sda3", "sdb/sdb3"},
			mountinfo: "30 29 253:0 / /sysroot ro - xfs /dev/md0 ro\n", loaderPart: partUUID, want: "sdb2",
		},
		"three disks, two have one": {
			disks:     []testdisk.Disk{{Name: "sda", Minor: 0, Script: "label: gpt\nsize=1MiB, type=R\n", Parts: 1}, {Name: "sdb", Minor: 16, Script: espTable(partUUID), Parts: 3}, {Name: "sdc", Minor: 32, Script: espTable(otherUUID), Parts: 3}},
			slaves:    []string{"sda/sda1", "sdb/sdb3", "sdc/sdc3"},
			mountinfo: "30 29 253:0 / /sysroot ro - xfs /dev/mapper/root ro\n", want: "sdb2 sdc2",
		},
		"two disks, none has one": {
			disks:     []testdisk.Disk{{Name: "sda", Minor: 0, Script: "label: gpt\nsize=1MiB, type=R\n", Parts: 1}, {Name: "sdb", Minor: 16, Script: "label: gpt\nsize=1MiB, type=R\n", Parts: 1}},
			slaves:    []string{"sda/sda1", "sdb/sdb1"},
			mountinfo: "30 29 253:0 / /sysroot ro - xfs /dev/md0 ro\n", want: "",
		},
		"whole disk without a table": {
			disks: []testdisk.Disk{{Name: "sda", Minor: 0, Script: "", Parts: 0}}, mountinfo: "30 29 8:0 / /sysroot ro - ext4 /dev/sda ro\n", want: "",
		},
		"no block device":  {mountinfo: "30 29 0:40 / /sysroot ro - virtiofs root ro\n", want: ""},
		"no physical root": {mountinfo: "", want: ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			for _, d := range tt.disks {
				d.Plant(t, root)
			}
			testdisk.Stack(t, root, tt.slaves...)
			if tt.loaderPart != "" {
				write(t, filepath.Join(root, efivars, loaderPart), variable(tt.loaderPart))
			}
			table, err := mounts.Parse(strings.NewReader(tt.mountinfo))
			if err != nil {
				t.Fatal(err)
			}
			h := &Host{root: root, table: table}
			devs, err := h.findESPs()
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, dev := range devs {
				got = append(got, strings.TrimPrefix(dev.Path, root+"/dev/"))
			}
			if strings.Join(got, " ") != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

// A damaged table is told of rather than "no EFI system partition".
func TestFindESPTellsDamage(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	testdisk.Disk{Name: "sda", Script: espTable(partUUID), Parts: 3}.Plant(t, root)
	disk, err := os.ReadFile(root + "/dev/sda")
	if err != nil {
		t.Fatal(err)
	}
	disk[1024] ^= 1
	clear(disk[len(disk)-64<<10:])
	write(t, root+"/dev/sda", string(disk))
	h := &Host{root: root, table: mounts.Table{{Device: mounts.Device{Major: 8, Minor: 3}, Root: "/", Path: "/sysroot", FSType: "ext4", Source: "/dev/sda3"}}}
	if _, err := h.findESPs(); err == nil || !strings.Contains(err.Error(), "sda: partition table at 512: wrong checksum of the entries") {
		t.Error(err)
	}
}

package sysroot

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bootc-go/bootc/internal/mounts"
)

// A sysfsDisk is a disk as /sys and /dev show it (sysfs(5),
// Documentation/ABI/stable/sysfs-block).
type sysfsDisk struct {
	name   string
	minor  int
	script string // of sfdisk; "" for no partition table
	parts  int
}

func (d sysfsDisk) plant(t *testing.T, root string) {
	t.Helper()
	dir := "devices/pci/" + d.name
	d.device(t, root, dir, d.minor)
	if err := os.MkdirAll(root+"/sys/block", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../"+dir, root+"/sys/block/"+d.name); err != nil {
		t.Fatal(err)
	}
	for n := 1; n <= d.parts; n++ {
		part := fmt.Sprintf("%s/%s%d", dir, d.name, n)
		d.device(t, root, part, d.minor+n)
		write(t, fmt.Sprintf("%s/sys/%s/partition", root, part), fmt.Sprintf("%d\n", n))
	}
	node := root + "/dev/" + strings.ReplaceAll(d.name, "!", "/")
	write(t, node, "")
	if d.script != "" {
		makeDisk(t, node, d.script)
	}
}

func (d sysfsDisk) device(t *testing.T, root, dir string, minor int) {
	t.Helper()
	write(t, root+"/sys/"+dir+"/dev", fmt.Sprintf("8:%d\n", minor))
	if err := os.MkdirAll(root+"/sys/dev/block", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../../"+dir, fmt.Sprintf("%s/sys/dev/block/8:%d", root, minor)); err != nil {
		t.Fatal(err)
	}
}

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
		disks      []sysfsDisk
		slaves     []string // the root's device is 253:0, on these
		mountinfo  string
		loaderPart string
		want       string
	}{
		"disk of the root": {
			disks: []sysfsDisk{{"sda", 0, espTable(partUUID), 3}}, mountinfo: rootPart, want: "sda2",
		},
		"name with a slash": {
			disks: []sysfsDisk{{"cciss!c0d0", 0, espTable(partUUID), 3}}, mountinfo: rootPart, want: "cciss/c0d02",
		},
		"the loader came from another disk": {
			disks:     []sysfsDisk{{"sda", 0, espTable(otherUUID), 3}, {"sdb", 16, espTable(partUUID), 3}},
			mountinfo: rootPart, loaderPart: strings.ToUpper(partUUID), want: "sdb2",
		},
		"the loader's disk is gone": {
			disks: []sysfsDisk{{"sda", 0, espTable(otherUUID), 3}}, mountinfo: rootPart, loaderPart: partUUID, want: "sda2",
		},
		"only another disk has one": {
			disks:     []sysfsDisk{{"sda", 0, "label: gpt\nsize=1MiB\nsize=2MiB\nsize=3MiB\n", 3}, {"sdb", 16, espTable(partUUID), 3}},
			mountinfo: rootPart, want: "",
		},
		"RAID, the second disk has it": {
			disks:     []sysfsDisk{{"sda", 0, "label: gpt\nsize=1MiB, type=R\n", 1}, {"sdb", 16, espTable(partUUID), 3}},
			slaves:    []string{"sda/sda1", "sdb/sdb3"},
			mountinfo: "30 29 253:0 / /sysroot ro - xfs /dev/md0 ro\n", want: "sdb2",
		},
		"RAID, both disks have one": {
			disks:     []sysfsDisk{{"sda", 0, espTable(partUUID), 3}, {"sdb", 16, espTable(otherUUID), 3}},
			slaves:    []string{"sda/sda3", "sdb/sdb3"},
			mountinfo: "30 29 253:0 / /sysroot ro - xfs /dev/md0 ro\n", want: "sda2",
		},
		"RAID, both disks have one, the second was started from": {
			disks:     []sysfsDisk{{"sda", 0, espTable(otherUUID), 3}, {"sdb", 16, espTable(partUUID), 3}},
			slaves:    []string{"sda/sda3", "sdb/sdb3"},
			mountinfo: "30 29 253:0 / /sysroot ro - xfs /dev/md0 ro\n", loaderPart: partUUID, want: "sdb2",
		},
		"three disks, two have one": {
			disks:     []sysfsDisk{{"sda", 0, "label: gpt\nsize=1MiB, type=R\n", 1}, {"sdb", 16, espTable(partUUID), 3}, {"sdc", 32, espTable(otherUUID), 3}},
			slaves:    []string{"sda/sda1", "sdb/sdb3", "sdc/sdc3"},
			mountinfo: "30 29 253:0 / /sysroot ro - xfs /dev/mapper/root ro\n", want: "sdb2",
		},
		"two disks, none has one": {
			disks:     []sysfsDisk{{"sda", 0, "label: gpt\nsize=1MiB, type=R\n", 1}, {"sdb", 16, "label: gpt\nsize=1MiB, type=R\n", 1}},
			slaves:    []string{"sda/sda1", "sdb/sdb1"},
			mountinfo: "30 29 253:0 / /sysroot ro - xfs /dev/md0 ro\n", want: "",
		},
		"whole disk without a table": {
			disks: []sysfsDisk{{"sda", 0, "", 0}}, mountinfo: "30 29 8:0 / /sysroot ro - ext4 /dev/sda ro\n", want: "",
		},
		"no block device":  {mountinfo: "30 29 0:40 / /sysroot ro - virtiofs root ro\n", want: ""},
		"no physical root": {mountinfo: "", want: ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			for _, d := range tt.disks {
				d.plant(t, root)
			}
			for _, s := range tt.slaves {
				plantSlave(t, root, s)
			}
			if tt.loaderPart != "" {
				write(t, filepath.Join(root, efivars, loaderPart), variable(tt.loaderPart))
			}
			table, err := mounts.Parse(strings.NewReader(tt.mountinfo))
			if err != nil {
				t.Fatal(err)
			}
			h := &Host{root: root, table: table}
			dev, found, err := h.findESP()
			if err != nil {
				t.Fatal(err)
			}
			want := device{}
			if tt.want != "" {
				want = device{mounts.Device{Major: 8, Minor: dev.Minor}, root + "/dev/" + tt.want}
			}
			if dev != want || found != (tt.want != "") {
				t.Errorf("%+v, %v", dev, found)
			}
		})
	}
}

// plantSlave puts the partition below the device 253:0.
func plantSlave(t *testing.T, root, part string) {
	t.Helper()
	write(t, root+"/sys/devices/virtual/md0/dev", "253:0\n")
	if err := os.MkdirAll(root+"/sys/devices/virtual/md0/slaves", 0o755); err != nil {
		t.Fatal(err)
	}
	link := root + "/sys/dev/block/253:0"
	if !exists(link) {
		if err := os.Symlink("../../devices/virtual/md0", link); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("../../../pci/"+part, root+"/sys/devices/virtual/md0/slaves/"+filepath.Base(part)); err != nil {
		t.Fatal(err)
	}
}

// A damaged table is told of rather than "no EFI system partition".
func TestFindESPTellsDamage(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	sysfsDisk{"sda", 0, espTable(partUUID), 3}.plant(t, root)
	disk := readImage(t, root+"/dev/sda")
	disk[1024] ^= 1
	clear(disk[len(disk)-64<<10:])
	write(t, root+"/dev/sda", string(disk))
	h := &Host{root: root, table: mounts.Table{{Device: mounts.Device{Major: 8, Minor: 3}, Root: "/", Path: "/sysroot", FSType: "ext4", Source: "/dev/sda3"}}}
	if _, _, err := h.findESP(); err == nil || !strings.Contains(err.Error(), "sda: partition table at 512: wrong checksum of the entries") {
		t.Error(err)
	}
}

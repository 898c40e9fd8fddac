// Package testdisk makes disks for tests, and what the kernel says of them.
package testdisk

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bootc-go/bootc/internal/testtool"
)

// Size is that of the disks.
const Size = 16 << 20

// Make makes the image of a disk with the partition table that the script of
// sfdisk(8) describes; none if there is no script.
func Make(t testing.TB, path, script string) {
	t.Helper()
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, Size); err != nil {
		t.Fatal(err)
	}
	if script != "" {
		testtool.Run(t, script, "sfdisk", "--quiet", path)
	}
}

// Attach makes a block device of a file until the test ends.
func Attach(t testing.TB, path string, args ...string) string {
	t.Helper()
	loop := strings.TrimSpace(testtool.Run(t, "", "losetup", append(args, "--find", "--show", path)...))
	t.Cleanup(func() { testtool.Run(t, "", "losetup", "--detach", loop) })
	return loop
}

// Ext4 makes a block device with an ext4 file system until the test ends.
func Ext4(t testing.TB) string {
	t.Helper()
	path := t.TempDir() + "/fs"
	Make(t, path, "")
	testtool.Run(t, "", "mke2fs", "-q", "-t", "ext4", path)
	return Attach(t, path)
}

// A Disk is a disk as /sys and /dev show it (sysfs(5),
// Documentation/ABI/stable/sysfs-block).
type Disk struct {
	Name   string
	Minor  int    // of the disk; its major is 8
	Script string // of sfdisk; "" for no partition table
	Parts  int    // how many partitions the kernel has found
}

// Plant makes the disk below root.
func (d Disk) Plant(t testing.TB, root string) {
	t.Helper()
	dir := "devices/pci/" + d.Name
	describe(t, root, dir, fmt.Sprintf("8:%d", d.Minor))
	link(t, "../"+dir, root+"/sys/block/"+d.Name)
	for n := 1; n <= d.Parts; n++ {
		part := fmt.Sprintf("%s/%s%d", dir, d.Name, n)
		describe(t, root, part, fmt.Sprintf("8:%d", d.Minor+n))
		write(t, fmt.Sprintf("%s/sys/%s/partition", root, part), fmt.Sprintf("%d\n", n))
	}
	node := root + "/dev/" + strings.ReplaceAll(d.Name, "!", "/")
	write(t, node, "")
	Make(t, node, d.Script)
}

// Stack makes the device 253:0, which lies on the partitions, such as "sda/sda1".
func Stack(t testing.TB, root string, parts ...string) {
	t.Helper()
	describe(t, root, "devices/virtual/md0", "253:0")
	for _, part := range parts {
		link(t, "../../../pci/"+part, root+"/sys/devices/virtual/md0/slaves/"+filepath.Base(part))
	}
}

func describe(t testing.TB, root, dir, number string) {
	t.Helper()
	write(t, root+"/sys/"+dir+"/dev", number+"\n")
	link(t, "../../"+dir, root+"/sys/dev/block/"+number)
}

func write(t testing.TB, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func link(t testing.TB, target, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
}

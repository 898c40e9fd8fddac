package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/install/disk"
	"github.com/bootc-go/bootc/internal/testtool"
)

const twoPartitions = `label: gpt
start=2048, size=20480, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, uuid=11111111-2222-4333-8444-555555555555, name=EFI-SYSTEM
start=22528, size=163840, type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709, uuid=11111111-2222-4333-8444-666666666666, name=root
`

// tool runs a program and returns what it prints, without the end of the line.
func tool(t *testing.T, input, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), testtool.Path(t, name), args...)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v", cmd, err)
	}
	return strings.TrimSpace(string(out))
}

// loopDisk is the device of a disk with twoPartitions, whose devices are there whether
// or not udev runs.
func loopDisk(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(file, 96<<20); err != nil {
		t.Fatal(err)
	}
	tool(t, twoPartitions, "sfdisk", "--quiet", "--no-reread", file)
	dev := tool(t, "", "losetup", "--find", "--show", "--partscan", file)
	t.Cleanup(func() { exec.Command("losetup", "--detach", dev).Run() })
	if _, err := os.Stat(filepath.Join("/sys/class/block", filepath.Base(dev)+"p1")); err != nil {
		tool(t, "", "partx", "--add", dev) // not every kernel looks by itself
	}
	for n := 1; n <= 2; n++ {
		part := fmt.Sprintf("%sp%d", dev, n)
		text, err := os.ReadFile(filepath.Join("/sys/class/block", filepath.Base(part), "dev"))
		if err != nil {
			t.Fatal(err)
		}
		var major, minor uint32
		if _, err := fmt.Sscanf(string(text), "%d:%d", &major, &minor); err != nil {
			t.Fatal(err)
		}
		if unix.Mknod(part, unix.S_IFBLK|0o600, int(unix.Mkdev(major, minor))) == nil {
			t.Cleanup(func() { os.Remove(part) })
		}
	}
	return dev
}

func blockdev(t *testing.T, args ...string) disk.BlockDevice {
	t.Helper()
	var stdout, stderr bytes.Buffer
	e := &env{stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr, root: "/", getenv: func(string) string { return "" }}
	if code := run(t.Context(), e, append([]string{"bootc", "internals", "blockdev"}, args...)); code != 0 {
		t.Fatalf("%v: %d, %s", args, code, &stderr)
	}
	var d disk.BlockDevice
	dec := json.NewDecoder(&stdout)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&d); err != nil {
		t.Fatal(err)
	}
	return d
}

// What is said of a disk is what sfdisk(8) and mkfs(8) were told, also without udev.
func TestBlockdev(t *testing.T) {
	t.Parallel()
	dev := loopDisk(t)
	const uuid = "11111111-2222-4333-8444-777777777777"
	tool(t, "", "mkfs.ext4", "-q", "-L", "data", "-U", uuid, dev+"p2")
	d := blockdev(t, "ls", dev)
	if *d.PTType != "gpt" || d.Size != 96<<20 || *d.ReadOnly || d.PartN != nil || len(d.Children) != 2 || *d.Path != dev {
		t.Errorf("%+v", d)
	}
	type part struct {
		N, Start, Size    int64
		Type, UUID, Label string
	}
	var got []part
	for _, c := range d.Children {
		got = append(got, part{*c.PartN, *c.Start, c.Size, *c.PartType, *c.PartUUID, *c.PartLabel})
	}
	want := []part{
		{1, 2048, 20480 * 512, "c12a7328-f81f-11d2-ba4b-00a0c93ec93b", "11111111-2222-4333-8444-555555555555", "EFI-SYSTEM"},
		{2, 22528, 163840 * 512, "4f68bce3-e8cd-4db1-96e7-fbcaf984b709", "11111111-2222-4333-8444-666666666666", "root"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if first := d.Children[0]; first.FSType != nil || first.UUID != nil {
		t.Errorf("the first has a file system: %+v", first)
	}
	second := d.Children[1]
	if *second.FSType != "ext4" || *second.UUID != uuid || *second.Label != "data" || second.Children != nil {
		t.Errorf("%+v", second)
	}

	there := t.TempDir()
	tool(t, "", "mount", dev+"p2", there)
	t.Cleanup(func() { exec.Command("umount", "--lazy", there).Run() })
	if diff := cmp.Diff(second, blockdev(t, "ls-filesystem", there)); diff != "" {
		t.Errorf("by what is mounted: %s", diff)
	}
}

func TestBlockdevRefuses(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"ls blockdev_test.go":     "bootc: cannot list the block device blockdev_test.go: lsblk: ",
		"ls /dev/nowhere":         "bootc: cannot list the block device /dev/nowhere: lsblk: ",
		"ls-filesystem /proc":     "bootc: /proc is on a file system of type proc from ",
		"ls-filesystem /dev/none": "bootc: open /dev/none: no such file or directory\n",
		"ls":                      "bootc: missing operand DEVICE\n",
	} {
		var stderr bytes.Buffer
		e := &env{stdin: strings.NewReader(""), stdout: &bytes.Buffer{}, stderr: &stderr, root: "/", getenv: func(string) string { return "" }}
		if code := run(t.Context(), e, append([]string{"bootc", "internals", "blockdev"}, strings.Fields(line)...)); code == 0 || !strings.HasPrefix(stderr.String(), want) {
			t.Errorf("%s: %d, %s", line, code, &stderr)
		}
	}
}

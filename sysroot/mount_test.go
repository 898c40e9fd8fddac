package sysroot

import (
	"errors"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/internal/testdisk"
	"github.com/bootc-go/bootc/internal/testtool"
)

// mountExt4 mounts a new ext4 file system at dir and returns its device.
func mountExt4(t *testing.T, dir, options string) string {
	t.Helper()
	loop := testdisk.Ext4(t)
	testtool.Run(t, "", "mount", "-o", options, loop, dir)
	t.Cleanup(func() { testtool.Run(t, "", "umount", dir) })
	return loop
}

// The physical root is mounted read-only where everyone sees it, and stays so.
func TestPhysicalRootIsWritableForUsOnly(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	dir := h.dir + "/sysroot"
	mountExt4(t, dir, "rw")
	testtool.Run(t, "", "mkdir", dir+"/boot")
	testtool.Run(t, "", "mount", "-o", "remount,bind,ro", dir)
	got := h.open(t, true)
	if err := create(got.Root, "x"); err != nil || !exists(dir+"/x") {
		t.Error(err)
	}
	if err := create(got.Files.Boot, "x"); err != nil || !exists(dir+"/boot/x") {
		t.Error(err)
	}
	if err := os.Mkdir(dir+"/y", 0o755); !errors.Is(err, unix.EROFS) {
		t.Error(err)
	}
}

func TestReadOnlySuperblock(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	mountExt4(t, h.dir+"/sysroot", "ro")
	if _, err := Open(Options{Root: h.dir, Write: true}); !errors.Is(err, ErrReadOnly) {
		t.Error(err)
	}
	if !h.open(t, false).ReadOnly {
		t.Error("not seen by a reader")
	}
}

// A separate /boot is usually mounted read-only, superblock and all.
func TestReadOnlyBootIsMadeWritable(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	dir := h.dir + "/boot"
	mountExt4(t, dir, "ro")
	h.mounted(t, "/boot", "ext4")
	if err := create(h.open(t, false).Files.Boot, "x"); !errors.Is(err, unix.EROFS) {
		t.Error(err)
	}
	if err := create(h.open(t, true).Files.Boot, "x"); err != nil || !exists(dir+"/x") {
		t.Error(err)
	}
	if err := os.Mkdir(dir+"/y", 0o755); !errors.Is(err, unix.EROFS) {
		t.Errorf("where others see it: %v", err)
	}
}

// What is mounted below /etc is not the deployment's.
func TestEtcWithoutMounts(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	write(t, h.dir+"/etc/sub/below", "")
	testtool.Run(t, "", "mount", "-t", "tmpfs", "tmpfs", h.dir+"/etc/sub")
	t.Cleanup(func() { testtool.Run(t, "", "umount", h.dir+"/etc/sub") })
	write(t, h.dir+"/etc/sub/above", "")
	sub, err := openDir(h.open(t, false).Etc, "sub")
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	if names, err := sub.Readdirnames(-1); err != nil || strings.Join(names, " ") != "below" {
		t.Error(names, err)
	}
}

package install

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bootc-go/bootc/image/registrytest"
	"github.com/bootc-go/bootc/install/config"
	"github.com/bootc-go/bootc/install/disk"
	"github.com/bootc-go/bootc/kargs"
	"github.com/bootc-go/bootc/osimage"
)

// loopMount mounts a new file system of a gigabyte at dir.
func loopMount(t *testing.T, fstype, dir string) (dev string) {
	t.Helper()
	dev = strings.TrimSpace(run(t, "losetup", "--find", "--show", emptyFile(t, gib)))
	t.Cleanup(func() { run(t, "losetup", "-d", dev) })
	run(t, "mkfs."+fstype, "-q", dev)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	run(t, "mount", dev, dir)
	// Lazily, for a process that another test is about to start may hold our files.
	t.Cleanup(func() { run(t, "umount", "--lazy", dir) })
	return dev
}

func uuidOf(t *testing.T, dev string) string {
	t.Helper()
	return strings.TrimSpace(run(t, "blkid", "-p", "-s", "UUID", "-o", "value", dev))
}

func entryText(t *testing.T, boot string) string {
	t.Helper()
	return read(t, filepath.Join(boot, "loader/entries/bootc_debian-13-0.conf"))
}

// The loader is "none", for this kernel has no vfat to mount an ESP with.
func TestToFilesystem(t *testing.T) {
	t.Parallel()
	source := layout(t, entries(t))
	empty, label := "", "LABEL=x"
	tests := []struct {
		name, fstype string
		f            FilesystemOptions
		separateBoot bool
		want         string // UUID and BOOT stand for those of the root and of /boot
	}{
		{"ext4", "ext4", FilesystemOptions{}, false, "options root=UUID=UUID rw fromconfig quiet console=tty0 composefs"},
		{"xfs", "xfs", FilesystemOptions{}, false, "options root=UUID=UUID rw fromconfig"},
		{"btrfs", "btrfs", FilesystemOptions{}, false, "options root=UUID=UUID rw fromconfig"},
		{"separate /boot", "ext4", FilesystemOptions{}, true, "options root=UUID=UUID rw systemd.mount-extra=UUID=BOOT:/boot:ext4:ro fromconfig"},
		{"specs", "ext4", FilesystemOptions{RootSpec: &label, BootSpec: &empty}, true, "options root=LABEL=x rw fromconfig"},
		{"no root=", "ext4", FilesystemOptions{RootSpec: &empty}, false, "options rw fromconfig"},
		{"inherited", "ext4", FilesystemOptions{Inherit: kargs.Parse("quiet root=/dev/sda2 rootflags=noatime rd.luks=1 luks.uuid=2 splash")}, false, "options root=/dev/sda2 rootflags=noatime rd.luks=1 luks.uuid=2 rw fromconfig"},
		{"wipe", "ext4", FilesystemOptions{Replace: ReplaceAll}, true, "options root=UUID=UUID rw systemd.mount-extra=UUID=BOOT:"},
		{"alongside", "ext4", FilesystemOptions{Replace: ReplaceAlongside, Cleanup: true, SkipFinalize: true}, false, "options root=UUID=UUID rw fromconfig"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			dev := loopMount(t, tt.fstype, root)
			boot := filepath.Join(root, "boot")
			bootUUID := ""
			if tt.separateBoot {
				bootUUID = uuidOf(t, loopMount(t, "ext4", boot))
			}
			if tt.f.Replace != ReplaceNothing {
				run(t, "sh", "-c", "mkdir -p "+root+"/boot/old "+root+"/usr/bin; echo 1 >"+root+"/boot/old/kernel; ln -s x "+root+"/boot/link; echo 2 >"+root+"/usr/bin/tool")
			}
			o := options(t, source, &told{})
			o.Loader = config.NoLoader
			tt.f.Path = root
			res, err := ToFilesystem(context.Background(), o, tt.f)
			if err != nil {
				t.Fatal(err)
			}
			want := strings.ReplaceAll(strings.ReplaceAll(tt.want, "UUID=UUID", "UUID="+uuidOf(t, dev)), "UUID=BOOT", "UUID="+bootUUID)
			if got := entryText(t, boot); !strings.Contains(got, want) {
				t.Errorf("got\n%swant %s", got, want)
			}
			if _, err := os.Stat(filepath.Join(boot, "bootc_composefs-"+res.ID.String(), "vmlinuz")); err != nil {
				t.Error(err)
			}
			checkReplaced(t, root, tt.f)
			if err := Finalize(root); err != nil {
				t.Error(err)
			}
		})
	}
}

func checkReplaced(t *testing.T, root string, f FilesystemOptions) {
	t.Helper()
	there := func(name string) bool {
		_, err := os.Lstat(filepath.Join(root, name))
		return err == nil
	}
	if there("boot/old") || there("boot/link") {
		t.Error("the old /boot is there")
	}
	if there("usr/bin/tool") != (f.Replace == ReplaceAlongside) {
		t.Error("/usr/bin/tool")
	}
	if there("etc/bootc-destructive-cleanup") != f.Cleanup {
		t.Error("the mark for the cleanup")
	}
	err := os.WriteFile(filepath.Join(root, "probe"), nil, 0o600)
	if (err == nil) != f.SkipFinalize {
		t.Errorf("after SkipFinalize %t: %v", f.SkipFinalize, err)
	}
}

// What can be is refused before anything is changed.
func TestToFilesystemRefuses(t *testing.T) {
	t.Parallel()
	source := layout(t, entries(t))
	tests := []struct {
		name    string
		prepare func(t *testing.T) string
		loader  config.Bootloader
		is      error
		want    string
	}{
		{"no mount point", func(t *testing.T) string { return t.TempDir() }, config.NoLoader, nil, "it is no mount point"},
		{"missing", func(t *testing.T) string { return filepath.Join(t.TempDir(), "x") }, config.NoLoader, os.ErrNotExist, "no such file"},
		{"file system", func(t *testing.T) string {
			dir := t.TempDir()
			run(t, "mount", "-t", "tmpfs", "tmpfs", dir)
			t.Cleanup(func() { run(t, "umount", "--lazy", dir) })
			return dir
		}, config.NoLoader, nil, `unknown file system "tmpfs"`},
		{"files", func(t *testing.T) string {
			dir := t.TempDir()
			loopMount(t, "ext4", dir)
			run(t, "mkdir", "-p", dir+"/a/b", dir+"/empty")
			run(t, "touch", dir+"/a/b/1", dir+"/a/2", dir+"/a/3", dir+"/a/4", dir+"/a/5", dir+"/6")
			return dir
		}, config.NoLoader, disk.ErrNotEmpty, " and more"},
		{"no ESP", func(t *testing.T) string {
			dir := t.TempDir()
			loopMount(t, "ext4", dir)
			return dir
		}, config.SystemdBoot, nil, "systemd needs an EFI system partition (ESP): none is mounted on boot/efi of the target, nor is one on the disks below it"},
		{"no place for GRUB", func(t *testing.T) string {
			dir := t.TempDir()
			loopMount(t, "ext4", dir)
			return dir
		}, config.GRUB, nil, "GRUB needs an EFI system partition (ESP): none is mounted on boot/efi of the target, nor is one on the disks below it; nor has a disk a BIOS boot partition"},
		{"a host of bootc", func(t *testing.T) string {
			dir := t.TempDir()
			run(t, "mount", "-t", "tmpfs", "tmpfs", dir)
			t.Cleanup(func() { run(t, "umount", "--lazy", dir) })
			run(t, "mkdir", "-p", dir+"/sysroot/composefs")
			return dir
		}, config.NoLoader, nil, "'bootc switch' makes it run another image"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := tt.prepare(t)
			o := options(t, source, &told{})
			o.Loader = tt.loader
			_, err := ToFilesystem(context.Background(), o, FilesystemOptions{Path: path})
			if err == nil || !strings.HasPrefix(err.Error(), "cannot install into "+path+": ") || !strings.Contains(err.Error(), tt.want) || errors.Is(err, ErrHalfway) || tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

// What the system that runs boots by is removed when all else is there, not before.
func TestToFilesystemAlongside(t *testing.T) {
	t.Parallel()
	var without []registrytest.Entry
	for _, e := range entries(t) {
		if !strings.HasSuffix(e.Name, "vmlinuz") {
			without = append(without, e)
		}
	}
	root := t.TempDir()
	loopMount(t, "ext4", root)
	boot := filepath.Join(root, "boot")
	loopMount(t, "ext4", boot)
	run(t, "mkdir", "-p", boot+"/grub")
	run(t, "touch", boot+"/grub/grub.cfg", boot+"/vmlinuz")
	o := options(t, layout(t, without), &told{})
	o.Loader = config.NoLoader
	f := FilesystemOptions{Path: root, Replace: ReplaceAlongside, SkipFinalize: true}
	_, err := ToFilesystem(context.Background(), o, f)
	if !errors.Is(err, osimage.ErrNotBootable) || errors.Is(err, ErrHalfway) || !strings.HasSuffix(err.Error(), "; nothing was removed, and what is there boots as before") {
		t.Error(err)
	}
	o = options(t, layout(t, append(entries(t), registrytest.File("usr/lib/bootc/kargs.d/20.toml", "kargs = [\"long="+strings.Repeat("x", 2000)+"\"]\n"))), &told{})
	o.Loader = config.NoLoader
	if _, err := ToFilesystem(context.Background(), o, f); errors.Is(err, ErrHalfway) || !strings.Contains(fmt.Sprint(err), "the kernel ignores what is beyond") {
		t.Error(err)
	}
	o = options(t, layout(t, entries(t)), &told{})
	o.Loader, o.Addons = config.NoLoader, []string{"debug"}
	if _, err := ToFilesystem(context.Background(), o, f); errors.Is(err, ErrHalfway) || !errors.Is(err, osimage.ErrNoAddon) {
		t.Error(err)
	}
	for _, name := range []string{"grub/grub.cfg", "vmlinuz"} {
		if _, err := os.Stat(filepath.Join(boot, name)); err != nil {
			t.Error(err)
		}
	}
	// Another image, and the same once more.
	for range 2 {
		o = options(t, layout(t, entries(t)), &told{})
		o.Loader = config.NoLoader
		if _, err := ToFilesystem(context.Background(), o, f); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(boot + "/vmlinuz"); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

func TestToFilesystemKeepsWhatRuns(t *testing.T) {
	t.Parallel()
	_, err := ToFilesystem(context.Background(), Options{}, FilesystemOptions{Path: "/proc/self/root/", Replace: ReplaceAll})
	if err == nil || !strings.Contains(err.Error(), "the system that runs is there") {
		t.Error(err)
	}
}

// Nothing of an image leads out of the root that it is installed in.
func TestLinksLeadNowhere(t *testing.T) {
	t.Parallel()
	outside := t.TempDir()
	tests := []struct {
		name  string
		entry registrytest.Entry
		want  string
	}{
		{"directory", registrytest.Symlink("etc/tmpfiles.d", outside), "/etc of the image: open tmpfiles.d: "},
		{"home", registrytest.Symlink("root", "var/roothome\nf /evil"), "has characters that tmpfiles.d(5) takes for others"},
		{"specifier", registrytest.Symlink("root", "var/%m"), "has characters that tmpfiles.d(5) takes for others"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			loopMount(t, "ext4", root)
			all := slices.DeleteFunc(entries(t), func(e registrytest.Entry) bool { return e.Name == tt.entry.Name })
			o := options(t, layout(t, append(all, tt.entry)), &told{})
			o.Loader, o.SSHKeys = config.NoLoader, []byte("key")
			_, err := ToFilesystem(context.Background(), o, FilesystemOptions{Path: root})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Error(err)
			}
			if left, err := os.ReadDir(outside); err != nil || len(left) > 0 {
				t.Errorf("outside: %v, %v", left, err)
			}
		})
	}
}

func TestFinalizeRefuses(t *testing.T) {
	t.Parallel()
	if err := Finalize(t.TempDir()); err == nil || !strings.Contains(err.Error(), "there is no deployment in ") {
		t.Error(err)
	}
}

func TestIsHostRoot(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	loopMount(t, "ext4", dir)
	for path, want := range map[string]bool{"/": true, dir: false} {
		if got, err := IsHostRoot(path); err != nil || got != want {
			t.Errorf("%s: %t, %v", path, got, err)
		}
	}
}

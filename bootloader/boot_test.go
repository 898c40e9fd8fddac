package bootloader_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/bootc-go/bootc/bootloader"
	"github.com/bootc-go/bootc/bootloader/bootloadertest"
	"github.com/bootc-go/bootc/internal/testtool"
	"github.com/bootc-go/bootc/kargs"
)

// The disk of the boot tests, in MiB.
const (
	biosAt, biosSize = 1, 1
	espAt, espSize   = 2, 48
	rootAt, rootSize = 50, 64
	rootUUID         = "6d1d8b2c-3a5c-4a0e-9b39-7a1c2b3d4e5f"
)

// The firmware starts the loader that Install put there, the loader shows the menu that
// Commit made live and starts the first entry, and a kernel sees the arguments as they
// were meant. Seconds each, for QEMU emulates the machine.
func TestBoot(t *testing.T) {
	t.Parallel()
	linux, uki := bootloadertest.Entry("first"), bootloadertest.UKIEntry("second")
	linux.Title = "It's $first"
	linux.Options = kargs.Parse(`quiet a="b c" "d=e f" g=$h;{i}`).WithRoot(linux.Root)
	tests := []struct {
		name string
		kind bootloader.Kind
		bios bool
		menu []bootloader.Entry
		want string
	}{
		{"GRUB on a BIOS", bootloader.GRUB, true, []bootloader.Entry{linux, uki}, `quiet "a=b c" "d=e f" g=$h;{i} composefs=` + linux.ID.String()},
		{"GRUB on UEFI", bootloader.GRUB, false, []bootloader.Entry{uki, linux}, "the unified kernel image runs"},
		{"systemd-boot", bootloader.Systemd, false, []bootloader.Entry{uki, linux}, "the unified kernel image runs"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			console := boot(t, bootDisk(t, tt.kind, tt.menu), tt.bios, "on")
			if !strings.Contains(console, tt.want) {
				t.Errorf("the console has no %q:\n%q", tt.want, console)
			}
		})
	}
}

// The loaders themselves count an entry's tries down, start another one when they are
// used up or when the kernel is not there, and what we read from the disk afterwards is
// what they do next.
func TestLoadersCount(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		kind  bootloader.Kind
		bios  bool
		entry func(name string) bootloader.Entry
		says  func(name string) string
	}{
		{"GRUB on a BIOS", bootloader.GRUB, true, bootloadertest.Entry, func(name string) string { return bootloadertest.ID(name).String() }},
		{"systemd-boot", bootloader.Systemd, false, bootloadertest.UKIEntry, func(name string) string { return "image runs: " + name }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			fresh, old := tt.entry("fresh"), tt.entry("old")
			fresh.Tries = &bootloader.Tries{Left: 2}
			disk := bootDisk(t, tt.kind, []bootloader.Entry{fresh, old})
			for _, want := range []string{"fresh 2-0", "fresh 1-1", "old"} {
				next := onDisk(t, disk, tt.kind, func(bootloader.Loader) {})
				if next != want {
					t.Errorf("by the disk %q is next, want %q", next, want)
				}
				name, _, _ := strings.Cut(want, " ")
				if console := boot(t, disk, tt.bios, "off"); !strings.Contains(console, tt.says(name)) {
					t.Fatalf("%s did not boot: %q", name, console)
				}
			}
			// An entry whose kernel is lost gives way at once.
			onDisk(t, disk, tt.kind, func(l bootloader.Loader) {
				bootloadertest.Install(t, l, fresh, old)
			})
			loseKernel(t, disk, tt.kind, fresh.Kernel)
			if console := boot(t, disk, tt.bios, "off"); !strings.Contains(console, tt.says("old")) {
				t.Errorf("the old one did not boot: %q", console)
			}
		})
	}
}

// onDisk mounts the file system of the menu, has do use it, and returns what boots
// next, with its tries.
func onDisk(t *testing.T, disk string, kind bootloader.Kind, do func(l bootloader.Loader)) string {
	t.Helper()
	var next string
	mounted(t, disk, kind, func(dir string) {
		var files bootloader.Files
		if kind == bootloader.GRUB {
			files.Boot = openDir(t, filepath.Join(dir, "boot"))
		} else {
			files.ESP = openDir(t, dir)
		}
		l, err := bootloader.New(kind, files)
		if err != nil {
			t.Fatal(err)
		}
		do(l)
		menu, err := l.Menu()
		if err != nil || len(menu) == 0 {
			t.Fatalf("menu: %v, %v", menu, err)
		}
		next = menu[0].Version
		if tries := menu[0].Tries; tries != nil {
			next += fmt.Sprintf(" %d-%d", tries.Left, tries.Done)
		}
		for _, f := range []*os.File{files.ESP, files.Boot} {
			if f != nil {
				f.Close()
			}
		}
	})
	return next
}

func loseKernel(t *testing.T, disk string, kind bootloader.Kind, kernel string) {
	t.Helper()
	mounted(t, disk, kind, func(dir string) {
		if kind == bootloader.GRUB {
			dir = filepath.Join(dir, "boot")
		} else {
			dir = filepath.Join(dir, "EFI/Linux/bootc")
		}
		if err := os.Rename(filepath.Join(dir, kernel), filepath.Join(dir, "lost")); err != nil {
			t.Fatal(err)
		}
	})
}

// mounted has do work on the root file system, or on a copy of the ESP, for there is
// no FAT in every kernel that tests run on.
func mounted(t *testing.T, disk string, kind bootloader.Kind, do func(dir string)) {
	t.Helper()
	dir := t.TempDir()
	if kind == bootloader.GRUB {
		tool(t, "", "mount", "-o", fmt.Sprintf("loop,offset=%d,sizelimit=%d", rootAt<<20, rootSize<<20), disk, dir)
		defer tool(t, "", "umount", dir)
		do(dir)
		return
	}
	at := fmt.Sprintf("%s@@%dM", disk, espAt)
	tool(t, "", "mcopy", "-i", at, "-s", "::/EFI", "::/loader", dir)
	do(dir)
	tool(t, "", "mdeltree", "-i", at, "::/EFI", "::/loader")
	tool(t, "", "mcopy", "-i", at, "-s", filepath.Join(dir, "EFI"), filepath.Join(dir, "loader"), "::")
}

// bootDisk installs a loader and a menu on a disk for BIOS and UEFI.
func bootDisk(t *testing.T, kind bootloader.Kind, menu []bootloader.Entry) string {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "disk")
	disk, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer disk.Close()
	if err := disk.Truncate(128 << 20); err != nil {
		t.Fatal(err)
	}
	tool(t, fmt.Sprintf("label: gpt\nstart=%dMiB, size=%dMiB, type=21686148-6449-6E6F-744E-656564454649\n"+
		"start=%dMiB, size=%dMiB, type=uefi\nstart=%dMiB, size=%dMiB\n",
		biosAt, biosSize, espAt, espSize, rootAt, rootSize), "sfdisk", "--quiet", path)

	root, esp := filepath.Join(dir, "root"), filepath.Join(dir, "esp")
	write(t, root, map[string]string{"boot/grub/custom.cfg": "serial\nterminal_output serial\nset timeout=0\n"})
	write(t, esp, map[string]string{"loader/loader.conf": "timeout 0\n"})
	files := bootloader.Files{Boot: openDir(t, filepath.Join(root, "boot")), ESP: openDir(t, esp)}
	opts := bootloader.InstallOptions{
		Kind: kind, Files: files, Image: fstest.MapFS{}, Arch: "amd64", RootUUID: rootUUID, BootPath: "/boot", Run: runTool,
	}
	if kind == bootloader.GRUB {
		opts.BIOS = []bootloader.BIOSDisk{{Disk: disk, FirstLBA: biosAt << 11, Sectors: biosSize << 11}}
	} else {
		opts.Image = os.DirFS("/") // it has systemd-boot
	}
	if err := bootloader.Install(t.Context(), opts); err != nil {
		t.Fatal(err)
	}
	installMenu(t, kind, files, menu)

	const mib = 1 << 20
	at := fmt.Sprintf("%s@@%dM", path, espAt)
	tool(t, "", "mformat", "-i", at, "-T", fmt.Sprint(espSize<<11), "-h", "255", "-s", "63", "-H", fmt.Sprint(espAt<<11), "::")
	tool(t, "", "mcopy", "-i", at, "-s", filepath.Join(esp, "EFI"), filepath.Join(esp, "loader"), "::")
	tool(t, "", "mke2fs", "-q", "-t", "ext4", "-U", rootUUID, "-E", fmt.Sprintf("offset=%d", rootAt*mib),
		"-d", root, path, fmt.Sprintf("%dM", rootSize))
	return path
}

func installMenu(t *testing.T, kind bootloader.Kind, files bootloader.Files, menu []bootloader.Entry) {
	t.Helper()
	l, err := bootloader.New(kind, files)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range menu {
		k := bootloadertest.Kernel(e)
		if e.UKI {
			k.UKI = opener(fakeUKI(t, e.Version))
		} else {
			k.Linux = opener(tinyKernel())
		}
		if err := l.AddKernel(t.Context(), k); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Stage(menu); err != nil {
		t.Fatal(err)
	}
	if err := l.Commit(); err != nil {
		t.Fatal(err)
	}
}

func opener(data []byte) bootloader.Opener {
	return func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }
}

// tool runs a tool, or fails the test.
func tool(t *testing.T, stdin, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(testtool.Path(t, name), args...)
	cmd.Stdin = strings.NewReader(stdin)
	cmd.Env = append(os.Environ(), "MTOOLS_SKIP_CHECK=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %q: %v: %s", name, args, err, out)
	}
}

// tinyKernel is a kernel that prints its command line to the first serial port and
// resets the machine.
func tinyKernel() []byte {
	image := make([]byte, 3*512)
	image[0x1f1] = 1                                         // one sector of setup behind the first
	copy(image[0x1fe:], []byte{0x55, 0xaa})                  // boot_flag
	copy(image[0x202:], "HdrS\x06\x02")                      // boot protocol 2.06
	image[0x211] = 1                                         // loaded high
	binary.LittleEndian.PutUint32(image[0x214:], 1<<20)      // code32_start
	binary.LittleEndian.PutUint32(image[0x22c:], 0x7fffffff) // initrd_addr_max
	binary.LittleEndian.PutUint32(image[0x238:], 2047)       // cmdline_size
	copy(image[2*512:], []byte{
		0x8b, 0xb6, 0x28, 0x02, 0x00, 0x00, // mov esi, [esi+0x228]: cmd_line_ptr
		0x66, 0xba, 0xf8, 0x03, // mov dx, 0x3f8
		0xac,       // next: lodsb
		0x84, 0xc0, // test al, al
		0x74, 0x03, // jz done
		0xee,       // out dx, al
		0xeb, 0xf8, // jmp next
		0xb0, 0x0a, // done: mov al, '\n'
		0xee,       // out dx, al
		0xb0, 0xfe, // mov al, 0xfe
		0xe6, 0x64, // out 0x64, al: reset
		0xeb, 0xfe, // jmp here
	})
	return image
}

// fakeUKI is a UEFI program that prints a line and turns the machine off: GRUB, for
// want of a smaller one.
func fakeUKI(t *testing.T, version string) []byte {
	t.Helper()
	dir := t.TempDir()
	config, image := filepath.Join(dir, "config"), filepath.Join(dir, "image")
	write(t, dir, map[string]string{"config": "serial\nterminal_output serial\necho the unified kernel image runs: " + version + "\nhalt\n"})
	tool(t, "", "grub-mkimage", "--format=x86_64-efi", "--config="+config, "--output="+image, "--prefix=/x",
		"serial", "terminal", "echo", "halt")
	data, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// boot starts a machine with the disk and returns what came over its serial port until
// it ended. What it writes to the disk is lost if snapshot is "on".
func boot(t *testing.T, disk string, bios bool, snapshot string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	args := []string{
		"-machine", "q35", "-accel", "tcg", "-cpu", "qemu64", "-m", "256", "-nodefaults", "-display", "none",
		"-no-reboot", "-serial", "stdio",
		"-drive", "if=none,id=d0,format=raw,snapshot=" + snapshot + ",file=" + disk, "-device", "virtio-blk-pci,drive=d0,bootindex=1",
	}
	if !bios {
		args = append(args,
			"-drive", "if=pflash,format=raw,unit=0,readonly=on,file="+firmware(t, "OVMF_CODE_4M.fd"),
			"-drive", "if=pflash,format=raw,unit=1,snapshot=on,file="+firmware(t, "OVMF_VARS_4M.fd"))
	}
	cmd := exec.CommandContext(ctx, testtool.Path(t, "qemu-system-x86_64"), args...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %q", err, out)
	}
	return string(out)
}

func firmware(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(filepath.Dir(filepath.Dir(testtool.Path(t, "qemu-system-x86_64"))), "ovmf", name)
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("the firmware is missing (run make setup): %v", err)
	}
	return path
}

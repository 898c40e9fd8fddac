package e2e

import (
	"bytes"
	"debug/pe"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bootc-go/bootc/image/registrytest"
	"github.com/bootc-go/bootc/internal/testimage"
)

// unified returns the image with a unified kernel image in the place of its
// kernel and initramfs. Its command line names the deployment, and no root: that
// is found by its type in the partition table. It has the addons "wanted" and "other".
func unified(t testing.TB, image testimage.Image) testimage.Image {
	t.Helper()
	vmlinuz, linux := image.File(t, "usr/lib/modules/*/vmlinuz")
	_, initrd := image.File(t, "usr/lib/modules/*/initramfs.img")
	dir := path.Dir(vmlinuz)
	image = testimage.Append(t, image, []registrytest.Entry{
		registrytest.Whiteout(dir, "vmlinuz"), registrytest.Whiteout(dir, "initramfs.img"),
	}, nil)
	uki := onStub(t, image, "linuxx64.efi.stub", []section{
		{".osrel", "ID=debian\nPRETTY_NAME=Debian\nVERSION_ID=13\n", 0x100000},
		{".uname", path.Base(dir), 0x110000},
		{".cmdline", "rw " + strings.Join(kargs, " ") + " composefs=?" + bootID(t, image), 0x120000},
		{".linux", string(linux), 0x2000000},
		{".initrd", string(initrd), 0x4000000},
	})
	entries := []registrytest.Entry{
		registrytest.Dir("boot/EFI"), registrytest.Dir("boot/EFI/Linux"), registrytest.File("boot/EFI/Linux/debian.efi", uki),
		registrytest.Dir("boot/EFI/Linux/debian.efi.extra.d"),
	}
	for _, name := range []string{"wanted", "other"} {
		addon := onStub(t, image, "addonx64.efi.stub", []section{{".cmdline", "addon." + name, 0x100000}})
		entries = append(entries, registrytest.File("boot/EFI/Linux/debian.efi.extra.d/"+name+".addon.efi", addon))
	}
	return testimage.Append(t, image, entries, nil)
}

// section is one of a unified kernel image.
type section struct {
	name, content string
	address       uint64 // in memory, from where the image is loaded
}

// onStub adds sections to a stub of the image's systemd.
func onStub(t testing.TB, image testimage.Image, stub string, sections []section) string {
	t.Helper()
	dir := t.TempDir()
	_, program := image.File(t, "usr/lib/systemd/boot/efi/"+stub)
	write := func(name, content string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		return file
	}
	base, out := imageBase(t, program), filepath.Join(dir, "out.efi")
	args := []string{write(stub, string(program)), out}
	for _, s := range sections {
		args = append(args, "--add-section", s.name+"="+write(s.name, s.content), "--change-section-vma", fmt.Sprintf("%s=%#x", s.name, base+s.address))
	}
	tool(t, "objcopy", args...)
	data, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// imageBase is the address that the sections of a program of the firmware are counted from.
func imageBase(t testing.TB, program []byte) uint64 {
	t.Helper()
	f, err := pe.NewFile(bytes.NewReader(program))
	if err != nil {
		t.Fatal(err)
	}
	header, ok := f.OptionalHeader.(*pe.OptionalHeader64)
	if !ok {
		t.Fatal("not a program for 64 bits")
	}
	return header.ImageBase
}

// bootID is the id that the deployment of the image has, which the files in /boot
// do not change.
func bootID(t testing.TB, image testimage.Image) string {
	t.Helper()
	repository := filepath.Join(t.TempDir(), "repository")
	bootc(t, "internals", "cfs", "init", "--insecure", repository)
	cfs := []string{"internals", "cfs", "--repo", repository, "oci"}
	bootc(t, append(cfs, "pull", image.Reference(), "image")...)
	out := strings.TrimSpace(bootc(t, append(cfs, "compute-id", "--bootable", "image")...))
	return out[strings.LastIndexByte(out, ':')+1:]
}

package e2e

import (
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
// is found by its type in the partition table.
func unified(t testing.TB, image testimage.Image) testimage.Image {
	t.Helper()
	vmlinuz, linux := image.File(t, "usr/lib/modules/*/vmlinuz")
	_, initrd := image.File(t, "usr/lib/modules/*/initramfs.img")
	dir := path.Dir(vmlinuz)
	image = testimage.Append(t, image, []registrytest.Entry{
		registrytest.Whiteout(dir, "vmlinuz"), registrytest.Whiteout(dir, "initramfs.img"),
	}, nil)
	uki := buildUKI(t, []section{
		{".osrel", "ID=debian\nPRETTY_NAME=Debian\nVERSION_ID=13\n", "0x20000"},
		{".uname", path.Base(dir), "0x30000"},
		{".cmdline", "rw " + strings.Join(kargs, " ") + " composefs=?" + bootID(t, image), "0x40000"},
		{".linux", string(linux), "0x2000000"},
		{".initrd", string(initrd), "0x4000000"},
	})
	return testimage.Append(t, image, []registrytest.Entry{
		registrytest.Dir("boot/EFI"), registrytest.Dir("boot/EFI/Linux"), registrytest.File("boot/EFI/Linux/debian.efi", uki),
	}, nil)
}

// section is one of a unified kernel image.
type section struct{ name, content, address string }

func buildUKI(t testing.TB, sections []section) string {
	t.Helper()
	dir := t.TempDir()
	uki := filepath.Join(dir, "uki.efi")
	args := []string{"/usr/lib/systemd/boot/efi/linuxx64.efi.stub", uki}
	for _, s := range sections {
		file := filepath.Join(dir, s.name)
		if err := os.WriteFile(file, []byte(s.content), 0o644); err != nil {
			t.Fatal(err)
		}
		args = append(args, "--add-section", s.name+"="+file, "--change-section-vma", s.name+"="+s.address)
	}
	tool(t, "objcopy", args...)
	data, err := os.ReadFile(uki)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
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

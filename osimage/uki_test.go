package osimage

import (
	"bytes"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/bootc-go/bootc/internal/testtool"
)

// stub is systemd's program that starts the kernel of an image of which it is part.
const stub = "/usr/lib/systemd/boot/efi/linuxx64.efi.stub"

// buildUKI makes a unified kernel image of sections, as name=content, with objcopy.
func buildUKI(t *testing.T, sections ...string) []byte {
	t.Helper()
	dir := t.TempDir()
	out := filepath.Join(dir, "uki.efi")
	args := []string{stub, out}
	for i, s := range sections {
		name, content, _ := strings.Cut(s, "=")
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		args = append(args, "--add-section", name+"="+file, "--change-section-vma", name+"="+vma(i))
	}
	cmd := exec.CommandContext(t.Context(), testtool.Path(t, "objcopy"), args...)
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	data, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// vma is an address for the i-th section, above those of the stub.
func vma(i int) string { return "0x1" + string(rune('0'+i)) + "0000000" }

func sealed(uki []byte, change fstest.MapFS) fstest.MapFS {
	const dir = "usr/lib/modules/6.1.0/"
	image := bls(fstest.MapFS{dir + "vmlinuz": nil, dir + "initramfs.img": nil, "boot/EFI/Linux/acme.efi": {Data: uki}})
	maps.Copy(image, change)
	return image
}

func TestUKI(t *testing.T) {
	t.Parallel()
	linux, initrd := strings.Repeat("kernel", 1000), strings.Repeat("initramfs", 777)
	uki := buildUKI(t, ".linux="+linux, ".initrd="+initrd, ".uname=6.1.0-uki\n", ".cmdline=quiet root=x\n\x00")
	got, err := Inspect(sealed(uki, fstest.MapFS{
		"boot/EFI/Linux/acme.efi.extra.d/b.addon.efi": file("bb"),
		"boot/EFI/Linux/acme.efi.extra.d/a.addon.efi": file("a"),
		"boot/EFI/Linux/acme.efi.extra.d/c.cred":      file("c"),
		"boot/EFI/Linux/later.efi":                    file("x"),
		"boot/EFI/Linux/acme.conf":                    file("x"),
	}), "amd64")
	if err != nil {
		t.Fatal(err)
	}
	want := Kernel{
		Version: "6.1.0-uki", Type: UKI, UKI: "boot/EFI/Linux/acme.efi",
		Addons: []string{"boot/EFI/Linux/acme.efi.extra.d/a.addon.efi", "boot/EFI/Linux/acme.efi.extra.d/b.addon.efi"},
		Size:   int64(len(uki)) + 3, Digest: hexSum(linux + initrd),
	}
	if diff := cmp.Diff(want, got.Kernel); diff != "" {
		t.Error(diff)
	}
	line, err := UKICmdline(bytes.NewReader(uki))
	if err != nil || line.String() != "quiet root=x" {
		t.Errorf("%q, %v", line, err)
	}
}

func TestUKIWithoutUname(t *testing.T) {
	t.Parallel()
	got, err := Inspect(sealed(buildUKI(t, ".linux=k", ".initrd=i"), nil), "amd64")
	if err != nil {
		t.Fatal(err)
	}
	if got.Kernel.Version != "acme" {
		t.Errorf("%+v", got.Kernel)
	}
}

func TestUKIErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, want string
		uki        []byte
	}{
		{"no kernel", "missing section .linux", buildUKI(t, ".initrd=i")},
		{"no initramfs", "missing section .initrd", buildUKI(t, ".linux=k")},
		{"a long name", "section .uname has 65537 bytes", buildUKI(t, ".linux=k", ".initrd=i", ".uname="+strings.Repeat("x", maxText+1))},
		{"cut off", "not a unified kernel image", buildUKI(t, ".linux=k", ".initrd="+strings.Repeat("x", 100_000))[:100_000]},
		{"a claim", "section .initrd claims 4294967295 bytes", claim(buildUKI(t, ".linux=k", ".initrd=i"), ".initrd\x00")},
		{"empty", "section .linux", buildUKI(t, ".linux=", ".initrd=i")},
		{"text", "not a unified kernel image", []byte("#!/bin/sh\n")},
	} {
		_, err := Inspect(sealed(c.uki, nil), "amd64")
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "acme.efi") {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	_, err := UKICmdline(bytes.NewReader(buildUKI(t, ".linux=k", ".initrd=i")))
	if !errors.Is(err, ErrNotBootable) || !strings.Contains(err.Error(), "missing section .cmdline") {
		t.Errorf("no command line: %v", err)
	}
}

// claim gives the section a size that it does not have.
func claim(uki []byte, section string) []byte {
	i := bytes.Index(uki, []byte(section)) + 8
	copy(uki[i:], "\xff\xff\xff\xff")
	return uki
}

func FuzzUKI(f *testing.F) {
	// A header with one section, by hand: DOS header, PE signature, COFF header.
	head := make([]byte, 0x40, 0x100)
	copy(head, "MZ")
	head[0x3c] = 0x40
	head = append(head, "PE\x00\x00\x64\x86\x01\x00"...)
	head = append(head, make([]byte, 16)...)
	head = append(head, ".cmdline\x04\x00\x00\x00\x00\x00\x00\x00\x04\x00\x00\x00\x80\x00\x00\x00"...)
	head = append(head, make([]byte, 16)...)
	f.Add(append(head, "a=b c"...))
	f.Fuzz(func(t *testing.T, data []byte) {
		if line, err := UKICmdline(bytes.NewReader(data)); err == nil && len(line.String()) > len(data) {
			t.Fatalf("%q of %d bytes", line, len(data))
		}
		image, err := newUKI(bytes.NewReader(data))
		if err != nil {
			return
		}
		if sum, err := image.digest(); err == nil && len(sum) != 64 {
			t.Fatalf("digest %q", sum)
		}
	})
}

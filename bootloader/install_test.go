package bootloader_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/bootc-go/bootc/bootloader"
)

// runTool is InstallOptions.Run.
func runTool(ctx context.Context, name string, args ...string) error {
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		return errors.Join(err, errors.New(string(out)))
	}
	return nil
}

// tree is what files a directory has, with their content.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(filepath.Join(dir, name))
		files[name] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestInstallSystemdBoot(t *testing.T) {
	t.Parallel()
	const efi = "usr/lib/systemd/boot/efi/systemd-boot"
	image := fstest.MapFS{
		efi + "x64.efi":        {Data: []byte("plain")},
		efi + "x64.efi.signed": {Data: []byte("signed")},
		efi + "aa64.efi":       {Data: []byte("arm")},
		"usr/lib/bootc/install/secureboot-keys/auto/PK.auth": {Data: []byte("PK")},
		"usr/lib/bootc/install/secureboot-keys/README":       {Data: []byte("x")},
	}
	tests := []struct {
		arch string
		esp  map[string]string
		want map[string]string
	}{
		{"amd64", nil, map[string]string{
			"EFI/BOOT/BOOTX64.EFI": "signed", "EFI/systemd/systemd-bootx64.efi": "signed",
			"loader/loader.conf": "timeout 5\n", "loader/entries.srel": "type1\n", "loader/keys/auto/PK.auth": "PK",
		}},
		{"arm64", map[string]string{"loader/loader.conf": "timeout 9\n", "EFI/BOOT/BOOTAA64.EFI": "old"}, map[string]string{
			"EFI/BOOT/BOOTAA64.EFI": "arm", "EFI/systemd/systemd-bootaa64.efi": "arm",
			"loader/loader.conf": "timeout 9\n", "loader/entries.srel": "type1\n", "loader/keys/auto/PK.auth": "PK",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.arch, func(t *testing.T) {
			t.Parallel()
			esp := t.TempDir()
			write(t, esp, tt.esp)
			err := bootloader.Install(t.Context(), bootloader.InstallOptions{
				Kind: bootloader.Systemd, Files: bootloader.Files{ESP: openDir(t, esp)}, Image: image, Arch: tt.arch,
			})
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, tree(t, esp)); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestInstallRefuses(t *testing.T) {
	t.Parallel()
	parts := fstest.MapFS{
		"usr/lib/grub/x86_64-efi/moddep.lst": {Data: []byte("x")},
		"usr/lib/grub/arm64-efi/moddep.lst":  {Data: []byte("x")},
	}
	dir := openDir(t, t.TempDir())
	both := bootloader.Files{Boot: dir, ESP: dir}
	noTool := func(ctx context.Context, name string, _ ...string) error { return runTool(ctx, "no-such-"+name) }
	tests := []struct {
		name string
		opts bootloader.InstallOptions
		want string
	}{
		{"no loader in the image", bootloader.InstallOptions{Kind: bootloader.Systemd, Files: both, Arch: "amd64"}, "Debian has it in systemd-boot-efi"},
		{"no ESP", bootloader.InstallOptions{Kind: bootloader.Systemd, Arch: "amd64"}, "needs an EFI system partition"},
		{"no firmware", bootloader.InstallOptions{Kind: bootloader.GRUB, Files: bootloader.Files{Boot: dir}, Arch: "amd64"}, "neither an EFI system partition nor"},
		{"architecture", bootloader.InstallOptions{Kind: bootloader.GRUB, Files: both, Arch: "s390x"}, "UEFI on s390x is not supported"},
		{"no modules", bootloader.InstallOptions{Kind: bootloader.GRUB, Files: both, Arch: "arm64"}, "Debian has it in grub-efi-arm64-bin"},
		{"no tool", bootloader.InstallOptions{Kind: bootloader.GRUB, Files: both, Arch: "amd64", Image: parts, Run: noTool}, "grub-mkimage for x86_64-efi: "},
		{"loader", bootloader.InstallOptions{Kind: "lilo", Files: both, Arch: "amd64"}, "none of that name"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if tt.opts.Image == nil {
				tt.opts.Image = fstest.MapFS{}
			}
			err := bootloader.Install(t.Context(), tt.opts)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// GRUB for a BIOS is embedded around what is on the disk, or not at all.
func TestInstallBIOS(t *testing.T) {
	t.Parallel()
	const first = 2048
	fresh := func(t *testing.T) *os.File {
		t.Helper()
		disk, err := os.Create(filepath.Join(t.TempDir(), "disk"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { disk.Close() })
		sector := bytes.Repeat([]byte{0xee}, 512)
		sector[510], sector[511] = 0x55, 0xaa
		if _, err := disk.Write(sector); err != nil {
			t.Fatal(err)
		}
		return disk
	}
	install := func(disk *os.File, sectors int64) error {
		return bootloader.Install(t.Context(), bootloader.InstallOptions{
			Kind: bootloader.GRUB, Files: bootloader.Files{Boot: openDir(t, t.TempDir())}, Image: fstest.MapFS{},
			Arch: "amd64", RootUUID: "x", BootPath: "/boot", Run: runTool,
			BIOS: []bootloader.BIOSDisk{{Disk: disk, FirstLBA: first, Sectors: sectors}},
		})
	}

	disk := fresh(t)
	if err := install(disk, 2048); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(disk.Name())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(data[440:510], bytes.Repeat([]byte{0xee}, 70)) {
		t.Error("the partition table has changed")
	}
	if !bytes.Equal(data[512:first*512], make([]byte, (first-1)*512)) {
		t.Error("something was written between the first sector and the partition")
	}
	if len(data) > (first+2048)*512 || len(data) < (first+100)*512 {
		t.Errorf("the image ends at %d", len(data))
	}

	disk = fresh(t)
	if err := install(disk, 100); err == nil || !strings.Contains(err.Error(), "the BIOS boot partition 100") {
		t.Errorf("small partition: %v", err)
	}
	if st, err := disk.Stat(); err != nil || st.Size() != 512 {
		t.Errorf("the disk was written to: %v, %v", st.Size(), err)
	}
}

package bootloader_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/bootloader"
	"github.com/bootc-go/bootc/bootloader/bootloadertest"
	"github.com/bootc-go/bootc/internal/testtool"
)

// GRUB replays no journal. What it reads right after Commit, while the file system is
// mounted and its log is full, is the new menu and a kernel that is whole.
func TestGRUBSeesCommit(t *testing.T) {
	t.Parallel()
	for _, mkfs := range []string{"mkfs.ext4 -q", "mkfs.xfs -q", "mkfs.btrfs -q"} {
		t.Run(mkfs, func(t *testing.T) {
			t.Parallel()
			image, root := mountNew(t, strings.Fields(mkfs))
			boot := filepath.Join(root, "boot")
			write(t, boot, map[string]string{"x": ""})
			l, err := bootloader.New(bootloader.GRUB, bootloader.Files{Boot: openDir(t, boot)})
			if err != nil {
				t.Fatal(err)
			}
			a, b := bootloadertest.Entry("a"), bootloadertest.Entry("b")
			bootloadertest.Install(t, l, a)
			for _, menu := range [][]bootloader.Entry{{b, a}, {a, b}, {b, a}} {
				bootloadertest.Install(t, l, menu...)
				cfg := grubCat(t, image, "/boot/loader/entries/grub.cfg")
				if !strings.Contains(cfg, "\nmenuentry") || strings.Index(cfg, menu[0].Title) > strings.Index(cfg, menu[1].Title) {
					t.Errorf("%s should be first:\n%s", menu[0].Title, cfg)
				}
				for _, e := range menu {
					want := "initrd " + e.Version
					if got := grubCat(t, image, fmt.Sprintf("/boot/%s/initrd", e.Kernel)); got != want {
						t.Errorf("initrd of %s is %q", e.Title, got)
					}
				}
			}
		})
	}
}

// The same goes for what GRUB starts with, which nobody may sync after Install.
func TestGRUBSeesInstall(t *testing.T) {
	t.Parallel()
	for _, mkfs := range []string{"mkfs.ext4 -q", "mkfs.xfs -q", "mkfs.btrfs -q"} {
		t.Run(mkfs, func(t *testing.T) {
			t.Parallel()
			image, root := mountNew(t, strings.Fields(mkfs))
			boot := filepath.Join(root, "boot")
			write(t, boot, map[string]string{"x": ""})
			err := bootloader.Install(t.Context(), bootloader.InstallOptions{
				Kind: bootloader.GRUB, Files: bootloader.Files{Boot: openDir(t, boot), ESP: openDir(t, t.TempDir())},
				Image: fstest.MapFS{}, Arch: "amd64", BootPath: "/boot", Run: runTool,
			})
			if err != nil {
				t.Fatal(err)
			}
			if cfg := grubCat(t, image, "/boot/grub/grub.cfg"); !strings.Contains(cfg, "\nset bootdir='/boot'\n") {
				t.Errorf("grub.cfg: %q", cfg)
			}
		})
	}
}

// mountNew mounts a new file system in a file.
func mountNew(t *testing.T, mkfs []string) (image, root string) {
	t.Helper()
	image, root = filepath.Join(t.TempDir(), "image"), t.TempDir()
	f, err := os.Create(image)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(400 << 20); err != nil {
		t.Fatal(err)
	}
	tool(t, "", mkfs[0], append(mkfs[1:], image)...)
	tool(t, "", "mount", "-o", "loop", image, root)
	t.Cleanup(func() {
		// A process that another test is about to start may hold our files for a moment.
		if err := unix.Unmount(root, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return image, root
}

// grubCat reads a file as GRUB does.
func grubCat(t *testing.T, image, name string) string {
	t.Helper()
	out, err := exec.Command(testtool.Path(t, "grub-fstest"), image, "cat", "(loop0)"+name).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", name, err, out)
	}
	return string(out)
}

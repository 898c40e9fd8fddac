package testimage

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/bootc-go/bootc/internal/testcache"
)

// OS returns the bootable image that images/Containerfile.test makes of the
// sources that the test runs in, with dracut or initramfs-tools.
func OS(t testing.TB, initramfs string) Image {
	t.Helper()
	root := testcache.ModuleRoot(t)
	dest := t.TempDir()
	install(t, root, dest)
	return Build(t, Debian(t), filepath.Join(root, "images", "Containerfile.test"), dest, "INITRAMFS="+initramfs)
}

// install is "make build install", with the programs in no one's way.
func install(t testing.TB, root, dest string) {
	t.Helper()
	bin := t.TempDir()
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w -X main.buildVersion=test", "-o", bin+"/", "./cmd/...")
	build.Dir = root
	run(t, build)
	inst := exec.Command(filepath.Join(root, "scripts", "install.sh"))
	inst.Env = append(os.Environ(), "DESTDIR="+dest, "BIN="+bin)
	run(t, inst)
}

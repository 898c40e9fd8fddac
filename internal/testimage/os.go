package testimage

import (
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/bootc-go/bootc/internal/testcache"
)

// programs are built once in a process: all its tests are about the same ones,
// even if the sources change meanwhile.
var programs struct {
	sync.Mutex
	dir string
}

// Programs builds the product's programs from the sources that the test runs in,
// and returns their directory.
func Programs(t testing.TB) string {
	t.Helper()
	programs.Lock()
	defer programs.Unlock()
	if programs.dir == "" {
		bin := t.TempDir()
		build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w -X main.buildVersion=test", "-o", bin+"/", "./cmd/...")
		build.Dir = testcache.ModuleRoot(t)
		run(t, build)
		programs.dir = testcache.Open(t, "programs", treeDigest(t, bin)).Entry(t, "bin", func(t testing.TB, dir string) {
			run(t, exec.Command("cp", "-r", bin, dir))
		})
	}
	return programs.dir
}

// OS returns the bootable image that Containerfile.test makes of
// Programs, with dracut or initramfs-tools.
func OS(t testing.TB, initramfs string) Image {
	t.Helper()
	root := testcache.ModuleRoot(t)
	dest := t.TempDir()
	install := exec.Command(filepath.Join(root, "scripts", "install.sh"))
	install.Env = append(os.Environ(), "DESTDIR="+dest, "BIN="+Programs(t))
	run(t, install)
	return Build(t, Debian(t), filepath.Join(root, "Containerfile.test"), dest, "INITRAMFS="+initramfs)
}

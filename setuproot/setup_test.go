package setuproot

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

func TestGptAuto(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := markRootDevice(dir, dir); err != nil {
		t.Errorf("without the device: %v", err)
	}
	if err := unix.Mknod(dir+"/gpt-auto-root", unix.S_IFBLK|0o600, int(unix.Mkdev(259, 300))); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := markRootDevice(dir, dir); err != nil {
			t.Fatal(err)
		}
		if got, err := os.Readlink(dir + "/volatile-root"); err != nil || got != "/dev/block/259:300" {
			t.Errorf("got %q, %v", got, err)
		}
	}
}

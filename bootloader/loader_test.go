package bootloader_test

import (
	"os"
	"testing"

	"github.com/bootc-go/bootc/bootloader"
	"github.com/bootc-go/bootc/bootloader/bootloadertest"
)

func openDir(t *testing.T, dir string) *os.File {
	t.Helper()
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// newLoader returns a loader with directories of its own, and them.
func newLoader(t *testing.T, kind bootloader.Kind) (l bootloader.Loader, boot, esp string) {
	t.Helper()
	boot, esp = t.TempDir(), t.TempDir()
	l, err := bootloader.New(kind, bootloader.Files{Boot: openDir(t, boot), ESP: openDir(t, esp)})
	if err != nil {
		t.Fatal(err)
	}
	return l, boot, esp
}

func TestLoaders(t *testing.T) {
	t.Parallel()
	for _, kind := range []bootloader.Kind{bootloader.Systemd, bootloader.GRUB, bootloader.GRUBCC, bootloader.None} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			bootloadertest.Suite(t, func(t *testing.T) bootloader.Loader {
				l, _, _ := newLoader(t, kind)
				if l.Kind() != kind {
					t.Errorf("kind is %s", l.Kind())
				}
				return l
			})
		})
	}
}

package install

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/bootc-go/bootc/install/config"
	"github.com/bootc-go/bootc/install/disk"
	"github.com/bootc-go/bootc/internal/testtool"
	"github.com/bootc-go/bootc/osimage"
)

// An image that would leave the root closed is refused; osimage.TestCheckTPM has what it
// takes.
func TestCheckEncrypted(t *testing.T) {
	t.Parallel()
	bls := osimage.Kernel{Type: osimage.BLS, Initrd: "usr/lib/modules/1/initramfs.img"}
	fsys := fstest.MapFS{bls.Initrd: {Data: testtool.CPIO(t, "init")}}
	in := &installer{Options: Options{encrypted: true}}
	if err := in.checkEncrypted(fsys, bls); !errors.Is(err, osimage.ErrUnfit) {
		t.Error(err)
	}
	if err := in.checkEncrypted(fsys, osimage.Kernel{Type: osimage.UKI}); !errors.Is(err, errEncryptedUKI) {
		t.Error(err)
	}
	if err := (&installer{}).checkEncrypted(fsys, bls); err != nil {
		t.Errorf("for a root in clear: %v", err)
	}
}

// A machine that cannot encrypt the root is found out before its disk is looked at.
func TestToDiskNeedsTPM(t *testing.T) {
	tools := t.TempDir()
	for _, name := range []string{"cryptsetup", "systemd-cryptenroll"} {
		if err := os.WriteFile(filepath.Join(tools, name), []byte("#!/bin/sh\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", tools)
	_, err := ToDisk(t.Context(), Options{}, DiskOptions{Path: "/nowhere", Host: t.TempDir(), Filesystem: config.Ext4, Block: config.TPM2LUKS})
	if !errors.Is(err, disk.ErrNoTPM) || !strings.HasPrefix(err.Error(), "cannot install on /nowhere: cannot encrypt the root: no TPM 2.0 found: ") {
		t.Error(err)
	}
}

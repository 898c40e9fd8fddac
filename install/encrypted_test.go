package install

import (
	"bytes"
	"compress/gzip"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/bootc-go/bootc/install/config"
	"github.com/bootc-go/bootc/install/disk"
	"github.com/bootc-go/bootc/internal/testtool"
	"github.com/bootc-go/bootc/osimage"
)

// packed is an initramfs with files of these names.
func packed(t *testing.T, names ...string) []byte {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		run(t, "mkdir", "-p", filepath.Join(dir, filepath.Dir(name)))
		if err := os.WriteFile(filepath.Join(dir, name), []byte("content"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(testtool.Path(t, "sh"), "-c", `find . | "$0" --quiet -o -H newc`, testtool.Path(t, "cpio"))
	cmd.Dir = dir
	archive, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(archive); err != nil {
		t.Fatal(err)
	}
	w.Close()
	return out.Bytes()
}

// An image whose initramfs would leave the root closed is refused, as far as its
// initramfs can be read.
func TestCheckEncrypted(t *testing.T) {
	t.Parallel()
	bls := osimage.Kernel{Type: osimage.BLS, Initrd: "usr/lib/modules/1/initramfs.img"}
	const tss = "usr/lib/x86_64-linux-gnu/libtss2-esys.so.0.0.1"
	tests := []struct {
		name   string
		initrd []byte
		kernel osimage.Kernel
		is     error
		want   string
	}{
		{"Debian 13", packed(t, "init", tss, "usr/bin/systemd-cryptsetup"), bls, nil, ""},
		{"Debian 12", packed(t, "init", "usr/lib/systemd/systemd-cryptsetup", tss), bls, nil, ""},
		{"nothing", packed(t, "init"), bls, osimage.ErrUnfit, "it has no systemd-cryptsetup; install it (Debian packages "},
		{"no TPM", packed(t, "init", "usr/bin/systemd-cryptsetup"), bls, osimage.ErrUnfit, "it has no libtss2-esys, which talks to the TPM; install it (Debian packages "},
		{"of another compression", []byte("BZh91AY&SY..."), bls, nil, ""},
		{"broken", packed(t, "init")[:20], bls, nil, "/usr/lib/modules/1/initramfs.img: "},
		{"UKI", nil, osimage.Kernel{Type: osimage.UKI}, errEncryptedUKI, "cannot be added"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			fsys := fstest.MapFS{bls.Initrd: {Data: tt.initrd}}
			in := &installer{Options: Options{encrypted: true}}
			err := in.checkEncrypted(fsys, tt.kernel)
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) || tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if err := (&installer{}).checkEncrypted(fsys, tt.kernel); err != nil {
				t.Errorf("for a root in clear: %v", err)
			}
		})
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

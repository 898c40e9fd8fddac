package osimage

import (
	"errors"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/bootc-go/bootc/internal/testtool"
)

// What opens an encrypted root is looked for in the initramfs, as far as that can be read.
func TestCheckTPM(t *testing.T) {
	t.Parallel()
	bls := Kernel{Type: BLS, Initrd: "usr/lib/modules/1/initramfs.img"}
	const tss = "usr/lib/x86_64-linux-gnu/libtss2-esys.so.0.0.1"
	for name, tt := range map[string]struct {
		initrd []byte
		unfit  bool
		want   string
	}{
		"Debian 13":              {testtool.CPIO(t, "init", tss, "usr/bin/systemd-cryptsetup"), false, ""},
		"Debian 12":              {testtool.CPIO(t, "init", "usr/lib/systemd/systemd-cryptsetup", tss), false, ""},
		"nothing":                {testtool.CPIO(t, "init"), true, "it has no systemd-cryptsetup; install it (Debian packages "},
		"no TPM":                 {testtool.CPIO(t, "init", "usr/bin/systemd-cryptsetup"), true, "it has no libtss2-esys, which talks to the TPM; install it (Debian packages "},
		"of another compression": {[]byte("BZh91AY&SY..."), false, ""},
		"broken":                 {testtool.CPIO(t, "init")[:20], false, "/usr/lib/modules/1/initramfs.img: "},
	} {
		err := CheckTPM(fstest.MapFS{bls.Initrd: {Data: tt.initrd}}, bls)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) || errors.Is(err, ErrUnfit) != tt.unfit {
			t.Errorf("%s: got %v, want %q", name, err, tt.want)
		}
	}
}

package deploy

import (
	"errors"
	"strings"
	"testing"

	"github.com/bootc-go/bootc/image/registrytest"
	"github.com/bootc-go/bootc/internal/testtool"
	"github.com/bootc-go/bootc/osimage"
)

// TestUnfitForTheDisks refuses images that could not mount the /var, or open the root, of
// a host that has them in ways of its own, and the forecast says so. Other hosts take them.
func TestUnfitForTheDisks(t *testing.T) {
	t.Parallel()
	systemd := func(version string) registrytest.Entry {
		return registrytest.File("usr/lib/systemd/libsystemd-shared-"+version+".so", "x")
	}
	initramfs := func(names ...string) registrytest.Entry {
		return registrytest.File("usr/lib/modules/6.12/initramfs.img", string(testtool.CPIO(t, names...)))
	}
	const ownVar, luks = "systemd.mount-extra=UUID=1:/var:ext4", "rd.luks.uuid=1 rd.luks.options=tpm2-device=auto,headless=true"
	for name, tt := range map[string]struct {
		line  string
		entry registrytest.Entry
		want  string
	}{
		"a /var and an old systemd":     {ownVar, systemd("252"), "systemd 252 of the image does not know systemd.mount-extra="},
		"a /var and a new systemd":      {ownVar, systemd("257"), ""},
		"an old systemd":                {"systemd.mount-extra=UUID=1:/srv:ext4", systemd("252"), ""},
		"a TPM and none in the image":   {luks, initramfs("init"), "its initramfs cannot open an encrypted root: it has no systemd-cryptsetup"},
		"a TPM":                         {luks, initramfs("systemd-cryptsetup", "libtss2-esys.so.0"), ""},
		"a passphrase":                  {"rd.luks.uuid=1", initramfs("init"), ""},
		"a TPM, not to be found out of": {luks, registrytest.File("usr/lib/modules/6.12/initramfs.img", "no archive"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, _ := fakeMachine(t, v("1"))
			m.mustSetOptions("test", tt.line)
			m.reboot()
			m.push(osVersion{version: "2", extra: []registrytest.Entry{tt.entry}})
			f := m.foresee(ForecastOptions{Fetch: true, Scratch: scratchIn(t)})
			_, err := m.upgrade(StageOptions{})
			if tt.want == "" {
				if err != nil || len(f.Refusals) > 0 {
					t.Errorf("%v, foreseen %q", err, f.Refusals)
				}
				return
			}
			if !errors.Is(err, osimage.ErrUnfit) || !strings.Contains(err.Error(), tt.want) || len(f.Refusals) != 1 || !strings.Contains(f.Refusals[0], tt.want) {
				t.Errorf("%v, foreseen %q", err, f.Refusals)
			}
			m.wantPicture("booted 1")
		})
	}
}

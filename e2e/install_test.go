package e2e

import (
	"strings"
	"testing"

	"github.com/bootc-go/bootc/internal/testshare"
	"github.com/bootc-go/bootc/internal/testvm"
)

// TestInstall installs where TestRollback does not, and boots: on xfs, on btrfs, and with GRUB
// and UEFI and initramfs-tools.
func TestInstall(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		platform
		place int
	}{
		"xfs":       {platform{Filesystem: "xfs", Initramfs: "dracut"}, 3},
		"btrfs":     {platform{Filesystem: "btrfs", Initramfs: "dracut"}, 5},
		"grub-uefi": {platform{Loader: "grub"}, 6},
	} {
		p := tt.platform
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testshare.SkipUnlessDue(t, tt.place)
			h := bootDisk(t, p, testvm.Overlay(t, installed(t, p)))
			checkHost(t, h, p.withDefaults())
			h.PowerOff()
		})
	}
}

// checkHost checks a host that was installed with os1 and has booted once.
func checkHost(t *testing.T, h *testHost, p platform) {
	t.Helper()
	image := os1(t, p)
	b := h.booted()
	if b.Image.Image.Image != followed || b.Image.ImageDigest != image.Digest(t).String() {
		t.Errorf("booted from %s at %s, want %s at %s", b.Image.Image.Image, b.Image.ImageDigest, followed, image.Digest(t))
	}
	if b.Composefs.Bootloader != p.Loader {
		t.Errorf("booted by %s, want %s", b.Composefs.Bootloader, p.Loader)
	}
	if cmdline := h.Run("cat /proc/cmdline"); !strings.Contains(cmdline, b.Composefs.Verity) {
		t.Errorf("status says deployment %s, the kernel %s", b.Composefs.Verity, cmdline)
	}
	h.wants("findmnt -no FSTYPE /", "overlay")
	h.wants("findmnt -no SOURCE /", "composefs:"+b.Composefs.Verity)
	h.wants("findmnt -no FSTYPE /sysroot", p.Filesystem)
	for _, dir := range []string{"/", "/usr", "/opt", "/sysroot"} {
		h.refused("touch "+dir+"/probe", "Read-only file system")
	}
	h.Run("touch /etc/probe /var/probe /home/probe /root/probe")
	h.wants("cat /var/lib/seed", "seed of v1")
	h.wants("cat /usr/share/os-version", "1")
	h.Run("dpkg -s systemd >/dev/null")
	h.wants("tr ' ' '\\n' </proc/cmdline | grep ^e2e", "e2e.version=1", "e2e.always")
	h.wants("systemctl is-enabled bootc-enable-verity.service bootc-fetch-apply-updates.timer || :", "enabled", "disabled")
	t.Logf("\n%s\n%s", h.Run("bootc status --format humanreadable --verbose"), h.Run("systemd-analyze"))
}

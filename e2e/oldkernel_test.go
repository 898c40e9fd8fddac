package e2e

import (
	"strings"
	"testing"

	"github.com/bootc-go/bootc/internal/testshare"
)

// TestOldKernel boots and upgrades with Linux 6.1, which has neither mounts that are
// configured by file descriptors in overlayfs, nor EROFS without a loop device.
func TestOldKernel(t *testing.T) {
	t.Parallel()
	testshare.SkipUnlessDue(t, 0)
	p := platform{OldKernel: true}
	h := bootHost(t, p)
	if release := h.Run("uname -r"); !strings.HasPrefix(release, "6.1.") {
		t.Errorf("runs on Linux %s", release)
	}
	checkHost(t, h, p.withDefaults())
	h.waitVerity()
	h.serve(version(t, p, "2"))
	h.Run("bootc upgrade --quiet")
	h.Reboot("systemctl reboot")
	h.wants("cat /usr/share/os-version", "2")
	h.wants("findmnt -no OPTIONS / | tr , '\\n' | grep -c verity=require || :", "0") // came with Linux 6.6
	checkClean(t, h)
	h.PowerOff()
}

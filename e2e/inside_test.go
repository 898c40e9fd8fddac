package e2e

import (
	"strings"
	"testing"

	"github.com/bootc-go/bootc/internal/testshare"
	"github.com/bootc-go/bootc/internal/testvm"
)

// TestInstallFromInside installs from a running host onto its second, blank
// disk, as the medium of an installer does, and boots that. The kernel there has
// fs-verity, so the new host demands it from its first boot on.
func TestInstallFromInside(t *testing.T) {
	t.Parallel()
	testshare.SkipUnlessDue(t, 5)
	p := platform{}.withDefaults()
	target := testvm.Blank(t, 4<<30)
	h := bootHostWith(t, p, target)
	h.serve(os1(t, p))
	h.refused("bootc install to-disk --filesystem ext4 --source-imgref docker://"+followed+" /dev/vda", "/dev/vda")
	h.Run("bootc install to-disk --filesystem ext4 --bootloader systemd --karg " + strings.Join(kargs, " --karg ") +
		" --source-imgref docker://" + followed + " " + secondDisk)
	h.PowerOff()

	h = bootDisk(t, p, target)
	checkHost(t, h, p)
	if cmdline := h.Run("cat /proc/cmdline"); strings.Contains(cmdline, "composefs=?") {
		t.Errorf("fs-verity is optional: %s", cmdline)
	}
	h.wants("findmnt -no OPTIONS / | tr , '\\n' | grep verity", "verity=require")
	h.PowerOff()
}

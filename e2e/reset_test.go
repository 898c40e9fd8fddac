package e2e

import (
	"strings"
	"testing"

	"github.com/bootc-go/bootc/image/registrytest"
	"github.com/bootc-go/bootc/internal/testimage"
	"github.com/bootc-go/bootc/internal/testshare"
)

// TestReset resets a host to the image that runs, which keeps what it is told to, and
// then to another image, after which the state before is still there.
func TestReset(t *testing.T) {
	t.Parallel()
	testshare.SkipUnlessDue(t, 4)
	p := platform{}
	h := bootHost(t, p)
	h.waitVerity() // which changes entries
	id := h.booted().Composefs.Verity
	h.Run(`set -e
echo local >/etc/edited
echo local >/etc/local
groupadd admins && useradd --gid admins --create-home admin
echo mine >/home/admin/file
chown admin:admins /home/admin/file
chmod 4750 /home/admin/file
echo changed >/var/lib/seed
echo mine >/var/lib/mine`)
	h.Run("echo 0123456789abcdef0123456789abcdef >/etc/machine-id")
	owner := h.Run("stat -c %u:%g:%a:%y /home/admin /home/admin/file")

	h.refused("bootc install reset", "say --acknowledge-destructive")
	h.refused("bootc install reset --experimental --keep /etc/none", "cannot keep /etc/none: there is no such file or directory")
	var more strings.Builder
	for _, k := range kargs {
		more.WriteString(" --karg " + k)
	}
	// The registries' configuration says where registry.test is.
	out := h.Run("bootc install reset --experimental --quiet --keep /var/home/admin --keep /etc/local --keep /etc/containers" + more.String())
	if !strings.Contains(out, "Factory reset queued for next boot: "+followed) || !strings.Contains(out, "  Kept: /var/home/admin, /etc/local, /etc/containers") {
		t.Errorf("bootc install reset: %s", out)
	}
	h.wants("cat /etc/edited /var/lib/seed /var/lib/mine", "local", "changed", "mine")
	if s := h.status(); s.Staged == nil || s.Staged.Composefs.Verity != id || !s.Staged.FactoryReset {
		t.Errorf("staged %+v", s.Staged)
	}

	h.Reboot("systemctl reboot")
	h.checkQueue(id, "", "", false)
	h.wants("cat /etc/edited /etc/local /var/lib/seed", "default of v1", "local", "seed of v1")
	h.wants("ls /var/lib/mine 2>/dev/null; getent passwd admin; echo gone", "gone")
	h.wants("stat -c %u:%g:%a:%y /home/admin /home/admin/file", strings.Split(strings.TrimRight(owner, "\n"), "\n")...)
	if got := strings.TrimSpace(h.Run("cat /etc/machine-id")); got == "0123456789abcdef0123456789abcdef" || len(got) != 32 {
		t.Errorf("the machine's id is %q", got)
	}
	h.wants("tr ' ' '\\n' </proc/cmdline | grep -e ^e2e -e ^console | sort", "console=ttyS0", "e2e.always", "e2e.version=1")
	h.wants("findmnt -no FSROOT /var | sed 's/s20[0-9][0-9]/year/'", "/state/os/year-0/var")
	h.waitVerity()
	// The boot is complete, so that what was before is gone.
	h.wants("while systemctl is-active bootc-boot-complete.service | grep -q activating; do sleep 1; done; ls /sysroot/state/os | wc -l; ls /sysroot/state/os/*", "1", "reset", "var")
	h.refused("bootc rollback", "no rollback available")
	checkClean(t, h)

	h.Run("echo again >/etc/edited; echo again >/var/lib/mine")
	other := testimage.Append(t, os1(t, p), []registrytest.Entry{registrytest.File("usr/share/os-version", "2\n")}, nil)
	h.serveAs("acme/next", other)
	h.Run("bootc install reset --experimental --quiet --stateroot next --target-imgref registry.test/acme/next:latest" + more.String())
	h.Reboot("systemctl reboot")
	now := h.status()
	if now.Booted.Image.ImageDigest != other.Digest(t).String() || now.Rollback == nil || now.Rollback.Composefs.Verity != id {
		t.Errorf("status %+v", now)
	}
	h.wants("cat /etc/edited /var/lib/seed; ls /var/lib/mine 2>/dev/null; findmnt -no FSROOT /var", "default of v1", "seed of v1", "/state/os/next/var")
	h.wants("cat /sysroot/state/deploy/"+id+"/etc/edited /sysroot/state/deploy/"+id+"/var/lib/mine", "again", "again")
	h.Run("bootc delete-deployment rollback")
	h.wants("ls /sysroot/state/os", "next")
	h.waitVerity()
	checkClean(t, h)
	h.PowerOff()
}

package e2e

import (
	"strings"
	"testing"

	"github.com/bootc-go/bootc/internal/testshare"
	"github.com/bootc-go/bootc/internal/testvm"
)

// TestSwitch goes to the image that a user derived, which is in another
// repository, and from there to one on a medium, without a network.
func TestSwitch(t *testing.T) {
	t.Parallel()
	testshare.SkipUnlessDue(t, 0)
	const hello = "registry.test/users/hello:latest"
	p := platform{}.withDefaults()
	medium := testvm.Blank(t, 4<<30)
	v1, own, third := os1(t, p), derived(t), version(t, p, "on the medium")
	tool(t, "mke2fs", "-q", "-t", "ext4", "-d", third.Layout, medium)
	h := bootHostWith(t, p, medium)
	h.serve(v1)
	h.serveAs("users/hello", own)

	h.wants("bootc switch "+followed, "Image specification is unchanged.")
	h.refused("bootc switch registry.test/users/nothing", "registry.test/users/nothing")
	h.registry.Reset()
	h.Run("bootc switch --quiet " + hello)
	checkTransfer(t, h, own, len(own.Layers(t))-len(v1.Layers(t)))
	if s := h.status(); s.Staged == nil || s.Staged.Image.Image.Image != hello {
		t.Errorf("staged is %+v, want %s", s.Staged, hello)
	}
	h.Reboot("bootc switch --apply " + hello) // staged already, and reboots all the same
	h.wants("cat /usr/share/os-version", "1")
	h.wants("busybox wget -qO- http://localhost:8080", "<p>hello")
	h.wants("systemctl is-active ssh.service hello.service", "active", "active")
	h.wants("tr ' ' '\\n' </proc/cmdline | grep -e ^e2e -e ^hello", "e2e.version=1", "e2e.always", "hello=1")
	h.wants("ls /etc/ssh/ssh_host_ed25519_key", "/etc/ssh/ssh_host_ed25519_key")
	if b := h.booted(); b.Image.Image.Image != hello {
		t.Errorf("booted from %s, want %s", b.Image.Image.Image, hello)
	}
	h.wants("bootc upgrade --check", "No changes in: "+hello)

	// The medium, and no network.
	h.Run("mkdir -p /run/medium && mount " + secondDisk + " /run/medium && networkctl down $(ls /sys/class/net | grep -v lo)")
	h.Run("bootc switch --quiet --transport oci /run/medium:latest && umount /run/medium")
	h.Reboot("systemctl reboot")
	h.wants("cat /usr/share/os-version", "on the medium")
	h.wants("command -v busybox || echo none", "none")
	h.wants("grep -c e2e.version=1 /proc/cmdline; grep -c hello=1 /proc/cmdline || :", "1", "0")
	b := h.booted()
	if b.Image.Image.Transport != "oci" || b.Image.Image.Image != "/run/medium:latest" || b.Image.ImageDigest != third.Digest(t).String() {
		t.Errorf("booted from %+v, want oci:/run/medium:latest at %s", b.Image, third.Digest(t))
	}
	if r := h.Try("bootc upgrade"); r.Status == 0 || !strings.Contains(r.Stderr, "/run/medium") {
		t.Errorf("bootc upgrade without the medium: %+v", r)
	}
	checkClean(t, h)
	h.PowerOff()
}

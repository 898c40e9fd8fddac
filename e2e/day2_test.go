package e2e

import (
	"strings"
	"testing"

	"github.com/bootc-go/bootc/image/registrytest"
	"github.com/bootc-go/bootc/internal/testimage"
	"github.com/bootc-go/bootc/internal/testshare"
)

// TestDayTwo lives with a host: /usr writable for a while, a deployment pinned, the
// document edited, soft reboots and their refusal, an update that is only downloaded.
func TestDayTwo(t *testing.T) {
	t.Parallel()
	testshare.SkipUnlessDue(t, 5)
	const next = "registry.test/acme/next:latest"
	p := platform{}.withDefaults()
	h := bootHost(t, p)
	file := func(name, content string) registrytest.Entry { return registrytest.File(name, content) }
	v2 := testimage.Append(t, os1(t, p), []registrytest.Entry{file("usr/share/os-version", "2\n")}, nil)
	v3 := testimage.Append(t, os1(t, p), []registrytest.Entry{
		file("usr/share/os-version", "3\n"), file("usr/lib/bootc/kargs.d/30-three.toml", "kargs = [\"three=3\"]\n"),
	}, nil)
	h.serve(os1(t, p))
	h.serveAs("acme/next", v2)
	h.waitVerity() // which changes entries
	v1 := h.booted().Composefs.Verity
	h.wants("test -e /run/ostree-booted && echo yes", "yes")

	h.refused("touch /usr/new", "Read-only file system")
	h.wants("bootc usr-overlay", "A read/write overlayfs is now mounted on /usr", "All changes there will be discarded on reboot.")
	h.wants("bootc usr-overlay", "An overlayfs is already mounted on /usr")
	h.wants("echo new >/usr/new; rm /usr/share/os-version; cat /usr/new; ls /usr/share/os-version || :", "new")
	h.wants("sh -c 'echo hello | sed s/hello/bye/'", "bye") // programs are as they were
	if o := h.status().UsrOverlay; o == nil || o.AccessMode != "readWrite" || o.Persistence != "transient" {
		t.Errorf("status of the overlay: %+v", o)
	}
	h.Run("bootc pin booted")

	h.Run("bootc status | sed s,registry.test/acme/os:latest," + next + ", | bootc edit --quiet -f -")
	staged := h.status().Staged
	if staged == nil || staged.Image.Image.Image != next || !staged.SoftRebootCapable {
		t.Fatalf("staged %+v, want %s, which a soft reboot can start", staged, next)
	}
	h.Run("echo edited >/etc/edited")
	const boot, cmdline = "cat /proc/sys/kernel/random/boot_id", "cat /proc/cmdline"
	kernel, line := h.Run(boot), h.Run(cmdline)
	h.Reboot("bootc upgrade --soft-reboot=required --apply")
	h.afterSoftReboot(staged.Composefs.Verity, v1)
	if h.Run(boot) != kernel || h.Run(cmdline) != line {
		t.Error("the kernel is another one")
	}

	// An argument is in the way. What is only downloaded does not survive a reboot,
	// which starts what the soft one did.
	h.serveAs("acme/next", v3)
	h.refused("bootc upgrade --quiet --soft-reboot=required --apply",
		"Soft reboot was required but staged deployment is not soft-reboot capable: it has other kernel arguments: with three=3")
	h.Run("bootc upgrade --download-only")
	h.Run("echo later >/etc/edited")
	h.Reboot("systemctl reboot")
	if h.Run(boot) == kernel {
		t.Error("the reboot was a soft one")
	}
	h.checkQueue(staged.Composefs.Verity, "", v1, false)
	h.wants("cat /usr/share/os-version /etc/edited", "2", "later")

	h.Run("bootc upgrade --quiet --download-only && bootc upgrade --from-downloaded")
	h.Run("bootc loader-entries set-options-for-source --source tuned --options tuned=1")
	h.wants("cat /run/reboot-required", "bootc: Reboot required for image: "+v3.Digest(t).String())
	h.Reboot("systemctl reboot")
	h.wants("cat /usr/share/os-version; tr ' ' '\\n' </proc/cmdline | grep -e ^three= -e ^tuned=", "3", "three=3", "tuned=1")
	h.wants("test -e /run/reboot-required || echo none", "none")
	now := h.status()
	if len(now.OtherDeployments) != 1 || now.OtherDeployments[0].Composefs.Verity != v1 || !now.OtherDeployments[0].Pinned {
		t.Errorf("others: %+v, want the pinned %s", now.OtherDeployments, v1)
	}
	// Auto takes the way that there is.
	h.Reboot("bootc rollback --soft-reboot=auto --apply")
	h.wants("cat /usr/share/os-version; grep -c -e three=3 -e tuned=1 /proc/cmdline || :", "2", "0")
	checkClean(t, h)
	h.PowerOff()
}

// afterSoftReboot checks what a soft reboot leads to.
func (h *testHost) afterSoftReboot(booted, rollback string) {
	h.t.Helper()
	h.checkQueue(booted, "", rollback, false)
	h.wants("cat /usr/share/os-version /etc/edited", "2", "edited")
	h.wants("ls /usr/new 2>/dev/null; findmnt /run/nextroot; echo gone", "gone")
	h.wants("findmnt -no SOURCE /", "composefs:"+booted)
	h.wants("findmnt -no SOURCE,TARGET -R / | grep -c composefs: ; findmnt -no OPTIONS /sysroot | cut -d, -f1", "1", "ro")
	if s := h.status(); s.UsrOverlay != nil || !s.Rollback.SoftRebootCapable {
		h.t.Errorf("status: %+v", s)
	}
	if out := h.Run("bootc config-diff"); !strings.Contains(out, "edited") {
		h.t.Errorf("config-diff: %s", out)
	}
	h.refused("touch /usr/new", "Read-only file system")
}

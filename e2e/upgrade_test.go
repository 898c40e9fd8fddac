package e2e

import (
	"strings"
	"testing"

	"github.com/bootc-go/bootc/internal/testimage"
)

// TestUpgrade goes from v1 to v2: a new package, defaults in /etc, kernel
// arguments and system users arrive; what is local stays; only the new layer and
// no kernel is copied.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	h := bootHost(t, platform{})
	v1, v2 := os1(t, platform{}), os2(t)
	first := h.booted()
	h.Run(`set -e
echo local >/etc/edited
echo local >/etc/local
echo root:secret | chpasswd
groupadd admins && useradd --gid admins --create-home admin
echo mine >/home/admin/file
echo changed >/var/lib/seed`)
	h.serve(v1)
	h.wants("bootc upgrade --check", "No changes in: "+followed)
	h.wants("bootc upgrade --apply", "No changes in: "+followed)

	// A look costs a manifest, a configuration, and nothing on the disk.
	h.serve(v2)
	h.registry.Reset()
	if out := h.Run("bootc upgrade --check"); !strings.HasPrefix(out, "Update available for: "+followed) {
		t.Errorf("bootc upgrade --check: %q", out)
	}
	if s := h.status(); s.Staged != nil {
		t.Errorf("a look staged %+v", s.Staged)
	}
	checkTransfer(t, h, v2, 0)

	kernels := h.Run(onESP("ls -d EFI/Linux/*"))
	h.registry.Reset()
	took := h.Run("set -e; start=$(date +%s%N); bootc upgrade --quiet >/dev/null; echo $((($(date +%s%N) - start) / 1000000)) ms")
	checkTransfer(t, h, v2, len(v2.Layers(t))-len(v1.Layers(t)))
	_, bytes := h.registry.Gets("")
	t.Logf("bootc upgrade: staged after %s, %d bytes transferred", strings.TrimSpace(took), bytes)
	staged := h.status().Staged
	if staged == nil || staged.Image.ImageDigest != v2.Digest(t).String() {
		t.Fatalf("staged %+v, want %s", staged, v2.Digest(t))
	}
	if staged.Trial == nil || staged.Trial.TriesLeft != 3 {
		t.Errorf("staged with %+v, want three tries", staged.Trial)
	}
	h.wants("bootc upgrade", "Staged update present, not changed")
	h.wants(onESP("ls -d EFI/Linux/*"), strings.TrimSpace(kernels))
	h.Run("echo later >/etc/later") // merged when the host goes down

	h.Reboot("systemctl reboot")
	now := h.status()
	if now.Booted.Image.ImageDigest != v2.Digest(t).String() || now.Booted.Composefs.Verity != staged.Composefs.Verity {
		t.Errorf("booted %+v, want the staged %+v", now.Booted, staged)
	}
	if now.Rollback == nil || now.Rollback.Composefs.Verity != first.Composefs.Verity || now.Staged != nil || now.RollbackQueued {
		t.Errorf("status is %+v, want %s for a rollback and nothing queued", now, first.Composefs.Verity)
	}
	if now.Booted.Trial != nil {
		t.Errorf("on trial still: %+v", now.Booted.Trial)
	}
	h.wants("cat /usr/share/os-version", "2")
	h.wants("hello --greeting=hi", "hi")
	h.wants("dpkg-query -Wf '${Status}\\n' hello", "install ok installed")
	h.wants("cat /etc/untouched /etc/new", "default of v2", "new in v2")
	h.wants("cat /etc/edited /etc/local /etc/later", "local", "local", "later")
	h.wants("ls /etc/dropped 2>&1 || :", "ls: cannot access '/etc/dropped': No such file or directory")
	h.wants("tr ' ' '\\n' </proc/cmdline | grep -e ^e2e -e ^console | sort", "console=ttyS0", "e2e.always", "e2e.version=2")
	h.wants("cat /var/lib/seed /home/admin/file", "changed", "mine")
	h.wants("getent passwd by-useradd by-sysusers admin | cut -d: -f1", "by-useradd", "by-sysusers", "admin")
	h.wants("getent shadow by-useradd admin root | cut -c1-9 | cut -d$ -f1,2", "by-userad", "admin:!:2", "root:$y")
	h.wants("stat -c %U:%G /home/admin", "admin:admins")
	h.wants(onESP("ls -d EFI/Linux/*"), strings.TrimSpace(kernels))
	checkClean(t, h)
	h.PowerOff()
}

// checkTransfer checks which of the image's layers were fetched: none but the
// last so many.
func checkTransfer(t *testing.T, h *testHost, image testimage.Image, want int) {
	t.Helper()
	layers := image.Layers(t)
	for i, d := range layers {
		requests, _ := h.registry.Gets(d.String())
		if isNew := i >= len(layers)-want; (requests > 0) != isNew {
			t.Errorf("layer %d of %d was fetched %d times, and only the last %d are new", i+1, len(layers), requests, want)
		}
	}
}

// onESP is a script that runs in the root of the EFI system partition.
func onESP(script string) string {
	return "set -e; d=$(mktemp -d); mount LABEL=EFI-SYSTEM $d; cd $d; " + script + "; cd /; umount $d; rmdir $d"
}

// checkClean checks that all in the repository is whole, and nothing is there
// that belongs to no deployment.
func checkClean(t *testing.T, h *testHost) {
	t.Helper()
	h.Run("bootc internals cfs --repo /sysroot/composefs fsck")
	out := h.Run("bootc internals composefs-gc --dry-run")
	for line := range strings.Lines(out) {
		if !strings.Contains(line, " 0 ") && !strings.HasPrefix(line, "Dry run") {
			t.Errorf("a collection would remove: %s", line)
		}
	}
}

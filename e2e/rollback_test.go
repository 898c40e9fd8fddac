package e2e

import (
	"path"
	"testing"

	"github.com/bootc-go/bootc/image/registrytest"
	"github.com/bootc-go/bootc/internal/testimage"
	"github.com/bootc-go/bootc/internal/testshare"
	"github.com/bootc-go/bootc/internal/testvm"
)

// version is the platform's image with another os-version, without the work of a
// build.
func version(t testing.TB, p platform, name string) testimage.Image {
	t.Helper()
	return onTop(t, p, registrytest.File("usr/share/os-version", name+"\n"))
}

// onTop is v1 with more files.
func onTop(t testing.TB, p platform, entries ...registrytest.Entry) testimage.Image {
	t.Helper()
	if !p.UKI {
		return testimage.Append(t, os1(t, p), entries, nil)
	}
	// Directories that a layer implies are new ones to buildah, in which ukify runs.
	made := map[string]bool{".": true}
	var all []registrytest.Entry
	for _, e := range entries {
		var dirs []registrytest.Entry
		for dir := path.Dir(e.Name); !made[dir]; dir = path.Dir(dir) {
			made[dir] = true
			dirs = append([]registrytest.Entry{registrytest.Dir(dir)}, dirs...)
		}
		all = append(append(all, dirs...), e)
	}
	return sealed(t, testimage.Append(t, os1(t, p), all, nil))
}

// TestRollback installs, boots, upgrades and rolls back, with each boot loader and each maker of
// an initramfs. One of the hosts goes on to a third image. In each run TestDemo tells the
// story of systemd-boot and initramfs-tools.
func TestRollback(t *testing.T) {
	t.Parallel()
	turns := map[string]int{"systemd": 1, "systemd-uki": 6}
	for name, p := range map[string]platform{
		"systemd":        {},
		"systemd-dracut": {Initramfs: "dracut"},
		"systemd-uki":    {UKI: true, Initramfs: "dracut"},
		"grub-uefi":      {Loader: "grub", Initramfs: "dracut"},
		"grub-bios":      {Loader: "grub", Firmware: testvm.BIOS},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if turn, ok := turns[name]; ok {
				testshare.SkipUnlessDue(t, turn)
			}
			p := p.withDefaults()
			h := bootHost(t, p)
			if !p.UKI {
				checkHost(t, h, p)
			}
			v1, v2 := rollBack(t, h, p)
			switch name {
			case "systemd":
				thirdImage(t, h, p, v1, v2)
			case "systemd-uki":
				h.Run("mkdir -p /etc/bootc; echo 'tries = 1' >/etc/bootc/boot.toml; echo mine >/var/lib/mine")
				h.failsTo(failingCheck, p, v1)
			}
			checkClean(t, h)
			h.PowerOff()
		})
	}
}

// checkAddons looks whether the kernel got the command line of the addon that was chosen
// when the host was installed, and of no other one.
func checkAddons(h *testHost, p platform) {
	h.t.Helper()
	want := ""
	if p.UKI {
		want = "addon.wanted"
	}
	h.wants("grep -o 'addon[.][a-z]*' /proc/cmdline || true", want)
}

// rollBack goes from v1 to v2 and back.
func rollBack(t *testing.T, h *testHost, p platform) (v1, v2 string) {
	t.Helper()
	h.refused("bootc rollback", "no rollback available")
	checkAddons(h, p)
	v1 = h.booted().Composefs.Verity
	h.serve(version(t, p, "2"))
	h.Run("bootc upgrade --quiet")
	h.Reboot("systemctl reboot")
	h.wants("cat /usr/share/os-version", "2")
	checkAddons(h, p)
	v2 = h.booted().Composefs.Verity
	h.Run("echo of v2 >/etc/of-v2; echo of v2 >/var/lib/of-v2")
	h.checkQueue(v2, "", v1, false)

	// Twice is none.
	h.Run("bootc rollback")
	h.checkQueue(v2, "", v1, true)
	h.Run("bootc rollback")
	h.checkQueue(v2, "", v1, false)
	h.Run("bootc rollback")
	h.checkQueue(v2, "", v1, true)

	// The queue said so, and so it is: v1, with its own /etc and the one /var.
	h.Reboot("systemctl reboot")
	h.wants("cat /usr/share/os-version", "1")
	checkAddons(h, p)
	h.checkQueue(v1, "", v2, false)
	h.wants("ls /etc/of-v2 2>/dev/null || cat /var/lib/of-v2", "of v2")
	return v1, v2
}

// thirdImage goes on from there: a rollback drops what is staged, and an upgrade
// after a rollback is as any other.
func thirdImage(t *testing.T, h *testHost, p platform, v1, v2 string) {
	t.Helper()
	h.serve(version(t, p, "3"))
	h.Run("bootc upgrade --quiet")
	v3 := h.status().Staged.Composefs.Verity
	h.checkQueue(v1, v3, v2, false)
	h.Run("bootc rollback")
	h.checkQueue(v1, "", v2, true)
	h.Run("bootc upgrade --quiet")
	h.checkQueue(v1, v3, v2, false)
	h.Reboot("bootc upgrade --apply --quiet") // staged already
	h.wants("cat /usr/share/os-version", "3")
	h.checkQueue(v3, "", v1, false)
	h.Reboot("bootc rollback --apply")
	h.wants("cat /usr/share/os-version", "1")
	h.checkQueue(v1, "", v3, false)
}

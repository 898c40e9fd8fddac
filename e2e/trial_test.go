package e2e

import (
	"slices"
	"strings"
	"testing"

	"github.com/bootc-go/bootc/image/registrytest"
	"github.com/bootc-go/bootc/internal/testimage"
	"github.com/bootc-go/bootc/internal/testshare"
)

// unit is a file of a unit that the system starts.
func unit(name, text string) []registrytest.Entry {
	return []registrytest.Entry{
		registrytest.File("usr/lib/systemd/system/"+name, text),
		registrytest.Symlink("usr/lib/systemd/system/multi-user.target.wants/"+name, "../"+name),
	}
}

// program is an executable file.
func program(name, script string) registrytest.Entry {
	e := registrytest.File(name, "#!/bin/sh\n"+script)
	e.Mode = 0o755
	return e
}

// wayToFail is an image that does not come up.
type wayToFail struct {
	name    string
	entries func(t *testing.T, base testimage.Image) []registrytest.Entry // on top of v1
	spoil   func(h *testHost)                                             // once it is staged
	reason  string                                                        // what the host says of it
}

func files(entries ...registrytest.Entry) func(*testing.T, testimage.Image) []registrytest.Entry {
	return func(*testing.T, testimage.Image) []registrytest.Entry { return entries }
}

// ownKernel has the image bring a kernel that is not shared with v1's.
func ownKernel(t *testing.T, base testimage.Image) []registrytest.Entry {
	t.Helper()
	name, data := base.File(t, "usr/lib/modules/*/initramfs.img")
	return []registrytest.Entry{registrytest.File(name, string(data)+strings.Repeat("\x00", 4096))}
}

var waysToFail = []wayToFail{
	{"no kernel", ownKernel, loseKernel, "its kernel is not there"},
	{"corrupt initrd", func(t *testing.T, base testimage.Image) []registrytest.Entry {
		t.Helper()
		name, _ := base.File(t, "usr/lib/modules/*/initramfs.img")
		return []registrytest.Entry{registrytest.File(name, registrytest.Random(7, 1<<20))}
	}, nil, "never reached userspace"},
	{"panic", files(spoiler("echo c >/proc/sysrq-trigger")...), nil, "a hang, a reset or a power failure"},
	{"no objects", ownInit, loseObjects, "never reached userspace"},
	{"target", files(append(unit("stuck.service", "[Service]\nType=oneshot\nExecStart=sleep infinity\n"),
		registrytest.File("usr/lib/bootc/boot.toml", "timeout = \"30s\"\n"))...), nil, "it still starts"},
	failingCheck,
}

var failingCheck = wayToFail{
	"check", files(program("usr/lib/bootc/health.d/required.d/10-bad", "echo the web is down\nexit 1\n")), nil,
	"the required check 10-bad failed: exit status 1",
}

// spoiler is a unit that runs a script once bootc has noted the boot, and a check that
// keeps the boot from being complete until then.
func spoiler(script string) []registrytest.Entry {
	return append(unit("spoiler.service", "[Unit]\nDefaultDependencies=no\nAfter=local-fs.target sys-kernel-debug.mount\n[Service]\nExecStart=/usr/lib/spoiler\n"),
		program("usr/lib/spoiler", "boot=$(cat /proc/sys/kernel/random/boot_id)\n"+
			"until grep -qs $boot /sysroot/state/bootc/boots.json; do sleep 1; done\n"+script+"\n"),
		program("usr/lib/bootc/health.d/required.d/10-slow", "sleep 1000\n"))
}

// hang is an image in which a real-time process takes all of the processor: what the
// kernel would leave to others is set to nothing. The dog is the driver of the watchdog,
// which systemd must have opened by then.
func hang(dog, reason string) wayToFail {
	return wayToFail{"hang", files(append(spoiler("sleep 10\n"+
		"echo 0 >/sys/kernel/debug/sched/fair_server/cpu0/runtime\n"+
		"echo -1 >/proc/sys/kernel/sched_rt_runtime_us\n"+
		"exec chrt -f 99 sh -c 'while :; do :; done'"),
		registrytest.File("usr/lib/modules-load.d/watchdog.conf", dog+"\n"),
		registrytest.File("usr/lib/systemd/system.conf.d/60-soon.conf", "[Manager]\nRuntimeWatchdogSec=20s\n"))...), nil, reason}
}

// loseKernel removes the kernel of what is staged.
func loseKernel(h *testHost) {
	h.t.Helper()
	id := h.status().Staged.Composefs.Verity
	if h.status().Booted.Composefs.Bootloader == "systemd" {
		h.Run(onESP("rm EFI/Linux/bootc_composefs-" + id + "/vmlinuz"))
	} else {
		h.Run(inSysroot("rm boot/bootc_composefs-" + id + "/vmlinuz"))
	}
}

// ownInit has the image bring a systemd that is not v1's.
func ownInit(t *testing.T, base testimage.Image) []registrytest.Entry {
	t.Helper()
	name, data := base.File(t, "usr/lib/systemd/systemd")
	e := registrytest.File(name, string(data)+strings.Repeat("\x00", 4096))
	e.Mode = 0o755
	return []registrytest.Entry{e}
}

// loseObjects removes the large objects that came with what is staged, but not its boot
// image, without which it would not be put in place.
func loseObjects(h *testHost) {
	h.t.Helper()
	h.Run(inSysroot("keep=$(readlink -f composefs/images/" + h.status().Staged.Composefs.Verity + "); " +
		"find composefs/objects -type f -newer /run/before -size +64k | while read -r f; do test $f -ef $keep || rm $f; done"))
}

// inSysroot is a script that runs in /sysroot, and may write there.
func inSysroot(script string) string {
	return "set -e; unshare --mount sh -ec 'mount -o remount,rw,bind /sysroot; cd /sysroot; " + script + "; sync'"
}

// TestTrial has images fail in every way that there is, one after the other on one
// machine: the host is back on v1 each time, with its /etc and /var, says why, and
// installs the image no more. Then one comes that is well, at its second try. In a run of
// one share only some of the ways are due.
func TestTrial(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		platform
		hang  wayToFail
		place int // of the first way
	}{
		"systemd": {platform{Panics: true, Watchdog: true}, hang("i6300esb", "the watchdog reset the machine"), 0},
		"grub":    {platform{Loader: "grub", Initramfs: "dracut", Panics: true}, hang("softdog", "stopped before the boot was complete"), 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := tt.platform
			p.Watchdog = p.Watchdog && testshare.Due(t, tt.place+len(waysToFail)) // for the hang alone
			h := bootHost(t, p)
			v1 := h.booted().Composefs.Verity
			h.Run("mkdir -p /etc/bootc; echo 'tries = 1' >/etc/bootc/boot.toml; echo mine >/etc/mine; echo mine >/var/lib/mine")
			for i, way := range append(slices.Clone(waysToFail), tt.hang) {
				if testshare.Due(t, tt.place+i) {
					h.failsTo(way, p, v1)
				}
			}
			if testshare.Due(t, tt.place+2) {
				h.passesAtSecondTry(p, v1)
			}
			h.PowerOff()
		})
	}
}

const etcSum = "cd /etc; find . -xdev -type f -exec sha256sum {} + | sort | sha256sum"

// failsTo installs an image that fails and waits until v1 is back.
func (h *testHost) failsTo(way wayToFail, p platform, v1 string) {
	h.t.Helper()
	base := os1(h.t, p)
	entries := []registrytest.Entry{registrytest.File("usr/share/os-version", way.name+"\n")}
	if way.entries != nil {
		entries = append(entries, way.entries(h.t, base)...)
	}
	image := onTop(h.t, p, entries...)
	h.serve(image)
	before := h.Run(etcSum)
	h.Run("touch /run/before; bootc upgrade --quiet")
	if way.spoil != nil {
		way.spoil(h)
	}
	h.rebootUntil("1")

	if h.Run(etcSum) != before || h.Run("cat /var/lib/mine") != "mine\n" {
		h.t.Errorf("%s: /etc or /var changed", way.name)
	}
	s := h.status()
	h.checkQueue(v1, "", "", false)
	if n := len(s.FailedUpdates); n == 0 {
		h.t.Fatalf("%s: nothing is remembered", way.name)
	} else if f := s.FailedUpdates[n-1]; f.ImageDigest != image.Digest(h.t).String() || !strings.Contains(f.Reason, way.reason) {
		h.t.Errorf("%s: remembered is %+v, want the reason %q", way.name, f, way.reason)
	} else {
		h.t.Logf("%s: %s", way.name, f.Reason)
	}
	h.refused("bootc upgrade --quiet", "did not boot well and was given up")
	if why := h.Run("bootc why"); !strings.Contains(why, "is not installed again") || !strings.Contains(why, way.reason) {
		h.t.Errorf("%s: bootc why says\n%s", way.name, why)
	}
	if log := h.Run("journalctl --quiet --no-pager -b MESSAGE_ID=1e7b0c52f8a94d0b9c6f3a57d2e84b61 -o cat"); !strings.Contains(log, image.Digest(h.t).String()) {
		h.t.Errorf("%s: the journal says %q", way.name, log)
	}
	checkClean(h.t, h)
}

// rebootUntil reboots and waits until a system of that os-version is up and well,
// however many others come before it.
func (h *testHost) rebootUntil(version string) {
	h.t.Helper()
	h.Go("systemctl reboot")
	for range 6 {
		h.WaitAgent()
		if r := h.Try("cat /usr/share/os-version"); r.Err != nil || r.Stdout != version+"\n" {
			continue
		}
		if r := h.Try("systemctl is-system-running --wait"); r.Err == nil {
			if state := strings.TrimSpace(r.Stdout); state != "running" {
				h.t.Fatalf("the system is %s:\n%s", state, h.Run("systemctl --failed --no-legend; journalctl -b -p warning --no-pager -n 40"))
			}
			return
		}
	}
	h.t.Fatalf("version %s never came up", version)
}

// passesAtSecondTry installs an image with a check that fails in the first boot, and one
// that is only wanted and always fails.
func (h *testHost) passesAtSecondTry(p platform, v1 string) {
	h.t.Helper()
	h.Run("echo 'tries = 2' >/etc/bootc/boot.toml")
	good := testimage.Append(h.t, os1(h.t, p), append([]registrytest.Entry{
		registrytest.File("usr/share/os-version", "good\n"),
		program("usr/lib/bootc/health.d/wanted.d/10-wanted", "exit 1\n"),
	}, program("usr/lib/bootc/health.d/required.d/10-flapping", "test -e /var/lib/once || { touch /var/lib/once; sync; exit 1; }\n")), nil)
	h.serve(good)
	h.Run("bootc upgrade --quiet")
	h.Go("systemctl reboot")
	for range 2 {
		h.WaitAgent()
		h.Try("systemctl is-system-running --wait")
	}
	h.wants("cat /usr/share/os-version /var/lib/mine /etc/mine", "good", "mine", "mine")
	b := h.booted()
	h.checkQueue(b.Composefs.Verity, "", v1, false)
	if b.Trial != nil {
		h.t.Errorf("it is on trial still: %+v", b.Trial)
	}
	if log := h.Run("journalctl --quiet --no-pager -b -u bootc-boot-check.service -o cat"); !strings.Contains(log, "the wanted check 10-wanted failed") {
		h.t.Errorf("the wanted check left no word:\n%s", log)
	}
	checkClean(h.t, h)
}

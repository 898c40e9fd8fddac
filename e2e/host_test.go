package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bootc-go/bootc/host"
	"github.com/bootc-go/bootc/image/registrytest"
	"github.com/bootc-go/bootc/internal/testcache"
	"github.com/bootc-go/bootc/internal/testimage"
	"github.com/bootc-go/bootc/internal/testtool"
	"github.com/bootc-go/bootc/internal/testvm"
)

// followed is the reference that hosts follow. Registries' ports differ from run
// to run, and disks are kept, so a file in /etc of the machine says where
// registry.test is.
const followed = "registry.test/acme/os:latest"

// platform is how a host boots.
type platform struct {
	Loader     string          // "systemd", if empty
	Firmware   testvm.Firmware // UEFI, if empty
	Filesystem string          // "ext4", if empty
	Initramfs  string          // "initramfs-tools", if empty: it boots faster
	UKI        bool            // a unified kernel image, with an addon
	OldKernel  bool            // Linux 6.1; with initramfs-tools only
	RAID       bool            // with mdadm and LVM; with initramfs-tools only
	Encrypted  bool            // the image can have an encrypted root; with dracut only
	TPM        string          // the machine's, see testvm.TPM; none, if empty
	Panics     bool            // kernels may panic
	Watchdog   bool            // the machine has one
}

func (p platform) withDefaults() platform {
	for field, value := range map[*string]string{&p.Loader: "systemd", &p.Filesystem: "ext4", &p.Initramfs: "initramfs-tools"} {
		if *field == "" {
			*field = value
		}
	}
	if p.Firmware == "" {
		p.Firmware = testvm.UEFI
	}
	return p
}

// kargs are what hosts have besides those of the image. Emulated timers are late on
// a busy host, which the kernel must not take for a defect.
var kargs = append([]string{"console=ttyS0", "quiet", "systemd.show_status=error", "no_timer_check"}, slowHostKargs...)

// slowHostKargs let systemd wait an hour for a device or a unit: an emulated machine on a
// busy host may be that slow.
var slowHostKargs = []string{"systemd.default_device_timeout_sec=3600", "systemd.default_timeout_start_sec=3600"}

// installed returns a raw disk with os1, as bootc install makes it. It is kept
// and must not be changed.
func installed(t testing.TB, p platform) string {
	t.Helper()
	p = p.withDefaults()
	image := os1(t, p) // has the installer in it, so its recipe is the disk's, too
	args := []string{
		"install", "to-disk", "--via-loopback", "--filesystem", p.Filesystem, "--bootloader", p.Loader, "--target-imgref", followed,
	}
	if p.UKI {
		image = unified(t, image)
		args = append(args, "--uki-addon", "wanted")
	} else {
		for _, k := range kargs {
			args = append(args, "--karg", k)
		}
	}
	cache := testcache.Open(t, "disk", image.Recipe(), []byte(strings.Join(args, "\n")))
	dir := cache.Entry(t, "disk", func(t testing.TB, dir string) {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		disk := filepath.Join(dir, "disk.raw")
		blank(t, disk, 4<<30)
		bootc(t, append(args, "--source-imgref", image.Reference(), disk)...)
		if p.Loader == "systemd" {
			skipMenu(t, disk)
		}
	})
	return filepath.Join(dir, "disk.raw")
}

// skipMenu has systemd-boot wait for nobody.
func skipMenu(t testing.TB, disk string) {
	t.Helper()
	conf := filepath.Join(t.TempDir(), "loader.conf")
	if err := os.WriteFile(conf, []byte("timeout 0\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	tool(t, "mcopy", "-o", "-i", disk+"@@2M", conf, "::/loader/loader.conf")
}

func tool(t testing.TB, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(testtool.Path(t, name), args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

func blank(t testing.TB, path string, size int64) {
	t.Helper()
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
}

// bootc runs the program outside of any machine, and returns its output.
func bootc(t testing.TB, args ...string) string {
	t.Helper()
	cmd := exec.Command(filepath.Join(testimage.Programs(t), "bootc"), args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("bootc %s: %v\n%s%s", strings.Join(args, " "), err, &stdout, &stderr)
	}
	return stdout.String()
}

// testHost is a running host and the registry that it pulls from.
type testHost struct {
	*testvm.Machine
	t        *testing.T
	registry *registrytest.Registry
}

// secondDisk is the name of the empty disk that bootHost's machines have beside their own.
const secondDisk = "/dev/disk/by-id/virtio-second"

// bootHost returns a host that was installed with os1, has booted since, and demands
// fs-verity of all objects if it can. It goes on from a snapshot of such a host, which is
// made once.
func bootHost(t *testing.T, p platform) *testHost {
	t.Helper()
	return bootHostWith(t, p, "")
}

// bootHostWith is bootHost with a second disk of 4 GiB of one's own.
func bootHostWith(t *testing.T, p platform, disk string) *testHost {
	t.Helper()
	p = p.withDefaults()
	registry := registrytest.New(t)
	h := &testHost{testvm.Resume(t, bootedSnapshot(t, p), p.machine(testvm.Disk{}, testvm.Disk{Path: disk, Serial: "second"})), t, registry}
	h.pointAtRegistry()
	return h
}

// bootedSnapshot returns the snapshot that bootHost goes on from.
func bootedSnapshot(t *testing.T, p platform) string {
	t.Helper()
	p.Panics = false
	disk := installed(t, p) // has a name of all that it was made from, and may have been made again
	made, err := os.Stat(disk)
	if err != nil {
		t.Fatal(err)
	}
	cache := testcache.Open(t, "booted", fmt.Appendf(nil, "%s %v %+v", disk, made.ModTime(), p), testvm.Recipe(t))
	return cache.Entry(t, "snapshot", func(_ testing.TB, dir string) {
		h := bootDisk(t, p, testvm.Overlay(t, disk), testvm.Disk{Path: testvm.Blank(t, 4<<30), Serial: "second"})
		h.Run("while systemctl is-active --quiet bootc-enable-verity.service; do sleep 1; done")
		h.Save(dir)
	})
}

// machine is what a host of the platform runs on.
func (p platform) machine(disks ...testvm.Disk) testvm.Options {
	return testvm.Options{Firmware: p.withDefaults().Firmware, Disks: disks, Panics: p.Panics, Watchdog: p.Watchdog, Watched: *demoShow || *demoBoot != "", TPM: p.TPM}
}

// bootDisk boots a host from a disk of one's own.
func bootDisk(t *testing.T, p platform, disk string, more ...testvm.Disk) *testHost {
	t.Helper()
	registry := registrytest.New(t)
	disks := append([]testvm.Disk{{Path: disk}}, more...)
	h := &testHost{testvm.Start(t, p.machine(disks...)), t, registry}
	h.WaitBoot()
	h.pointAtRegistry()
	return h
}

// pointAtRegistry tells the host where registry.test is, as an administrator
// would.
func (h *testHost) pointAtRegistry() {
	h.t.Helper()
	_, port, _ := strings.Cut(h.registry.Addr(), ":")
	conf := fmt.Sprintf("[[registry]]\nprefix = \"registry.test\"\nlocation = \"10.0.2.2:%s\"\ninsecure = true\n", port)
	h.input("mkdir -p /etc/containers/registries.conf.d && cat >/etc/containers/registries.conf.d/50-test.conf", conf)
}

// serve has the registry serve the image under the name that hosts follow.
func (h *testHost) serve(image testimage.Image) { h.serveAs("acme/os", image) }

func (h *testHost) serveAs(repository string, image testimage.Image) {
	h.t.Helper()
	h.registry.AddLayout(h.t, repository, image.Layout)
}

// input runs a script that reads stdin, and must succeed.
func (h *testHost) input(script, stdin string) {
	h.t.Helper()
	if r := h.TryInput(script, stdin); r.Err != nil || r.Status != 0 {
		h.t.Fatalf("%s: %+v", script, r)
	}
}

// status is what bootc status says.
func (h *testHost) status() host.Status {
	h.t.Helper()
	var doc host.Host
	out := h.Run("bootc status --format json")
	if err := json.Unmarshal([]byte(out), &doc); err != nil {
		h.t.Fatalf("bootc status: %v\n%s", err, out)
	}
	return doc.Status
}

// booted is the booted entry of the status.
func (h *testHost) booted() *host.BootEntry {
	h.t.Helper()
	b := h.status().Booted
	if b == nil || b.Image == nil || b.Composefs == nil {
		h.t.Fatalf("status has no booted image: %s", h.Run("bootc status --format yaml"))
	}
	return b
}

// refused runs a script that must fail, with that text among what it says.
func (h *testHost) refused(script, text string) {
	h.t.Helper()
	r := h.Try(script)
	if r.Err != nil || r.Status == 0 || !strings.Contains(r.Stdout+r.Stderr, text) {
		h.t.Errorf("%s: got %+v, want it to fail and say %q", script, r, text)
	}
}

// wants runs a script and compares its output with lines.
func (h *testHost) wants(script string, lines ...string) {
	h.t.Helper()
	if got, want := strings.TrimRight(h.Run(script), "\n"), strings.Join(lines, "\n"); got != want {
		h.t.Errorf("%s:\n got %q\nwant %q", script, got, want)
	}
}

// waitVerity waits until the host demands fs-verity of all objects.
func (h *testHost) waitVerity() {
	h.t.Helper()
	h.Run("while systemctl is-active --quiet bootc-enable-verity.service; do sleep 1; done; test -e /var/lib/bootc/fs-verity")
}

// checkQueue checks all that status says about what runs and what will.
func (h *testHost) checkQueue(booted, staged, rollback string, queued bool) {
	h.t.Helper()
	s := h.status()
	got := []string{s.Booted.Composefs.Verity, "", ""}
	if s.Staged != nil {
		got[1] = s.Staged.Composefs.Verity
	}
	if s.Rollback != nil {
		got[2] = s.Rollback.Composefs.Verity
	}
	if strings.Join(got, " ") != strings.Join([]string{booted, staged, rollback}, " ") || s.RollbackQueued != queued {
		h.t.Errorf("booted, staged and rollback are %.8q, queued: %v\nwant %.8q, queued: %v", got, s.RollbackQueued,
			[]string{booted, staged, rollback}, queued)
	}
	if s.Booted.Trial != nil {
		h.t.Errorf("what is booted and well is on trial: %+v", s.Booted.Trial)
	}
}

package e2e

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/bootc-go/bootc/image/registrytest"
	"github.com/bootc-go/bootc/internal/testimage"
	"github.com/bootc-go/bootc/internal/testvm"
)

// What scripts/demo.sh asks of TestDemo.
var (
	demoShow = flag.Bool("demo", false, "TestDemo prints its session to the file descriptor 3")
	demoBold = flag.Bool("demo-bold", false, "the session goes to a terminal that can print bold")
	demoBoot = flag.String("demo-boot", "", "TestDemo boots this disk, with the file descriptor 3 as its console, and nothing else")
	demoDisk = flag.String("demo-disk", "", "TestDemo makes its disk there, and leaves it")
)

// demo is a session with bootc, shown as it goes on.
type demo struct {
	t *testing.T
	*progress
	*testHost
}

// TestDemo is what "make demo" shows: install, boot, upgrade, roll back, switch.
// In a test run it shows that the demo works, and that the README tells the truth.
func TestDemo(t *testing.T) {
	if *demoBoot != "" {
		bootAgain(t, *demoBoot)
		return
	}
	d := &demo{t: t, progress: newProgress(t.Output(), false, false)}
	disk := filepath.Join(t.TempDir(), "disk.raw")
	if *demoShow {
		d.progress = newProgress(os.NewFile(3, "session"), true, *demoBold)
		disk = *demoDisk
	} else {
		t.Parallel()
	}
	defer d.end()
	v1, v2, own := d.images()

	d.title("Serve the images from a registry, and install the first on a disk", 15)
	d.install(v1, disk)

	d.title("Boot the disk in QEMU", 30)
	d.testHost = bootDisk(t, platform{}, disk)
	first := d.show("bootc status --format humanreadable", "Booted image: "+followed)

	d.upgrade(v2)
	d.rollback(first)
	d.switchTo(own)
	d.PowerOff()
}

func (d *demo) upgrade(v2 testimage.Image) {
	d.t.Helper()
	d.title("A new version is in the registry: upgrade to it, and reboot", 50)
	d.serve(v2)
	d.Run("echo 'changed here' >/etc/edited")
	d.show("bootc upgrade --check", "Update available for: "+followed)
	d.show("bootc upgrade", "Queued for next boot: "+followed)
	d.reboot()
	d.show("cat /usr/share/os-version", "2")
	d.show("cat /etc/edited /etc/untouched", "changed here", "default of v2")
	d.show("bootc config-diff", "edited")
}

// rollback goes back to the version whose status was first.
func (d *demo) rollback(first string) {
	d.t.Helper()
	d.title("Roll back to the first version, and reboot", 35)
	d.show("bootc rollback", "")
	d.reboot()
	d.show("cat /usr/share/os-version", "1")
	if again := d.Run("bootc status --format humanreadable"); digestOf(again) != digestOf(first) {
		d.t.Errorf("after the rollback: %s\nat first: %s", again, first)
	}
}

func (d *demo) switchTo(own testimage.Image) {
	d.t.Helper()
	d.title("Switch to the image of our own, and reboot: only its own layers are fetched", 60)
	d.serveAs("acme/hello", own)
	d.show("bootc switch registry.test/acme/hello:latest", "Queued for next boot: registry.test/acme/hello:latest")
	d.reboot()
	d.show("busybox wget -qO- http://localhost:8080", "hello")
	d.show("bootc status --format humanreadable", "Booted image: registry.test/acme/hello:latest", "Rollback image: "+followed)
}

// images builds the images of the demo, or takes them from build/cache.
func (d *demo) images() (v1, v2, own testimage.Image) {
	d.t.Helper()
	d.title("Build an image of Debian that boots, its update, and an image of our own on top of it", 120)
	d.timed("Debian without a kernel, by mmdebstrap", 25, func() { testimage.Debian(d.t) })
	d.timed("Debian that boots: buildah bud -f Containerfile.test", 60, func() { testimage.OS(d.t, platform{}.withDefaults().Initramfs) })
	d.timed("version 1, on top of that", 10, func() { v1 = os1(d.t, platform{}) })
	d.timed("version 2", 10, func() { v2 = os2(d.t) })
	d.timed("a web server of our own: buildah bud -f images/Containerfile.derived", 15, func() { own = derived(d.t) })
	return v1, v2, own
}

// install installs image on a new disk, and prints that.
func (d *demo) install(image testimage.Image, disk string) {
	d.t.Helper()
	registry := registrytest.New(d.t)
	registry.AddLayout(d.t, "acme/os", image.Layout)
	blank(d.t, disk, 4<<30)
	source := "docker://" + registry.Addr() + "/acme/os:latest"
	args := []string{
		"install", "to-disk", "--via-loopback", "--filesystem", "ext4", "--source-imgref", source,
		"--target-imgref", followed, "--karg", "console=ttyS0", "--karg", "quiet",
	}
	for _, k := range slowHostKargs {
		args = append(args, "--karg", k)
	}
	d.prompt("#", "bootc "+strings.Join(args, " ")+" "+filepath.Base(disk))
	conf := filepath.Join(d.t.TempDir(), "registries.conf")
	text := fmt.Sprintf("[[registry]]\nlocation = %q\ninsecure = true\n", registry.Addr())
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		d.t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(testimage.Programs(d.t), "bootc"), append(args, disk)...)
	cmd.Env = append(os.Environ(), "CONTAINERS_REGISTRIES_CONF="+conf)
	cmd.Stdout, cmd.Stderr = d.w, d.w
	if err := cmd.Run(); err != nil {
		d.t.Fatalf("bootc install: %v", err)
	}
}

// show runs a command in the machine, and prints both. Its output must have each of the
// texts.
func (d *demo) show(command string, texts ...string) string {
	d.t.Helper()
	d.prompt("root@host:~#", command)
	r := d.Try(command)
	d.print(r.Stderr)
	d.print(r.Stdout)
	if r.Err != nil || r.Status != 0 {
		d.t.Fatalf("%s: %+v", command, r)
	}
	for _, text := range texts {
		if !strings.Contains(r.Stdout+r.Stderr, text) {
			d.t.Errorf("%s: %q is not in\n%s%s", command, text, r.Stdout, r.Stderr)
		}
	}
	return r.Stdout
}

func (d *demo) reboot() {
	d.t.Helper()
	d.prompt("root@host:~#", "systemctl reboot")
	d.Reboot("systemctl reboot")
}

// digestOf is the first digest in the output of bootc status: the booted image's.
func digestOf(status string) string { return regexp.MustCompile(`sha256:[0-9a-f]+`).FindString(status) }

// bootAgain boots the disk of a demo for somebody who looks around in it. The registry has
// what it had at the end.
func bootAgain(t *testing.T, disk string) {
	t.Helper()
	o := platform{}.machine(testvm.Disk{Path: disk})
	o.Terminal = os.NewFile(3, "terminal")
	registry := registrytest.New(t)
	h := &testHost{testvm.Start(t, o), t, registry}
	h.serve(os2(t))
	h.serveAs("acme/hello", derived(t))
	h.WaitAgent()
	h.pointAtRegistry()
	<-h.Off()
}

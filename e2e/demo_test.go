package e2e

import (
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/bootc-go/bootc/image/registrytest"
	"github.com/bootc-go/bootc/internal/testimage"
)

// session says that TestDemo has somebody who watches: "make demo".
var session = flag.Bool("session", false, "TestDemo prints its session to standard output")

// demo is a session with bootc, shown as it goes on.
type demo struct {
	t *testing.T
	w io.Writer
	*testHost
}

// TestDemo is what "make demo" shows: install, boot, upgrade, switch, roll back.
// In a test run it shows that the demo works, and that the README tells the truth.
func TestDemo(t *testing.T) {
	d := &demo{t: t, w: t.Output()}
	if *session {
		d.w = os.Stdout
	} else {
		t.Parallel()
	}
	d.title("Build an image of Debian that boots, its update, and one of our own on top of it")
	d.note("buildah bud -f Containerfile.test; from that, v1, v2 and images/Containerfile.derived (kept in build/cache)")
	v1, v2, own := os1(t, platform{}), os2(t), derived(t)

	d.title("Serve them from a registry, and install the first on a disk")
	disk := d.install(v1)

	d.title("Boot the disk")
	d.testHost = bootDisk(t, platform{}, disk)
	first := d.show("bootc status --format humanreadable", "Booted image: "+followed)

	d.title("A new version is in the registry: upgrade to it")
	d.serve(v2)
	d.Run("echo 'changed here' >/etc/edited")
	d.show("bootc upgrade --check", "Update available for: "+followed)
	d.show("bootc upgrade", "Queued for next boot: "+followed)
	d.reboot()
	d.show("cat /usr/share/os-version", "2")
	d.show("cat /etc/edited /etc/untouched", "changed here", "default of v2")
	d.show("bootc config-diff", "edited")

	d.title("Roll back to the first version")
	d.show("bootc rollback", "")
	d.reboot()
	d.show("cat /usr/share/os-version", "1")
	if again := d.Run("bootc status --format humanreadable"); digestOf(again) != digestOf(first) {
		t.Errorf("after the rollback: %s\nat first: %s", again, first)
	}

	d.title("Switch to the image of our own: only its own layers are fetched")
	d.serveAs("acme/hello", own)
	d.show("bootc switch registry.test/acme/hello:latest", "Queued for next boot: registry.test/acme/hello:latest")
	d.reboot()
	d.show("busybox wget -qO- http://localhost:8080", "hello")
	d.show("bootc status --format humanreadable", "Booted image: registry.test/acme/hello:latest", "Rollback image: "+followed)
	d.PowerOff()
}

// install installs image on a new disk, in the sight of all.
func (d *demo) install(image testimage.Image) (disk string) {
	d.t.Helper()
	registry := registrytest.New(d.t)
	registry.AddLayout(d.t, "acme/os", image.Layout)
	disk = filepath.Join(d.t.TempDir(), "disk.raw")
	blank(d.t, disk, 4<<30)
	source := "docker://" + registry.Addr() + "/acme/os:latest"
	args := []string{
		"install", "to-disk", "--via-loopback", "--filesystem", "ext4", "--source-imgref", source,
		"--target-imgref", followed, "--karg", "console=ttyS0", "--karg", "quiet", disk,
	}
	d.prompt("#", "bootc "+strings.Join(args[:len(args)-1], " ")+" disk.raw")
	conf := filepath.Join(d.t.TempDir(), "registries.conf")
	text := fmt.Sprintf("[[registry]]\nlocation = %q\ninsecure = true\n", registry.Addr())
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		d.t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(testimage.Programs(d.t), "bootc"), args...)
	cmd.Env = append(os.Environ(), "CONTAINERS_REGISTRIES_CONF="+conf)
	cmd.Stdout, cmd.Stderr = d.w, d.w
	if err := cmd.Run(); err != nil {
		d.t.Fatalf("bootc install: %v", err)
	}
	return disk
}

func (d *demo) title(s string)          { fmt.Fprintf(d.w, "\n\033[1m# %s\033[0m\n", s) }
func (d *demo) note(s string)           { fmt.Fprintf(d.w, "(%s)\n", s) }
func (d *demo) prompt(sign, cmd string) { fmt.Fprintf(d.w, "%s %s\n", sign, cmd) }

func (d *demo) print(s string) {
	if s = strings.TrimRight(s, "\n"); s != "" {
		fmt.Fprintln(d.w, s)
	}
}

// show runs a command in the machine, in the sight of all. Its output must have
// each of the texts.
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

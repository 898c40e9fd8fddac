package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/verity"
	"github.com/bootc-go/bootc/internal/testtool"
)

// A host is a disk with one deployment on it, as it is when the initramfs has
// mounted the disk, in a mount namespace of its own.
type host struct {
	disk    string // the file system itself
	sysroot string // where it is mounted for the program
	runDir  string // in the place of /run
	id      verity.Digest
}

// ownMounts gives the test's goroutine a mount namespace, whose thread ends with it,
// and a tmpfs for all that it mounts. Subtests run elsewhere, so each calls it.
func ownMounts(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("this test mounts file systems: run it as root")
	}
	dir := t.TempDir()
	runtime.LockOSThread()
	check(t, unix.Unshare(unix.CLONE_NEWNS))
	check(t, unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	check(t, unix.Mount("test", dir, "tmpfs", 0, ""))
	// As in an initramfs with systemd.
	check(t, unix.Mount("", dir, "", unix.MS_SHARED, ""))
	t.Cleanup(func() { check(t, unix.Unmount(dir, unix.MNT_DETACH)) })
	return dir
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// newHost makes a host whose repository mkcomposefs made.
func newHost(t *testing.T) *host {
	t.Helper()
	dir := ownMounts(t)
	h := &host{disk: dir + "/disk", sysroot: dir + "/sysroot", runDir: dir + "/run"}
	check(t, os.MkdirAll(h.runDir+"/systemd", 0o755))
	tree := dir + "/tree"
	for _, d := range []string{"/etc", "/var", "/sysroot", "/usr/lib", "/sbin"} {
		check(t, os.MkdirAll(tree+d, 0o755))
	}
	check(t, os.Chmod(tree+"/etc", 0o751))
	write(t, tree+"/etc/default", "of the image")
	write(t, tree+"/usr/lib/program", strings.Repeat("a program ", 500))
	check(t, os.Symlink("/usr/lib/program", tree+"/sbin/init"))
	h.addImage(t, tree)
	state := h.disk + "/state/deploy/" + h.id.String()
	check(t, os.MkdirAll(state+"/etc", 0o755))
	check(t, os.MkdirAll(h.disk+"/state/os/default/var", 0o755))
	check(t, os.Symlink("../../os/default/var", state+"/var"))
	write(t, state+"/etc/local", "of the host")
	write(t, h.disk+"/state/os/default/var/data", "of the host")
	check(t, os.Mkdir(h.sysroot, 0o755))
	check(t, unix.Mount(h.disk, h.sysroot, "", unix.MS_BIND, ""))
	return h
}

// addImage makes the repository with the image of tree.
func (h *host) addImage(t *testing.T, tree string) {
	t.Helper()
	objects := h.disk + "/composefs/objects"
	check(t, os.MkdirAll(objects, 0o755))
	check(t, os.Mkdir(h.disk+"/composefs/images", 0o755))
	image := h.disk + "/image"
	out, err := exec.Command(testtool.Path(t, "mkcomposefs"), "--print-digest", "--digest-store="+objects, tree, image).Output()
	check(t, err)
	h.id, err = verity.ParseHex(string(bytes.TrimSpace(out)))
	check(t, err)
	object := objects + "/" + h.id.ObjectPath()
	check(t, os.MkdirAll(filepath.Dir(object), 0o755))
	check(t, os.Rename(image, object))
	check(t, os.Symlink("../objects/"+h.id.ObjectPath(), h.disk+"/composefs/images/"+h.id.String()))
}

// object is the file with the content of /usr/lib/program.
func (h *host) object() string {
	d := verity.Sum(verity.SHA256, []byte(strings.Repeat("a program ", 500)))
	return h.disk + "/composefs/objects/" + d.ObjectPath()
}

func write(t *testing.T, name, content string) {
	t.Helper()
	check(t, os.WriteFile(name, []byte(content), 0o644))
}

// run runs the program and returns its exit status and what it says.
func (h *host) run(t *testing.T, cmdline, config string, more ...string) (status int, stderr string) {
	t.Helper()
	conf := filepath.Dir(h.disk) + "/setup-root-conf.toml"
	write(t, conf, config)
	var buf bytes.Buffer
	status = run(append([]string{"setup-root", "--sysroot", h.sysroot, "--run", h.runDir, "--config", conf, "--cmdline", cmdline}, more...), &buf)
	return status, buf.String()
}

func (h *host) boot(t *testing.T, cmdline, config string, more ...string) {
	t.Helper()
	if status, out := h.run(t, "composefs=?"+h.id.String()+" "+cmdline, config, more...); status != 0 || out != "" {
		t.Fatalf("exit status %d:\n%s", status, out)
	}
}

// mounts lists what is mounted at dir and below, as "/etc source ro".
func mounts(t *testing.T, dir string) []string {
	t.Helper()
	data, err := os.ReadFile("/proc/thread-self/mountinfo")
	check(t, err)
	var out []string
	for line := range strings.Lines(string(data)) {
		own, super, _ := strings.Cut(line, " - ")
		f, s := strings.Fields(own), strings.Fields(super)
		if below, ok := strings.CutPrefix(f[4], dir); ok {
			out = append(out, strings.TrimSpace(below+" "+s[1]+" "+f[5][:2]))
		}
	}
	slices.Sort(out)
	return out
}

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		return err.Error()
	}
	return string(data)
}

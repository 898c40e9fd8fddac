package lint

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
	"sigs.k8s.io/yaml"

	"github.com/bootc-go/bootc/internal/testtool"
)

// tree is a root directory in the making.
type tree struct {
	t   *testing.T
	dir string
}

func (x tree) path(name string) string { return filepath.Join(x.dir, name) }

func (x tree) mkdir(names ...string) {
	x.t.Helper()
	for _, name := range names {
		if err := os.MkdirAll(x.path(name), 0o755); err != nil {
			x.t.Fatal(err)
		}
	}
}

func (x tree) write(name, text string) {
	x.t.Helper()
	x.mkdir(filepath.Dir(name))
	if err := os.WriteFile(x.path(name), []byte(text), 0o644); err != nil {
		x.t.Fatal(err)
	}
}

func (x tree) link(target, name string) {
	x.t.Helper()
	x.mkdir(filepath.Dir(name))
	if err := os.Symlink(target, x.path(name)); err != nil {
		x.t.Fatal(err)
	}
}

func (x tree) remove(name string) {
	x.t.Helper()
	if err := os.RemoveAll(x.path(name)); err != nil {
		x.t.Fatal(err)
	}
}

// cpio packs the files of the tree in, as an initramfs, with the tool of that name.
func (x tree) cpio(in tree) []byte {
	x.t.Helper()
	cmd := exec.CommandContext(x.t.Context(), testtool.Path(x.t, "sh"), "-c", `find . | "$0" --quiet -o -H newc`, testtool.Path(x.t, "cpio"))
	cmd.Dir = in.dir
	out, err := cmd.Output()
	if err != nil {
		x.t.Fatal(err)
	}
	return out
}

// clean is a root that no rule has a word against.
func clean(t *testing.T) tree {
	t.Helper()
	x := tree{t, t.TempDir()}
	x.mkdir("dev", "proc", "sys", "run", "tmp", "var/lib", "var/home", "boot", "sysroot", "etc")
	x.link("sysroot/ostree", "ostree")
	x.link("var/home", "home")
	x.link("../run", "var/run")
	x.write("usr/lib/modules/6.12.1/vmlinuz", "kernel")
	x.write("usr/lib/modules/6.12.1/initramfs.img", string(x.cpio(initramfs(t))))
	x.write("usr/bin/bootc", "program")
	x.write("usr/lib/systemd/system/bootc-finalize-staged.service", "[Unit]\n")
	x.write("etc/containers/policy.json", `{"default": [{"type": "reject"}]}`)
	x.write("etc/passwd", "root:x:0:0::/root:/bin/sh\n_app:x:990:990::/:/bin/false\n")
	x.write("etc/group", "root:x:0:\n_app:x:990:\ntape:x:26:\n")
	x.write("usr/lib/sysusers.d/a.conf", "# users\nu root 0 - /root\nu! \"_app\" -\ng tape 26\n")
	x.write("usr/lib/tmpfiles.d/a.conf", "d /var/lib\nd /var/home 0755\nL /var/run - - - - ../run\n")
	return x
}

func initramfs(t *testing.T) tree {
	t.Helper()
	x := tree{t, t.TempDir()}
	x.write("init", "#!/bin/sh\n")
	x.write(setupRoot, "program")
	return x
}

func lintTree(t *testing.T, x tree, o Options) *Result {
	t.Helper()
	if o.RootType == "" {
		o.RootType = Running
	}
	o.Arch = "amd64"
	r, err := Run(x.dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestCleanRoot(t *testing.T) {
	t.Parallel()
	x := clean(t)
	for kind, skipped := range map[RootType]int{Running: 1, Alternative: 1} {
		r := lintTree(t, x, Options{RootType: kind})
		if len(r.Findings) != 0 || r.Skipped != skipped || r.Passed != len(Rules())-skipped {
			t.Errorf("%s: %+v", kind, r)
		}
	}
}

// violations plants one for each rule. The text is in what is printed of it.
var violations = []struct {
	rule, want string
	plant      func(tree)
	root       RootType
}{
	{rule: "api-base-directories", want: "Missing API filesystem base directory: /sys", plant: func(x tree) { x.remove("sys") }},
	{rule: "api-base-directories", want: "Expected directory for API filesystem base directory: /tmp", plant: func(x tree) {
		x.remove("tmp")
		x.link("var/tmp", "tmp")
	}},
	{rule: "baseimage-root", want: "Expected a directory for /sysroot", plant: func(x tree) { x.remove("sysroot"); x.link("usr", "sysroot") }},
	{rule: "baseimage-root", want: "/ostree should be a symlink", plant: func(x tree) { x.remove("ostree"); x.mkdir("ostree") }},
	{rule: "baseimage-root", want: "Expected /ostree -> sysroot/ostree, not '/a b'", plant: func(x tree) { x.remove("ostree"); x.link("/a b", "ostree") }},
	{rule: "baseimage-root", want: "Missing /usr/share/doc/bootc/baseimage/base/sysroot", plant: func(x tree) { x.mkdir(baseImageDir) }},
	{rule: "baseimage-composefs", want: "usr/lib/ostree/prepare-root.conf is not present to enable composefs", plant: func(x tree) { x.mkdir("usr/lib/ostree") }},
	{rule: "baseimage-composefs", want: "does not have composefs enabled", plant: func(x tree) { x.write(prepareRoot, "[composefs]\nenabled = no\n[sysroot]\nenabled=true\n") }},
	{rule: "bootable", want: "there is no directory /boot", plant: func(x tree) { x.remove("boot"); x.link("sysroot", "boot") }},
	{rule: "bootable", want: "no kernel", plant: func(x tree) { x.remove("usr/lib/modules") }},
	{rule: "bootable", want: "no initramfs", plant: func(x tree) { x.remove("usr/lib/modules/6.12.1/initramfs.img") }},
	{rule: "bootable", want: "vmlinuz is empty", plant: func(x tree) { x.write("usr/lib/modules/6.12.1/vmlinuz", "") }},
	{rule: "bootc-installed", want: "/usr/bin/bootc\n", plant: func(x tree) { x.remove("usr/bin/bootc") }},
	{rule: "bootc-installed", want: "bootc-finalize-staged.service", plant: func(x tree) { x.remove("usr/lib/systemd") }},
	{rule: "bootc-kargs", want: "/usr/lib/bootc/kargs.d/a.toml:1: unknown key karg", plant: func(x tree) { x.write("usr/lib/bootc/kargs.d/a.toml", "karg = []") }},
	{rule: "bound-images", want: "/usr/lib/bootc/bound-images.d/a.container", plant: func(x tree) {
		x.link("/usr/share/nowhere.container", "usr/lib/bootc/bound-images.d/a.container")
	}},
	{rule: "buildah-injected", want: "/etc/hostname is an empty file; this may have been synthesized by a container runtime.", plant: func(x tree) { x.write("etc/hostname", "") }, root: Alternative},
	{rule: "buildah-injected", want: "/etc/resolv.conf is an empty file", plant: func(x tree) { x.write("etc/resolv.conf", "") }, root: Alternative},
	{rule: "etc-usretc", want: "Found /usr/etc - this is a bootc implementation detail", plant: func(x tree) { x.mkdir("usr/etc") }},
	{rule: "fstab-root", want: "/etc/fstab has a line for /", plant: func(x tree) { x.write("etc/fstab", "# /dev/x / ext4\n\nUUID=x\t/ ext4 rw 0 0\n") }},
	{rule: "home-directories", want: "  /home\n  /root\n", plant: func(x tree) { x.remove("home"); x.mkdir("home", "root") }},
	{rule: "initramfs", want: "/usr/lib/modules/6.12.1/initramfs.img has no /usr/lib/bootc/initramfs-setup", plant: func(x tree) {
		other := tree{x.t, x.t.TempDir()}
		other.write("init", "#!/bin/sh\n")
		x.write("usr/lib/modules/6.12.1/initramfs.img", string(x.cpio(other)))
	}},
	{rule: "initramfs", want: "initramfs.img: it ends within an archive", plant: func(x tree) { x.write("usr/lib/modules/6.12.1/initramfs.img", "\x00\x0007") }},
	{rule: "install-config", want: "/usr/lib/bootc/install/00-x.toml", plant: func(x tree) {
		x.write("usr/lib/bootc/install/00-x.toml", "[install.filesystem.root]\ntype = 'reiserfs'\n")
	}},
	{rule: "kernel", want: "6.12.1, 6.12.2", plant: func(x tree) { x.write("usr/lib/modules/6.12.2/vmlinuz", "kernel") }},
	{rule: "kernel", want: "/boot/EFI/Linux/a.efi", plant: func(x tree) { x.write("boot/EFI/Linux/a.efi", "MZ") }},
	{rule: "machine-id", want: "that of one machine", plant: func(x tree) { x.write("etc/machine-id", "0123456789abcdef0123456789abcdef\n") }},
	{rule: "machine-secrets", want: "  /etc/ssh/ssh_host_rsa_key\n  /var/lib/systemd/random-seed\n", plant: func(x tree) {
		x.write("etc/ssh/ssh_host_rsa_key", "x")
		x.write("etc/ssh/ssh_host_rsa_key.pub", "x")
		x.write("var/lib/systemd/random-seed", "x")
	}},
	{rule: "nonempty-boot", want: "Found non-empty /boot:\n  'a b'\n  vmlinuz-6.12.1\n", plant: func(x tree) { x.write("boot/a b", ""); x.write("boot/vmlinuz-6.12.1", "") }},
	{rule: "nonempty-boot", want: "Missing /boot directory", plant: func(x tree) { x.remove("boot") }},
	{rule: "nonempty-run-tmp", want: "Found content in runtime-only directories (/run, /tmp):\n  /run/systemd\n  /run/systemd/x\n  /tmp/y\n", plant: func(x tree) {
		x.write("run/systemd/resolve/stub-resolv.conf", "x")
		x.write("run/systemd/x", "")
		x.write("tmp/y", "")
	}},
	{rule: "package-database", want: "  /var/lib/dpkg\n", plant: func(x tree) { x.write("var/lib/dpkg/status", "") }},
	{rule: "selinux-policy", want: "targeted", plant: func(x tree) { x.write("etc/selinux/config", "SELINUX=enforcing\nSELINUXTYPE=targeted\n") }},
	{rule: "signature-policy", want: "Missing /etc/containers/policy.json", plant: func(x tree) { x.remove("etc/containers") }},
	{rule: "signature-policy", want: "/etc/containers/policy.json has no default", plant: func(x tree) { x.write("etc/containers/policy.json", "{}") }},
	{rule: "sysusers", want: "Found /etc/passwd entry without corresponding systemd sysusers.d:\n  bob\nFound /etc/group entry without corresponding systemd sysusers.d:\n  bob\n  fans\n", plant: func(x tree) {
		x.write("etc/passwd", "bob:x:1000:1000::/:/bin/sh\n")
		x.write("etc/group", "fans:x:7:bob\nbob:x:1000:\n")
	}},
	{rule: "utf8", want: `/usr: Found non-utf8 filename "x\xff"`, plant: func(x tree) { x.write("usr/x\xff", "") }},
	{rule: "utf8", want: "/usr/y: Found non-utf8 symlink target", plant: func(x tree) { x.link("\xff", "usr/y") }},
	{rule: "var-log", want: "Found non-empty logfiles:\n  /var/log/a/b\n", plant: func(x tree) { x.write("var/log/a/b", "text"); x.write("var/log/empty", "") }},
	{rule: "var-run", want: "Not a symlink: var/run", plant: func(x tree) { x.remove("var/run"); x.mkdir("var/run") }},
	{rule: "var-tmpfiles", want: "Found content in /var missing systemd tmpfiles.d entries:\n  L /var/lib/here - - - - /run/x\\x20y\n  d /var/lib/app 0755 4242 _app - -\n" +
		"Found non-directory/non-symlink files in /var:\n  var/lib/app/data\n", plant: func(x tree) {
		x.write("var/lib/app/data", "x")
		x.link("/var/run/x y", "var/lib/here")
		if err := os.Chown(x.path("var/lib/app"), 4242, 990); err != nil {
			x.t.Fatal(err)
		}
	}},
}

func TestEveryRuleFinds(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, v := range violations {
		seen[v.rule] = true
		x := clean(t)
		v.plant(x)
		r := lintTree(t, x, Options{RootType: v.root})
		var text bytes.Buffer
		if err := r.Write(&text); err != nil {
			t.Fatal(err)
		}
		if i := slices.IndexFunc(r.Findings, func(f Finding) bool { return f.Rule.Name == v.rule }); i < 0 || !strings.Contains(r.Findings[i].Message, v.want) {
			t.Errorf("%s: want %q in\n%s", v.rule, v.want, &text)
		}
		r = lintTree(t, x, Options{RootType: v.root, Skip: []string{v.rule}})
		if slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Rule.Name == v.rule }) || r.Skipped != 2 {
			t.Errorf("%s: skipped, but %+v", v.rule, r)
		}
	}
	for _, rule := range Rules() {
		if !seen[rule.Name] {
			t.Errorf("%s: nothing is planted for it", rule.Name)
		}
	}
}

// TestNoFalseAlarm has what looks like a violation and is none.
func TestNoFalseAlarm(t *testing.T) {
	t.Parallel()
	x := clean(t)
	x.remove("ostree")
	x.remove("var/run")
	x.write(prepareRoot, "[composefs]\nenabled = maybe\n")
	x.write("usr/share/containers/systemd/a.image", "[Image]\nImage=quay.io/acme/a:1\n")
	x.link("/usr/share/containers/systemd/a.image", "usr/lib/bootc/bound-images.d/a.image")
	x.mkdir("boot/EFI/Linux", "usr/lib/modules/6.12.2/kernel", "etc/tmpfiles.d")
	x.write("run/systemd/resolve/stub-resolv.conf", "")
	x.write("usr/lib/sysimage/dpkg/status", "")
	x.link("../../usr/lib/sysimage/dpkg", "var/lib/dpkg")
	x.write("etc/tmpfiles.d/b.conf", "L \"/var/lib/\\x64pkg\" - - - - x\nd /nowhere/there\nd /home/x\nbroken\n")
	x.mkdir("var/home/x") // by the line about /home/x, for /home is a link
	x.write("etc/machine-id", "uninitialized\n")
	x.write("etc/hostname", "")
	x.write("etc/fstab", "UUID=x /boot ext4 defaults 0 2\n")
	if r := lintTree(t, x, Options{}); len(r.Findings) != 0 {
		t.Errorf("%+v", r.Findings)
	}
}

// TestHostileRoot has links that lead out of the root, pipes that nobody writes to, and
// names that would control a terminal.
func TestHostileRoot(t *testing.T) {
	t.Parallel()
	x := clean(t)
	outside := tree{t, t.TempDir()}
	outside.write("dpkg/status", "x")
	outside.write("passwd", "outside:x:0:0:::\n")
	x.link(outside.path("dpkg"), "var/lib/dpkg")
	x.remove("etc/passwd")
	x.link("../../../../../../../../.."+outside.path("passwd"), "etc/passwd")
	x.write("tmp/\x1b[2J\n'\\", "")
	if err := unix.Mkfifo(x.path("etc/machine-id"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(x.path("usr/lib/sysusers.d/b.conf"), 0o644); err != nil {
		t.Fatal(err)
	}
	x.link("loop", "usr/lib/tmpfiles.d/loop")
	x.link("loop", "usr/lib/tmpfiles.d/loop.conf")
	var text bytes.Buffer
	if err := lintTree(t, x, Options{}).Write(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`$'/tmp/\x1b[2J\x0a\'\\'`, "/etc/machine-id is no regular file"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %s in\n%s", want, &text)
		}
	}
	if strings.Contains(text.String(), "outside") || strings.Contains(text.String(), "package-database") || strings.ContainsRune(text.String(), 0x1b) {
		t.Errorf("%q", &text)
	}
}

// TestMountsAreNotEntered mounts a file system over a directory, a directory of the
// same file system over another, and a file over a file.
func TestMountsAreNotEntered(t *testing.T) {
	t.Parallel()
	x := clean(t)
	x.mkdir("run/secrets", "tmp/bound", "usr/lib/over")
	x.write("run/.containerenv", "")
	outside := tree{t, t.TempDir()}
	outside.write("x\xff", "text")
	mount := func(source, target, kind string, flags uintptr) {
		if err := unix.Mount(source, x.path(target), kind, flags, ""); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = unix.Unmount(x.path(target), unix.MNT_DETACH) })
	}
	mount("tmpfs", "run/secrets", "tmpfs", 0)
	mount(outside.dir, "tmp/bound", "", unix.MS_BIND)
	mount(outside.dir, "usr/lib/over", "", unix.MS_BIND)
	mount(outside.path("x\xff"), "run/.containerenv", "", unix.MS_BIND)
	x.write("run/secrets/key", "x")
	if r := lintTree(t, x, Options{}); len(r.Findings) != 0 {
		t.Errorf("%+v", r.Findings)
	}
}

func TestOutput(t *testing.T) {
	t.Parallel()
	x := clean(t)
	x.remove("sys")
	for _, name := range []string{"1", "2", "3", "4", "5", "6", "7"} {
		x.write("var/log/"+name, "x")
	}
	x.write("usr/lib/tmpfiles.d/b.conf", "d /var/log\nf /var/log/1\nf /var/log/2\nf /var/log/3\nf /var/log/4\nf /var/log/5\nf /var/log/6\nf /var/log/7\n")
	r := lintTree(t, x, Options{Skip: []string{"machine-id"}})
	var text bytes.Buffer
	if err := r.Write(&text); err != nil {
		t.Fatal(err)
	}
	// By hand, from what upstream prints.
	want := `Failed lint: api-base-directories: Missing API filesystem base directory: /sys
Lint warning: var-log: Found non-empty logfiles:
  /var/log/1
  /var/log/2
  /var/log/3
  /var/log/4
  /var/log/5
  ...and 2 more

Checks passed: 22
Checks skipped: 2
Warnings: 1
`
	if text.String() != want {
		t.Errorf("%s", &text)
	}
	if r.Failed(false) != 1 || r.Failed(true) != 2 {
		t.Errorf("%d and %d failed", r.Failed(false), r.Failed(true))
	}
	r = lintTree(t, x, Options{NoTruncate: true})
	text.Reset()
	if err := r.Write(&text); err != nil || !strings.Contains(text.String(), "/var/log/7\n") || strings.Contains(text.String(), "...and") {
		t.Errorf("%s, %v", &text, err)
	}
}

// upstream has these rules, see its manual page bootc-container-lint(8).
var upstream = map[string]string{
	"var-run": "fatal", "etc-usretc": "fatal", "bootc-kargs": "fatal", "kernel": "fatal", "utf8": "fatal",
	"api-base-directories": "fatal", "baseimage-root": "fatal", "buildah-injected": "warning", "baseimage-composefs": "warning",
	"var-log": "warning", "var-tmpfiles": "warning", "sysusers": "warning", "nonempty-boot": "warning", "nonempty-run-tmp": "warning",
}

func TestList(t *testing.T) {
	t.Parallel()
	var text bytes.Buffer
	if err := WriteList(&text, Rules()); err != nil {
		t.Fatal(err)
	}
	var list []struct {
		Name, Type, Description string
		RootType                string `json:"root-type"`
	}
	if err := yaml.UnmarshalStrict(text.Bytes(), &list); err != nil {
		t.Fatalf("%v\n%s", err, &text)
	}
	types := map[string]string{}
	for i, r := range list {
		types[r.Name] = r.Type
		if want := Rules()[i]; r.Description != want.Description || r.RootType != string(want.RootType) || r.Type != string(want.Type) {
			t.Errorf("%+v, want %+v", r, want)
		}
	}
	for name, kind := range upstream {
		if types[name] != kind {
			t.Errorf("%s is %q, upstream's is %q", name, types[name], kind)
		}
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	if _, err := Run(filepath.Join(t.TempDir(), "nowhere"), Options{}); err == nil || !strings.Contains(err.Error(), "nowhere") {
		t.Errorf("no root: %v", err)
	}
}

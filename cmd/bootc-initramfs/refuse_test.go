package main

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func sorted(s []string) []string {
	s = slices.Clone(s)
	slices.Sort(s)
	return s
}

// TestRefuse breaks a host in one way after the other. The message names what is
// wrong and the hint says what to do, and the disk stays where it was.
func TestRefuse(t *testing.T) {
	t.Parallel()
	const previous = "choose the other entry"
	for _, test := range []struct {
		name   string
		damage func(t *testing.T, h *host)
		want   string // ID is the deployment
		hint   string
	}{
		{"no repository", func(t *testing.T, h *host) { check(t, os.RemoveAll(h.disk+"/composefs")) }, "no composefs repository on the root file system: open composefs: no such file or directory", "root= on the kernel command line"},
		{"no image", func(t *testing.T, h *host) { check(t, os.RemoveAll(h.disk+"/composefs/images/"+h.id.String())) }, "the repository has no image ID: this deployment was deleted", previous},
		{"image lost", func(t *testing.T, h *host) { check(t, os.Remove(h.disk+"/composefs/objects/"+h.id.ObjectPath())) }, "the image's object composefs/objects/OBJECT is missing", "cfs fsck --repair"},
		{"image empty", func(t *testing.T, h *host) { write(t, h.disk+"/composefs/objects/"+h.id.ObjectPath(), "") }, "no EROFS superblock: not a composefs image", "cfs fsck --repair"},
		{"init lost", func(t *testing.T, h *host) { check(t, os.Remove(h.object())) }, "/sbin/init is in the image but cannot be read, its object in composefs/objects is missing or damaged: ", "cfs fsck --repair"},
		{"no objects", func(t *testing.T, h *host) { check(t, os.Rename(h.disk+"/composefs/objects", h.disk+"/composefs/o")) }, "the image's object composefs/objects/OBJECT is missing", "cfs fsck --repair"},
		{"no etc", func(t *testing.T, h *host) { check(t, os.RemoveAll(h.disk+"/state/deploy/"+h.id.String()+"/etc")) }, "no directory state/deploy/ID/etc on the root file system: the deployment was not written whole, or deleted", previous},
		{"no var", func(t *testing.T, h *host) { check(t, os.RemoveAll(h.disk+"/state/os")) }, "no directory state/deploy/ID/var on the root file system", previous},
		{"var elsewhere", func(t *testing.T, h *host) {
			link := h.disk + "/state/deploy/" + h.id.String() + "/var"
			check(t, os.Remove(link))
			check(t, os.Symlink("../../../../../../../../../../../etc", link))
		}, "no directory state/deploy/ID/var on the root file system", previous},
		{"no disk", func(t *testing.T, h *host) {
			check(t, unix.Unmount(h.sysroot, 0))
			check(t, os.Remove(h.sysroot))
		}, "/sysroot: no such file or directory", "root= on the kernel"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t)
			test.damage(t, h)
			h.refuses(t, "composefs=?"+h.id.String(), "", test.want, test.hint)
		})
	}
}

// refuses runs the program, which must fail so, and leave everything in place.
func (h *host) refuses(t *testing.T, cmdline, config, want, hint string) {
	t.Helper()
	before, run := mounts(t, h.sysroot), mounts(t, h.runDir+"/.bootc-root-")
	status, out := h.run(t, cmdline, config)
	text := strings.NewReplacer("OBJECT", h.id.ObjectPath(), "ID", h.id.String()).Replace(want)
	if status != 1 || !strings.Contains(out, text) || !strings.HasPrefix(out, "bootc: cannot set up the root file system: ") {
		t.Errorf("exit status %d, want %q:\n%s", status, text, out)
	}
	if !strings.Contains(out, "\nbootc: hint: "+hint) && !strings.Contains(out, hint) {
		t.Errorf("the hint is not %q:\n%s", hint, out)
	}
	if diff := cmp.Diff(before, mounts(t, h.sysroot)); diff != "" {
		t.Errorf("mounts (- before, + after):\n%s", diff)
	}
	if diff := cmp.Diff(run, mounts(t, h.runDir+"/.bootc-root-")); diff != "" {
		t.Errorf("left behind (- before, + after):\n%s", diff)
	}
}

func TestRefuseCommandLine(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	for _, test := range []struct{ cmdline, want, hint string }{
		{"quiet", "no composefs= argument on the kernel command line", "press e"},
		{"composefs=12", `"composefs=12": "12" is no fs-verity digest`, "press e"},
		{"composefs=?" + strings.Repeat("a", 128), "the repository has no image " + strings.Repeat("a", 128), "choose the other entry"},
		{"composefs=" + h.id.String(), "image ID must have fs-verity: cannot measure", "by writing composefs=? for composefs="},
		{"composefs.digest=v1-sha256-12:" + h.id.String(), "image ID must have fs-verity: cannot measure", "by writing composefs=?"},
	} {
		h.refuses(t, test.cmdline, "", test.want, test.hint)
	}
}

func TestRefuseConfig(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	for _, test := range []struct{ config, want string }{
		{"[etc]\nmount = 'loop'", `setup-root-conf.toml: etc: unknown mount "loop": want none, bind, overlay or transient`},
		{"[etc\n", "setup-root-conf.toml:1:5: "},
		{"[var]\nmount = 'tmpfs'", `setup-root-conf.toml: var: unknown mount "tmpfs"`},
		{"[root]\ntransient = 1", "setup-root-conf.toml:2:13: "},
	} {
		h.refuses(t, "composefs=?"+h.id.String(), test.config, test.want, "the image's configuration is wrong")
	}
}

// TestUnknownKey warns, for the next version of the image may know more.
func TestUnknownKey(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	status, out := h.run(t, "composefs=?"+h.id.String(), "[root]\nsoft = true\n[etc]\nmount = 'none'\n[usr]\nmount = 'x'")
	if status != 0 || !strings.Contains(out, "setup-root-conf.toml:2: unknown root.soft is ignored\n") || !strings.Contains(out, "setup-root-conf.toml:5: unknown usr is ignored\n") {
		t.Errorf("exit status %d:\n%s", status, out)
	}
	if got := read(t, h.sysroot+"/etc/default"); got != "of the image" {
		t.Errorf("the rest is not heeded: %s", got)
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		args   []string
		status int
		want   string
	}{
		{nil, 2, "bootc: want the command setup-root\n"},
		{[]string{"setup"}, 2, "bootc: want the command setup-root\n"},
		{[]string{"setup-root", "more"}, 2, "bootc: unexpected argument \"more\"\n"},
		{[]string{"setup-root", "--no"}, 2, "bootc: flag provided but not defined: -no\n"},
	} {
		var out strings.Builder
		if status := run(test.args, &out); status != test.status || !strings.HasSuffix(out.String(), test.want) {
			t.Errorf("%q: exit status %d:\n%s", test.args, status, out.String())
		}
	}
	var out strings.Builder
	if status := run([]string{"setup-root", "--help"}, &out); status != 0 || !strings.Contains(out.String(), "-sysroot directory") {
		t.Errorf("exit status %d:\n%s", status, out.String())
	}
}

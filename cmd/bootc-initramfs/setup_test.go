package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// TestSetupRoot sets up the root in all modes, and looks at what is mounted and where
// writing ends up.
func TestSetupRoot(t *testing.T) {
	t.Parallel()
	const none = ""
	for _, test := range []struct {
		name, cmdline, config string
		root                  string   // source and access of the root
		mounts                []string // below it, besides /sysroot
		wrote                 map[string]string
	}{
		{
			"defaults", "", "", "composefs:ID ro",
			[]string{"/etc test rw", "/var test rw"},
			map[string]string{"/etc": "/state/deploy/ID/etc", "/var": "/state/os/default/var"},
		},
		{
			"said in full", "", "[root]\ntransient = false\n[etc]\nmount = 'bind'\n[var]\nmount = 'bind'", "composefs:ID ro",
			[]string{"/etc test rw", "/var test rw"},
			map[string]string{"/etc": "/state/deploy/ID/etc", "/var": "/state/os/default/var"},
		},
		{
			"overlay", "", "[etc]\nmount = 'overlay'", "composefs:ID ro",
			[]string{"/etc overlay rw", "/var test rw"},
			map[string]string{"/etc": "/state/deploy/ID/etc/upper"},
		},
		{
			"transient", "", "[etc]\ntransient = true\n[var]\nmount = 'volatile'", "composefs:ID ro",
			[]string{"/etc transient rw", "/var transient rw"},
			map[string]string{"/etc": none, "/var": none},
		},
		{
			"part of the root", "", "[etc]\nmount = 'none'\n[var]\nmount = 'root'", "composefs:ID ro",
			nil, nil,
		},
		{
			"transient root", "", "[root]\ntransient = true\n[etc]\nmount = 'none'", "transient:composefs=ID rw",
			[]string{"/var test rw"},
			map[string]string{"": none, "/etc": none, "/usr": none, "/var": "/state/os/default/var"},
		},
		{
			"transient root and etc", "", "[root]\ntransient = true\n[etc]\nmount = 'transient'", "transient:composefs=ID rw",
			[]string{"/etc transient rw", "/var test rw"},
			map[string]string{"": none, "/usr": none, "/etc": none},
		},
		{
			"volatile state", "systemd.volatile=state", "", "composefs:ID ro",
			[]string{"/etc test rw"},
			nil,
		},
		{
			"volatile overlay", "systemd.volatile=overlay", "", "composefs:ID ro",
			[]string{"/etc test rw"},
			nil,
		},
		{
			"volatile, but", "systemd.volatile=state", "[var]\nmount = 'bind'", "composefs:ID ro",
			[]string{"/etc test rw", "/var test rw"},
			nil,
		},
		{
			"systemd mounts /var", "quiet systemd.mount-extra=UUID=1:/boot:ext4:ro systemd.mount-extra=UUID=2:/var:xfs", "[var]\nmount = 'bind'", "composefs:ID ro",
			[]string{"/etc test rw"},
			map[string]string{"/etc": "/state/deploy/ID/etc"},
		},
		{
			"transient all the same", "systemd.mount-extra=UUID=2:/var:xfs", "[var]\nmount = 'transient'", "composefs:ID ro",
			[]string{"/etc test rw", "/var transient rw"},
			map[string]string{"/var": none},
		},
		{
			"on demand only", "systemd.mount-extra=UUID=2:/var:xfs:noauto", "", "composefs:ID ro",
			[]string{"/etc test rw", "/var test rw"},
			map[string]string{"/var": "/state/os/default/var"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t)
			h.boot(t, test.cmdline, test.config)
			named := func(s string) string { return strings.ReplaceAll(s, "ID", h.id.String()) }
			want := append([]string{named(test.root), "/sysroot test ro"}, test.mounts...)
			if diff := cmp.Diff(sorted(want), sorted(mounts(t, h.sysroot))); diff != "" {
				t.Errorf("mounts (- want, + got):\n%s", diff)
			}
			for dir, place := range test.wrote {
				write(t, h.sysroot+dir+"/new", dir)
				if place != none {
					if got := read(t, h.disk+named(place)+"/new"); got != dir {
						t.Errorf("what was written to %s: %s", dir, got)
					}
				}
			}
			checkSystem(t, h, test.wrote)
		})
	}
}

// checkSystem looks at what is the same in all modes.
func checkSystem(t *testing.T, h *host, wrote map[string]string) {
	t.Helper()
	if got := read(t, h.sysroot+"/usr/lib/program"); !strings.HasPrefix(got, "a program") {
		t.Errorf("a file of the image: %.100s", got)
	}
	if st, err := os.Stat(h.sysroot); err != nil || st.Mode().Perm() != 0o755 {
		t.Errorf("the root directory: %v, %v", st.Mode(), err)
	}
	if got := read(t, h.sysroot+"/sysroot/state/os/default/var/data"); got != "of the host" {
		t.Errorf("the disk: %s", got)
	}
	for _, dir := range []string{"", "/usr", "/etc", "/var", "/sysroot"} {
		if _, ok := wrote[dir]; ok || dir == "/etc" || dir == "/var" {
			continue
		}
		if err := os.WriteFile(h.sysroot+dir+"/new", nil, 0o600); !errors.Is(err, unix.EROFS) {
			t.Errorf("writing to %q: %v", dir, err)
		}
	}
	// Nothing lies hidden below the new root, which would keep the disk busy.
	check(t, unix.Unmount(h.sysroot, unix.MNT_DETACH))
	if left := mounts(t, h.sysroot); len(left) > 0 {
		t.Errorf("below the new root: %q", left)
	}
}

// TestEtc says what is seen in /etc.
func TestEtc(t *testing.T) {
	t.Parallel()
	for mount, want := range map[string][]string{
		"bind":      {"local"},
		"none":      {"default"},
		"transient": {"default"},
		"overlay":   {"default"},
	} {
		t.Run(mount, func(t *testing.T) {
			t.Parallel()
			h := newHost(t)
			h.boot(t, "", "[etc]\nmount = '"+mount+"'")
			entries, err := os.ReadDir(h.sysroot + "/etc")
			check(t, err)
			var got []string
			for _, e := range entries {
				got = append(got, e.Name())
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("- want, + got:\n%s", diff)
			}
			st, err := os.Stat(h.sysroot + "/etc")
			check(t, err)
			if mode := st.Mode().Perm(); mount != "bind" && mode != 0o751 {
				t.Errorf("mode %o", mode)
			}
		})
	}
}

// TestFstab leaves /var to systemd if a line of the deployment's /etc/fstab is about it,
// and bears with what is no fstab.
func TestFstab(t *testing.T) {
	t.Parallel()
	const line = "UUID=1 / ext4 ro 0 0\n/dev/vdb /var ext4 defaults 0 2\n"
	bound, left := []string{"/etc test rw", "/var test rw"}, []string{"/etc test rw"}
	for _, test := range []struct {
		name, cmdline string
		prepare       func(t *testing.T, etc string)
		want          []string
		warning       string
	}{
		{"line", "", func(t *testing.T, etc string) { write(t, etc+"/fstab", line) }, left, ""},
		{"none", "", func(t *testing.T, etc string) { write(t, etc+"/fstab", "/dev/vdb /srv ext4 defaults 0 2\n") }, bound, ""},
		{"ignored by systemd", "fstab=no", func(t *testing.T, etc string) { write(t, etc+"/fstab", line) }, bound, ""},
		{"link", "", func(t *testing.T, etc string) {
			write(t, etc+"/mine", line)
			check(t, os.Symlink("/etc/mine", etc+"/fstab"))
		}, left, ""},
		{"outside", "", func(t *testing.T, etc string) {
			name := t.TempDir() + "/fstab"
			write(t, name, line)
			check(t, os.Symlink(name, etc+"/fstab"))
		}, bound, ""},
		{"pipe", "", func(t *testing.T, etc string) { check(t, unix.Mkfifo(etc+"/fstab", 0o600)) }, bound, "/etc/fstab is ignored: it is no regular file"},
		{"directory", "", func(t *testing.T, etc string) { check(t, os.Mkdir(etc+"/fstab", 0o700)) }, bound, "/etc/fstab is ignored: it is no regular file"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t)
			test.prepare(t, h.disk+"/state/deploy/"+h.id.String()+"/etc")
			status, out := h.run(t, "composefs=?"+h.id.String()+" "+test.cmdline, "")
			if status != 0 || !strings.Contains(out, test.warning) || test.warning == "" && out != "" {
				t.Fatalf("exit status %d:\n%s", status, out)
			}
			want := append([]string{"composefs:" + h.id.String() + " ro", "/sysroot test ro"}, test.want...)
			if diff := cmp.Diff(sorted(want), mounts(t, h.sysroot)); diff != "" {
				t.Errorf("mounts (- want, + got):\n%s", diff)
			}
		})
	}
}

// TestTarget mounts beside the disk, which stays where it is.
func TestTarget(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	target := filepath.Dir(h.disk) + "/target"
	check(t, os.Mkdir(target, 0o755))
	before := mounts(t, h.sysroot)
	h.boot(t, "", "", "--target", target)
	want := []string{"composefs:" + h.id.String() + " ro", "/etc test rw", "/sysroot test ro", "/var test rw"}
	if diff := cmp.Diff(sorted(want), mounts(t, target)); diff != "" {
		t.Errorf("- want, + got:\n%s", diff)
	}
	if diff := cmp.Diff(before, mounts(t, h.sysroot)); diff != "" {
		t.Errorf("- before, + after:\n%s", diff)
	}
}

// TestReadOnlyDisk is what initramfs-tools does without "rw".
func TestReadOnlyDisk(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	check(t, unix.Mount("", h.sysroot, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""))
	h.boot(t, "ro", "")
	write(t, h.sysroot+"/etc/new", "")
	write(t, h.sysroot+"/var/new", "")
}

// TestBooted looks for the sign of a booted host: it is there once the root is set up.
func TestBooted(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	if status, _ := h.run(t, "composefs=?"+strings.Repeat("a", 128), ""); status == 0 {
		t.Fatal("set up something that is not there")
	}
	if _, err := os.Stat(h.runDir + "/ostree-booted"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after a failure: %v", err)
	}
	h.boot(t, "", "")
	if _, err := os.Stat(h.runDir + "/ostree-booted"); err != nil {
		t.Error(err)
	}
}

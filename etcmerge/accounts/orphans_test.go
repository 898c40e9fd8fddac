package accounts

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/internal/testtool"
)

func etcWith(t *testing.T, files map[string]string) (string, *os.File) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		mode := os.FileMode(0o644)
		if strings.Contains(name, "shadow") {
			mode = 0o640
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return dir, f
}

func TestDropOrphans(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name        string
		passwd      string // "-" for none
		usrlib      string
		shadow      string
		want        string
		wantDropped []string
	}{
		{"nothing to do", "root:x:0:0::/:\n", "", "root:*:1::::::\n", "root:*:1::::::\n", nil},
		{"orphan", "root:x:0:0::/:\n", "", "root:*:1::::::\nghost:!:1::::::\n", "root:*:1::::::\n", []string{"shadow: ghost"}},
		{"the first of two stays", "root:x:0:0::/:\na:x:1:1::/:\n", "", "a:one:\nroot:*:\na:two:\n", "a:one:\nroot:*:\n", []string{"shadow: a"}},
		{"known elsewhere", "root:x:0:0::/:\n", "alt:x:9:9::/:\n", "root:*:\nalt:!:\n", "root:*:\nalt:!:\n", nil},
		{"not ours", "root:x:0:0::/:\n", "", "# note: this\n+::\n-gone:\n\nnonsense\nroot:*:", "# note: this\n+::\n-gone:\n\nnonsense\nroot:*:", nil},
		{"no passwd", "-", "", "ghost:!:\n", "ghost:!:\n", nil},
		{"empty passwd", "", "other:x:1:1::/:\n", "ghost:!:\n", "ghost:!:\n", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			files := map[string]string{"shadow": tt.shadow}
			if tt.passwd != "-" {
				files["passwd"] = tt.passwd
			}
			dir, etc := etcWith(t, files)
			_, usrlib := etcWith(t, map[string]string{"passwd": tt.usrlib})
			dropped, err := DropOrphans(etc, usrlib)
			if err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(filepath.Join(dir, "shadow"))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, string(got)); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(tt.wantDropped, dropped); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// The file keeps what it is besides its content, and a second run writes nothing.
func TestDropOrphansKeepsAttributes(t *testing.T) {
	t.Parallel()
	dir, etc := etcWith(t, map[string]string{"group": "root:x:0:\n", "gshadow": "root:*::\nghost:!::\n"})
	name := filepath.Join(dir, "gshadow")
	if err := os.Chown(name, 0, 42); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setxattr(name, "security.selinux", []byte("system_u:object_r:shadow_t:s0\x00"), 0); err != nil {
		t.Fatal(err)
	}
	var inode uint64
	for run := range 2 {
		dropped, err := DropOrphans(etc, nil)
		if err != nil || len(dropped) != 1-run {
			t.Fatalf("run %d: %q, %v", run, dropped, err)
		}
		fi, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		st, ok := fi.Sys().(*syscall.Stat_t)
		if !ok || fi.Mode() != 0o640 || st.Gid != 42 {
			t.Errorf("run %d: %v", run, fi)
		}
		if run == 1 && st.Ino != inode {
			t.Error("written for nothing")
		}
		inode = st.Ino
		label := make([]byte, 100)
		n, err := unix.Getxattr(name, "security.selinux", label)
		if err != nil || string(label[:n]) != "system_u:object_r:shadow_t:s0\x00" {
			t.Errorf("label %q, %v", label[:max(n, 0)], err)
		}
	}
}

// pwck and grpck, of the package that passwd(1) is from, see the same orphans, and none
// afterwards. systemd-sysusers makes the user then.
func TestDropOrphansIsPwcks(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for name, text := range map[string]string{
		"etc/passwd": "root:x:0:0:root:/:/bin/sh\n", "etc/shadow": "root:*:19000::::::\n_svc:!*:19000::::::\nroot:*:19000::::::\n",
		"etc/group": "root:x:0:\n", "etc/gshadow": "root:*::\n_svc:!*::\n",
		"usr/lib/sysusers.d/svc.conf": "u _svc 700 \"a service\"\n",
	} {
		if err := os.MkdirAll(filepath.Join(root, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	check := func(tool, main, secret string) error {
		out, err := exec.Command(testtool.Path(t, tool), "-r", filepath.Join(root, main), filepath.Join(root, secret)).CombinedOutput()
		t.Logf("%s: %s", tool, out)
		return err
	}
	if check("pwck", "etc/passwd", "etc/shadow") == nil || check("grpck", "etc/group", "etc/gshadow") == nil {
		t.Fatal("the tools see no orphans")
	}
	etc, err := os.Open(filepath.Join(root, "etc"))
	if err != nil {
		t.Fatal(err)
	}
	defer etc.Close()
	if _, err := DropOrphans(etc, nil); err != nil {
		t.Fatal(err)
	}
	if err := check("pwck", "etc/passwd", "etc/shadow"); err != nil {
		t.Error(err)
	}
	if err := check("grpck", "etc/group", "etc/gshadow"); err != nil {
		t.Error(err)
	}
	if out, err := exec.Command(testtool.Path(t, "systemd-sysusers"), "--root="+root).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	got, err := os.ReadFile(filepath.Join(root, "etc/passwd"))
	if err != nil || !strings.Contains(string(got), "_svc:x:700:700:a service") {
		t.Errorf("%s%v", got, err)
	}
}

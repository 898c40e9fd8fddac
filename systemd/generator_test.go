package systemd

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/internal/testtool"
)

const (
	plainRoot     = "29 1 0:25 / / ro - overlay composefs:ab ro\n"
	transientRoot = "29 1 0:25 / / rw - overlay transient:composefs=ab rw\n"
	transientEtc  = "30 29 0:26 / /etc rw - overlay transient rw\n"
	anaconda      = "# Created by anaconda on Tue\n"
)

func hostWith(t *testing.T, mountinfo string, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	all := map[string]string{"proc/self/mountinfo": mountinfo}
	maps.Copy(all, files)
	for name, text := range all {
		name = filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// files lists what is below dir; links with what they lead to.
func filesIn(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if target, lerr := os.Readlink(name); lerr == nil {
			rel += " -> " + target
		}
		out = append(out, rel)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestGenerate(t *testing.T) {
	t.Parallel()
	always := []string{
		"multi-user.target.wants/bootc-status-updated-onboot.target -> /usr/lib/systemd/system/bootc-status-updated-onboot.target",
		"multi-user.target.wants/bootc-status-updated.path -> /usr/lib/systemd/system/bootc-status-updated.path",
		"sysinit.target.wants/bootc-sysusers-shadow-sync.service -> /usr/lib/systemd/system/bootc-sysusers-shadow-sync.service",
	}
	fstab := []string{"bootc-fstab-edit.service", "local-fs-pre.target.wants/bootc-fstab-edit.service -> ../bootc-fstab-edit.service"}
	relabel := []string{"bootc-early-overlay-relabel.service", "sysinit.target.wants/bootc-early-overlay-relabel.service -> ../bootc-early-overlay-relabel.service"}
	tests := []struct {
		name  string
		table string
		files map[string]string
		want  [][]string
	}{
		{"no deployment", "29 1 8:2 / / rw - ext4 /dev/sda2 rw\n", map[string]string{"etc/fstab": anaconda + "UUID=x / xfs defaults 0 0\n"}, nil},
		{"deployment", plainRoot, nil, [][]string{always}},
		{"cleanup", plainRoot, map[string]string{cleanupMark: ""}, [][]string{always, {"multi-user.target.wants/bootc-destructive-cleanup.service -> /usr/lib/systemd/system/bootc-destructive-cleanup.service"}}},
		{"fstab of Anaconda", plainRoot, map[string]string{"etc/fstab": anaconda + "UUID=x / xfs defaults 0 0\n"}, [][]string{always, fstab}},
		{"fstab of Anaconda, done", plainRoot, map[string]string{"etc/fstab": anaconda + editStamp + "\nUUID=x / xfs defaults 0 0\n"}, [][]string{always}},
		{"fstab of Anaconda, read-only", plainRoot, map[string]string{"etc/fstab": anaconda + "UUID=x / xfs ro 0 0\n"}, [][]string{always}},
		{"fstab of somebody", plainRoot, map[string]string{"etc/fstab": "UUID=x / xfs defaults 0 0\n"}, [][]string{always}},
		{"transient root", transientRoot, map[string]string{"etc/fstab": anaconda + "UUID=x / xfs defaults 0 0\n"}, [][]string{always, relabel}},
		{"transient /etc", plainRoot + transientEtc, nil, [][]string{always, relabel}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			root := hostWith(t, tt.table, tt.files)
			for range 2 { // systemctl daemon-reload
				if err := Generate(root, dir); err != nil {
					t.Fatal(err)
				}
			}
			want := map[string]bool{}
			for _, names := range tt.want {
				for _, n := range names {
					want[n] = true
				}
			}
			got := map[string]bool{}
			for _, n := range filesIn(t, dir) {
				got[n] = true
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// findmnt(8) reads what was written.
func TestFixFstab(t *testing.T) {
	t.Parallel()
	const boot, efi = "UUID=b /boot auto ro 0 0\n", "UUID=e  /boot/efi  vfat  umask=0077,shortname=winnt 0 2\n"
	root := hostWith(t, plainRoot, map[string]string{"etc/fstab": anaconda + boot + "UUID=r\t/                     xfs   defaults 0 0\n" + efi})
	etc, err := os.Open(filepath.Join(root, "etc"))
	if err != nil {
		t.Fatal(err)
	}
	defer etc.Close()
	for run := range 2 {
		changed, err := FixFstab(etc)
		if err != nil || changed != (run == 0) {
			t.Fatalf("run %d: %v, %v", run, changed, err)
		}
	}
	name := filepath.Join(root, "etc/fstab")
	got, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	want := anaconda + boot + "# Updated by bootc-fstab-edit.service\nUUID=r / xfs defaults,ro 0 0\n" + efi
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
	out, err := exec.Command(testtool.Path(t, "findmnt"), "--tab-file", name, "--noheadings", "--output", "OPTIONS", "/").Output()
	if err != nil || strings.TrimSpace(string(out)) != "defaults,ro" {
		t.Errorf("findmnt: %q, %v", out, err)
	}
}

func TestFixFstabWithout(t *testing.T) {
	t.Parallel()
	etc, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer etc.Close()
	if changed, err := FixFstab(etc); changed || err != nil {
		t.Error(changed, err)
	}
}

func TestRelabelOverlays(t *testing.T) {
	t.Parallel()
	policy := map[string]string{
		"etc/selinux/config": "SELINUXTYPE=default\n",
		"etc/selinux/default/contexts/files/file_contexts": "/.*\tsystem_u:object_r:default_t:s0\n/\tsystem_u:object_r:root_t:s0\n/etc\tsystem_u:object_r:etc_t:s0\n",
	}
	for _, tt := range []struct{ name, table, root, etc string }{
		{"both", transientRoot + transientEtc, "system_u:object_r:root_t:s0\x00", "system_u:object_r:etc_t:s0\x00"},
		{"etc", plainRoot + transientEtc, "", "system_u:object_r:etc_t:s0\x00"},
		{"none", plainRoot, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			root := hostWith(t, tt.table, policy)
			if _, err := RelabelOverlays(root); err != nil {
				t.Fatal(err)
			}
			for name, want := range map[string]string{"/": tt.root, "/etc": tt.etc, "/etc/selinux": ""} {
				buf := make([]byte, 100)
				n, err := unix.Getxattr(root+name, "security.selinux", buf)
				if err != nil {
					n = 0
				}
				if string(buf[:n]) != want {
					t.Errorf("%s has %q, want %q", name, buf[:n], want)
				}
			}
		})
	}
}

func TestRelabelOverlaysWithoutPolicy(t *testing.T) {
	t.Parallel()
	if done, err := RelabelOverlays(hostWith(t, transientRoot, nil)); len(done) > 0 || err != nil {
		t.Error(done, err)
	}
}

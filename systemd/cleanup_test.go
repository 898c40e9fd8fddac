package systemd

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// oldSystem is a root with a deployment over what debootstrap leaves.
func oldSystem(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for _, name := range []string{
		"composefs/objects/ab/cd", "state/deploy/ef/etc/hostname", "state/os/default/var/lib/data", "boot/bootc/vmlinuz", ".bootc-aleph.json",
		"usr/bin/bash", "usr/.hidden", "usr/local/bin/mine", "usr/lib/modules/1/vmlinuz",
		"etc/fstab", "etc/bootc-destructive-cleanup", "home/me/file", "root/file", "srv/file", "opt/file",
		"var/lib/dpkg/status", "var/lib/apt/lists/x", "var/lib/containers/storage/overlay/x", "var/lib/postgresql/x", "var/log/syslog", "tmp/x",
	} {
		name = filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range map[string]string{"bin": "usr/bin", "lib": "usr/lib", "vmlinuz": "boot/vmlinuz-6.1", "ostree": "sysroot/ostree"} {
		if err := os.Symlink(target, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func cleanup(root string) (string, error) {
	out, err := exec.Command("./destructive-cleanup", root).CombinedOutput()
	return string(out), err
}

func TestDestructiveCleanup(t *testing.T) {
	t.Parallel()
	root := oldSystem(t)
	if out, err := cleanup(root); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	want := []string{
		".bootc-aleph.json", "boot/bootc/vmlinuz", "composefs/objects/ab/cd", "etc/fstab", "home/me/file", "opt/file",
		"ostree -> sysroot/ostree", "root/file", "srv/file", "state/deploy/ef/etc/hostname", "state/os/default/var/lib/data",
		"usr/local/bin/mine", "var/lib/postgresql/x",
	}
	if diff := cmp.Diff(want, filesIn(t, root)); diff != "" {
		t.Error(diff)
	}
}

// Nothing is removed without the stamp, nor where there are no deployments.
func TestDestructiveCleanupRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		without string
		fails   bool
	}{{"etc/bootc-destructive-cleanup", false}, {"composefs", true}, {"state", true}} {
		root := oldSystem(t)
		if err := os.RemoveAll(filepath.Join(root, tt.without)); err != nil {
			t.Fatal(err)
		}
		want := filesIn(t, root)
		out, err := cleanup(root)
		if (err != nil) != tt.fails {
			t.Errorf("without %s: %v\n%s", tt.without, err, out)
		}
		if diff := cmp.Diff(want, filesIn(t, root)); diff != "" {
			t.Errorf("without %s: %s", tt.without, diff)
		}
	}
}

// A link in the place of a directory leads nowhere: what is outside stays.
func TestDestructiveCleanupFollowsNoLinks(t *testing.T) {
	t.Parallel()
	root, outside := oldSystem(t), t.TempDir()
	if err := os.MkdirAll(filepath.Join(outside, "dpkg"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"dpkg/precious", "precious"} {
		if err := os.WriteFile(filepath.Join(outside, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"var/lib", "usr", "tmp"} {
		if err := os.RemoveAll(filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(outside, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := cleanup(root); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if diff := cmp.Diff([]string{"dpkg/precious", "precious"}, filesIn(t, outside)); diff != "" {
		t.Error(diff)
	}
}

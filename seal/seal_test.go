package seal

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/internal/testtool"
)

// makeTree makes a directory of files, by name; a name that ends in a slash is a directory.
func makeTree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if strings.HasSuffix(name, "/") {
			path += "/x"
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, "/") {
			continue
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func osTree(t *testing.T) string {
	t.Helper()
	return makeTree(t, map[string]string{
		"usr/lib/modules/6.1/vmlinuz": "kernel", "usr/lib/modules/6.1/initramfs.img": "initramfs",
		"usr/bin/tool": "tool", "etc/conf": "conf", "tmp/left": "x", "var/tmp/left": "x", "var/lib/data": "data",
		"sysroot/ostree/repo": "x", "boot/": "", "usr/lib64/lib.so": "library",
		"etc/selinux/config": "SELINUXTYPE=small\n",
		"etc/selinux/small/contexts/files/file_contexts": "/.*\tsystem_u:object_r:default_t:s0\n/etc(/.*)?\tsystem_u:object_r:etc_t:s0\n" +
			"/usr/bin/.*\t--\tsystem_u:object_r:bin_t:s0\n/usr/bin/link\t-l\tsystem_u:object_r:link_t:s0\n/usr/lib/.*\\.so\tsystem_u:object_r:lib_t:s0\n" +
			"/usr/share/none\t<<none>>\n",
		"etc/selinux/small/contexts/files/file_contexts.subs_dist": "/usr/lib64 /usr/lib\n",
	})
}

// TestExport has GNU tar unpack what is exported, and compares the two directories.
func TestExport(t *testing.T) {
	t.Parallel()
	dir := osTree(t)
	for _, err := range []error{
		os.Symlink("/usr/bin/tool", dir+"/usr/bin/link"), os.Link(dir+"/etc/conf", dir+"/etc/same"),
		os.Chown(dir+"/etc/conf", 12, 34), os.Chmod(dir+"/usr/bin/tool", 0o4755),
		unix.Mkfifo(dir+"/usr/pipe", 0o600), unix.Mknod(dir+"/usr/null", unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))),
		unix.Setxattr(dir+"/usr/bin/tool", "security.capability", []byte("\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"), 0),
		os.Chtimes(dir+"/etc/conf", time.Unix(1700000000, 0), time.Unix(1700000000, 0)),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	var archive bytes.Buffer
	if err := Export(t.Context(), &archive, dir, ExportOptions{KernelInBoot: true}); err != nil {
		t.Fatal(err)
	}
	out := t.TempDir()
	unpack := exec.CommandContext(t.Context(), testtool.Path(t, "tar"), "-x", "--numeric-owner", "-p", "--xattrs", "--xattrs-include=*", "-C", out)
	unpack.Stdin = bytes.NewReader(archive.Bytes())
	if text, err := unpack.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	got := listing(t, out)
	want := slices.DeleteFunc(listing(t, dir), func(line string) bool {
		return strings.Contains(line, "/tmp") || strings.Contains(line, "/sysroot/ostree")
	})
	// By hand: what --kernel-in-boot adds.
	want = append(want, "/boot/grub2 d 755 0:0", "/boot/initramfs-6.1.img f 644 0:0 9", "/boot/vmlinuz-6.1 f 644 0:0 6")
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	a, err1 := os.Stat(out + "/etc/conf")
	b, err2 := os.Stat(out + "/etc/same")
	if err1 != nil || err2 != nil || !os.SameFile(a, b) || a.ModTime().Unix() != 1700000000 {
		t.Errorf("a hard link or its time is lost: %v, %v", err1, err2)
	}
	for name, label := range map[string]string{
		"etc": "etc_t", "etc/conf": "etc_t", "usr/bin/tool": "bin_t", "usr/bin/link": "link_t", "usr/lib64/lib.so": "lib_t", "var": "default_t",
	} {
		buf := make([]byte, 100)
		n, err := unix.Lgetxattr(filepath.Join(out, name), "security.selinux", buf)
		if err != nil || string(buf[:n]) != "system_u:object_r:"+label+":s0" {
			t.Errorf("%s: %q, %v", name, buf[:max(n, 0)], err)
		}
	}
	buf := make([]byte, 100)
	if n, err := unix.Lgetxattr(out+"/usr/bin/tool", "security.capability", buf); err != nil || n != 20 {
		t.Errorf("the capability is lost: %v", err)
	}
}

// listing describes what is below dir, with find.
func listing(t *testing.T, dir string) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), testtool.Path(t, "find"), ".", "-mindepth", "1",
		"(", "-type", "f", "-printf", "/%P f %m %U:%G %s\n", ")", "-o", "(", "-type", "l", "-printf", "/%P l %l\n", ")", "-o", "-printf", "/%P %y %m %U:%G\n")
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	slices.Sort(lines)
	return lines
}

func TestExportWithoutLabels(t *testing.T) {
	t.Parallel()
	dir := osTree(t)
	var archive bytes.Buffer
	if err := Export(t.Context(), &archive, dir, ExportOptions{NoSELinux: true}); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(archive.Bytes(), []byte("security.selinux")) || bytes.Contains(archive.Bytes(), []byte("boot/vmlinuz")) {
		t.Error("labels or a kernel")
	}
	if err := os.RemoveAll(dir + "/etc/selinux/small"); err != nil {
		t.Fatal(err)
	}
	if err := Export(t.Context(), &archive, dir, ExportOptions{}); err == nil || !strings.Contains(err.Error(), "small") {
		t.Errorf("a policy that is missing: %v", err)
	}
}

// TestSplitToAnotherFileSystem is a build whose output is a mount.
func TestSplitToAnotherFileSystem(t *testing.T) {
	t.Parallel()
	dir, out := osTree(t), t.TempDir()
	if err := unix.Mount("tmpfs", out, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(out, unix.MNT_DETACH) })
	if err := Split(dir, out+"/kernel"); err != nil {
		t.Fatal(err)
	}
	if got, want := listing(t, out+"/kernel"), []string{"/6.1 d 755 0:0", "/6.1/initramfs.img f 644 0:0 9", "/6.1/vmlinuz f 644 0:0 6"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if got := listing(t, dir+"/usr/lib/modules"); !slices.Equal(got, []string{"/6.1 d 755 0:0"}) {
		t.Errorf("%q is left", got)
	}
}

func TestSplitMovesNoLinks(t *testing.T) {
	t.Parallel()
	dir, out := osTree(t), t.TempDir()
	outside := makeTree(t, map[string]string{"secret": "secret"})
	initrd := dir + "/usr/lib/modules/6.1/initramfs.img"
	if err := os.Remove(initrd); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside+"/secret", initrd); err != nil {
		t.Fatal(err)
	}
	if err := Split(dir, out); err == nil || !strings.Contains(err.Error(), "initramfs.img is no regular file") {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(dir + "/usr/lib/modules/6.1/vmlinuz"); err != nil {
		t.Errorf("half of it was moved: %v", err)
	}
}

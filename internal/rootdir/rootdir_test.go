package rootdir

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

func open(t *testing.T, dir string) *Dir {
	t.Helper()
	d, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestIsAFileSystem uses a root as code that was written for io/fs does.
func TestIsAFileSystem(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir+"/a/c", "text")
	write(t, dir+"/a/b", "")
	var d fs.FS = open(t, dir)
	entries, err := fs.ReadDir(d, "a")
	if err != nil || len(entries) != 2 || entries[0].Name() != "b" || entries[1].IsDir() {
		t.Errorf("%v, %v", entries, err)
	}
	if text, err := fs.ReadFile(d, "a/c"); string(text) != "text" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
	if _, err := fs.Stat(d, "a/d"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
	if st, err := fs.Stat(d, "."); err != nil || !st.IsDir() {
		t.Errorf("%v, %v", st, err)
	}
	if _, ok := d.(fs.ReadLinkFS); !ok {
		t.Error("no links")
	}
}

func TestLinksStayInside(t *testing.T) {
	t.Parallel()
	dir, outside := t.TempDir(), t.TempDir()
	write(t, outside+"/secret", "secret")
	write(t, dir+"/etc/file", "inside")
	for name, target := range map[string]string{
		"absolute": "/etc/file", "up": "../../../../etc/file", "relative": "etc/file",
		"out": outside + "/secret", "out-dir": outside, "loop": "loop", "proc": "/proc/self/root",
	} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	d := open(t, dir)
	for _, name := range []string{"absolute", "up", "relative", "../../etc/file"} {
		if text, err := d.ReadFile(name, 100); string(text) != "inside" || err != nil {
			t.Errorf("%s: %q, %v", name, text, err)
		}
	}
	for _, name := range []string{"out", "out-dir/secret", "loop", "proc"} {
		if _, err := d.Open(name); err == nil {
			t.Errorf("%s: is open", name)
		}
	}
	if st, err := d.Lstat("loop"); err != nil || st.Mode().Type() != fs.ModeSymlink {
		t.Errorf("%v, %v", st, err)
	}
	if target, err := d.ReadLink("out"); err != nil || target != outside+"/secret" {
		t.Errorf("%q, %v", target, err)
	}
	if _, err := d.ReadPlainFile("relative", 100); !errors.Is(err, unix.ELOOP) {
		t.Errorf("a link is plain: %v", err)
	}
	if _, err := d.ReadFile("etc/file", 5); err == nil {
		t.Error("no limit")
	}
	if _, err := d.ReadFile("etc", 5); err == nil {
		t.Error("a directory is a file")
	}
}

func TestWalk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"b/2", "b/1/x", "a", "c/y\xff", "skipped/z", "mounted/m"} {
		write(t, filepath.Join(dir, name), "")
	}
	if err := os.Symlink("b", dir+"/link"); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount(dir+"/b", dir+"/mounted", "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir+"/mounted", unix.MNT_DETACH) })
	d := open(t, dir)
	walk := func(name string) (paths []string) {
		err := d.Walk(name, func(e *Entry) error {
			paths = append(paths, e.Path)
			if e.Name() == "skipped" {
				return fs.SkipDir
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		return paths
	}
	if got, want := walk("."), []string{"/a", "/b", "/b/1", "/b/1/x", "/b/2", "/c", "/c/y\xff", "/link", "/skipped"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := walk("b/1"), []string{"/b/1/x"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	for _, name := range []string{"link", "nowhere", "a", "mounted", "mounted/1"} {
		if got := walk(name); got != nil {
			t.Errorf("%s: %q", name, got)
		}
	}
	stop := errors.New("stop")
	if err := d.Walk(".", func(*Entry) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("%v", err)
	}
}

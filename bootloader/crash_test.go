package bootloader

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bootc-go/bootc/composefs/verity"
	"github.com/bootc-go/bootc/kargs"
)

// newTestLoader is a loader whose /boot and ESP are one empty directory.
func newTestLoader(t *testing.T, kind Kind) (*loader, string) {
	t.Helper()
	dir := t.TempDir()
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	l, err := New(kind, Files{Boot: f, ESP: f})
	if err != nil {
		t.Fatal(err)
	}
	ours, ok := l.(*loader)
	if !ok {
		t.Fatalf("New returned %T", l)
	}
	return ours, dir
}

func testEntry(name string) Entry {
	id := verity.Sum(verity.SHA512, []byte(name))
	root := kargs.Root{ID: id}
	return Entry{
		ID: id, Root: root, Title: name, Version: "13", OSID: "debian",
		Options: kargs.Line{root.Arg()}, Kernel: KernelName(id),
	}
}

func testKernel(name string) Kernel {
	open := func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("kernel of " + name)), nil }
	return Kernel{Name: testEntry(name).Kernel, Linux: open, Initrd: open}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// update is what an upgrade does, from the kernel to the switch.
func update(t *testing.T, l *loader, names ...string) error {
	var menu []Entry
	for _, name := range names {
		menu = append(menu, testEntry(name))
		if err := l.AddKernel(t.Context(), testKernel(name)); err != nil {
			return err
		}
	}
	return errors.Join(l.Stage(menu), l.Commit())
}

// cutAfter does the first n steps of the same, and says whether there are more.
func cutAfter(t *testing.T, l *loader, n int, names ...string) (more bool) {
	t.Helper()
	m, err := l.openMenus()
	must(t, err)
	defer m.Close()
	k, err := l.openKernel(testEntry(names[0]).Kernel)
	must(t, err)
	defer k.Close()
	var menu []Entry
	for _, name := range names {
		menu = append(menu, testEntry(name))
	}
	commit := func() []step {
		steps, err := m.commitSteps()
		must(t, err)
		return steps
	}
	for _, list := range []func() []step{
		func() []step { return k.steps(t.Context(), testKernel(names[0])) },
		func() []step { return m.stageSteps(menu) },
		commit,
	} {
		for _, s := range list() {
			if n--; n < 0 {
				return true
			}
			must(t, s.do())
		}
	}
	return false
}

// boots returns the titles of the live menu, after a look that its default has what it
// needs.
func boots(t *testing.T, l *loader, dir string) string {
	t.Helper()
	menu, err := l.Menu()
	must(t, err)
	if len(menu) == 0 {
		t.Fatal("nothing boots")
	}
	if _, err := os.Stat(filepath.Join(dir, l.linux.path, menu[0].Kernel, initrdFile)); err != nil {
		t.Fatal(err)
	}
	if l.grubCfg {
		grub, err := os.ReadFile(filepath.Join(dir, live, grubFile))
		must(t, err)
		if _, first, _ := bytes.Cut(grub, []byte("menuentry ")); !bytes.HasPrefix(first, []byte("'"+menu[0].Title+"'")) {
			t.Fatalf("%s is first in:\n%s", menu[0].Title, grub)
		}
	}
	return titles(menu)
}

func titles(menu []Entry) string {
	var all []string
	for _, e := range menu {
		all = append(all, e.Title)
	}
	return strings.Join(all, " ")
}

// Power may fail after any step: the old or the new menu boots, and the next update
// succeeds and leaves nothing behind.
func TestPowerCuts(t *testing.T) {
	t.Parallel()
	for _, kind := range []Kind{Systemd, GRUB, None} {
		old, next := 0, 0
		for n := 0; ; n++ {
			l, dir := newTestLoader(t, kind)
			must(t, update(t, l, "old"))
			must(t, update(t, l, "booted", "old"))
			more := cutAfter(t, l, n, "new", "booted")
			switch is := boots(t, l, dir); is {
			case "booted old":
				old++
				if next > 0 {
					t.Errorf("%s: old again after %d steps", kind, n)
				}
			case "new booted":
				next++
			default:
				t.Errorf("%s: after %d steps there is %q", kind, n, is)
			}
			staged, err := l.Staged()
			must(t, err)
			if is := titles(staged); is != "" && is != "new booted" {
				t.Errorf("%s: after %d steps %q is staged", kind, n, is)
			}
			wantFinish(t, l, dir, n)
			if !more {
				break
			}
		}
		if old < 8 || next < 2 {
			t.Errorf("%s: %d steps before the switch, %d behind it", kind, old, next)
		}
	}
}

// wantFinish has the next boot carry on after a power cut.
func wantFinish(t *testing.T, l *loader, dir string, n int) {
	t.Helper()
	was := boots(t, l, dir)
	_, leftover := os.Stat(filepath.Join(dir, staged))
	if err := l.Commit(); errors.Is(err, ErrNothingStaged) {
		if was == "new booted" && leftover == nil {
			t.Errorf("%d steps: Commit did not finish", n)
		}
		if is := boots(t, l, dir); is != was {
			t.Errorf("%d steps: Commit of nothing made %q of %q", n, is, was)
		}
	} else if is := boots(t, l, dir); err != nil || is != "new booted" {
		t.Errorf("%d steps: Commit: %v, boots %q", n, err, is)
	}
	must(t, update(t, l, "new", "booted"))
	_, err := l.Collect()
	must(t, err)
	if is := boots(t, l, dir); is != "new booted" {
		t.Errorf("%d steps: boots %q in the end", n, is)
	}
	names, err := l.kernels()
	must(t, err)
	want := []string{testEntry("new").Kernel, testEntry("booted").Kernel}
	slices.Sort(want)
	if d := cmp.Diff(want, names); d != "" {
		t.Errorf("%d steps: %s", n, d)
	}
	if d := cmp.Diff([]string{"entries"}, fileNamesIn(t, filepath.Join(dir, loaderDir))); d != "" {
		t.Errorf("%d steps: %s", n, d)
	}
}

func fileNamesIn(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// Within a step: half-written and half-removed directories are neither menus nor
// kernels, and in nobody's way.
func TestHalfWritten(t *testing.T) {
	t.Parallel()
	l, dir := newTestLoader(t, GRUB)
	must(t, update(t, l, "old"))
	must(t, l.AddKernel(t.Context(), testKernel("new")))
	must(t, l.Stage([]Entry{testEntry("new")}))
	must(t, os.Truncate(filepath.Join(dir, staged, generationFile), 0))
	must(t, os.Truncate(filepath.Join(dir, staged, grubFile), 3))
	kernel := filepath.Join(dir, testEntry("new").Kernel)
	must(t, os.Remove(filepath.Join(kernel, markerFile)))
	must(t, os.Truncate(filepath.Join(kernel, initrdFile), 2))

	if menu, err := l.Staged(); err != nil || menu != nil {
		t.Errorf("staged: %v, %v", titles(menu), err)
	}
	if err := l.Commit(); !errors.Is(err, ErrNothingStaged) {
		t.Errorf("Commit: %v", err)
	}
	if whole, err := l.HasKernel(testEntry("new").Kernel); err != nil || whole {
		t.Errorf("HasKernel: %v, %v", whole, err)
	}
	if err := l.Stage([]Entry{testEntry("new")}); err == nil {
		t.Error("staged a half-written kernel")
	}
	must(t, update(t, l, "new", "old"))
	if is := boots(t, l, dir); is != "new old" {
		t.Errorf("boots %q", is)
	}
	data, err := os.ReadFile(filepath.Join(kernel, initrdFile))
	if err != nil || string(data) != "kernel of new" {
		t.Errorf("initrd: %q, %v", data, err)
	}
}

// On FAT a power cut in the exchange can leave both names for one directory. Neither
// it nor what was its twin is ever emptied.
func TestTwins(t *testing.T) {
	t.Parallel()
	for _, survivor := range []string{live, staged} {
		l, dir := newTestLoader(t, Systemd)
		must(t, update(t, l, "old"))
		must(t, l.AddKernel(t.Context(), testKernel("new")))
		must(t, l.Stage([]Entry{testEntry("new"), testEntry("old")}))
		// Here is no FAT; a copy has to stand for the second name.
		content := os.DirFS(filepath.Join(dir, survivor))
		for _, name := range []string{live, staged} {
			if name != survivor {
				must(t, os.RemoveAll(filepath.Join(dir, name)))
				must(t, os.CopyFS(filepath.Join(dir, name), content))
			}
		}
		is := boots(t, l, dir)
		if menu, err := l.Staged(); err != nil || menu != nil {
			t.Errorf("staged: %v, %v", titles(menu), err)
		}
		if err := l.Commit(); !errors.Is(err, ErrNothingStaged) {
			t.Errorf("Commit: %v", err)
		}
		if now := boots(t, l, dir); now != is {
			t.Errorf("%q became %q", is, now)
		}
		must(t, update(t, l, "third", "old"))
		if now := boots(t, l, dir); now != "third old" {
			t.Errorf("boots %q", now)
		}
		must(t, update(t, l, "fourth", "third"))
		lost := 0
		for _, name := range fileNamesIn(t, filepath.Join(dir, loaderDir)) {
			if !strings.HasPrefix(name, lostPrefix) {
				continue
			}
			lost++
			if len(fileNamesIn(t, filepath.Join(dir, loaderDir, name))) < 2 {
				t.Errorf("%s was emptied", name)
			}
		}
		if lost != 2 {
			t.Errorf("%d directories are left for fsck", lost)
		}
	}
}

// Entries of others survive byte for byte, also those that came or changed after
// Stage.
func TestForeignFiles(t *testing.T) {
	t.Parallel()
	for _, kind := range []Kind{Systemd, GRUB} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			testForeignFiles(t, kind)
		})
	}
}

func testForeignFiles(t *testing.T, kind Kind) {
	l, dir := newTestLoader(t, kind)
	put := func(name, content string) {
		must(t, os.WriteFile(filepath.Join(dir, live, name), []byte(content), 0o600))
	}
	must(t, os.MkdirAll(filepath.Join(dir, live), 0o755))
	foreign := map[string]string{
		"memtest.conf": "title Memtest\r\nefi /x\n\n", "bootc_odd.conf": "\x00\xff no entry", "README": "",
		"z.conf": "title uses ours\nlinux /" + testEntry("kept").Kernel + "/vmlinuz\n",
	}
	for name, content := range foreign {
		put(name, content)
	}
	must(t, l.AddKernel(t.Context(), testKernel("kept")))
	must(t, update(t, l, "old"))
	must(t, l.Stage([]Entry{testEntry("old")}))
	put("late.conf", "title late\n")
	put("README", "changed")
	must(t, os.Remove(filepath.Join(dir, live, "memtest.conf")))
	must(t, l.Commit())
	foreign["late.conf"], foreign["README"] = "title late\n", "changed"
	delete(foreign, "memtest.conf")

	m, err := l.openMenus()
	must(t, err)
	defer m.Close()
	d, err := m.read(live)
	must(t, err)
	got := map[string]string{}
	for _, f := range d.foreign {
		got[f.name] = string(f.data)
	}
	if diff := cmp.Diff(foreign, got); diff != "" {
		t.Error(diff)
	}
	if removed, err := l.Collect(); err != nil || len(removed) > 0 {
		t.Errorf("removed %q, %v", removed, err)
	}
}

// Broken entries of ours are named, and the others shown; they are not dropped, and
// nothing is collected that they may need.
func TestBrokenEntry(t *testing.T) {
	t.Parallel()
	l, dir := newTestLoader(t, Systemd)
	must(t, update(t, l, "old"))
	broken := "title x\nlinux /EFI/Linux/" + testEntry("old").Kernel + "/vmlinuz\noptions quiet\n"
	must(t, os.WriteFile(filepath.Join(dir, live, "bootc_debian-1-0.conf"), []byte(broken), 0o600))
	must(t, os.Mkdir(filepath.Join(dir, live, "bootc_debian-2-0.conf"), 0o700))
	menu, err := l.Menu()
	for _, want := range []string{"loader/entries/bootc_debian-1-0.conf: no composefs= argument", "loader/entries/bootc_debian-2-0.conf is no regular file"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Menu: %v, want %s", err, want)
		}
	}
	if len(menu) != 1 || menu[0].ID != testEntry("old").ID {
		t.Errorf("Menu: %+v", menu)
	}
	if err := l.Stage([]Entry{testEntry("old")}); err == nil || !strings.Contains(err.Error(), "bootc_debian-2-0.conf") {
		t.Errorf("Stage: %v", err)
	}
	must(t, os.Remove(filepath.Join(dir, live, "bootc_debian-2-0.conf")))
	if removed, err := l.Collect(); err != nil || len(removed) > 0 {
		t.Errorf("removed %q, %v", removed, err)
	}
}

// What another program installed has no marks: its live kernels can be shared, others
// are written anew.
func TestUnmarkedKernels(t *testing.T) {
	t.Parallel()
	l, dir := newTestLoader(t, Systemd)
	must(t, update(t, l, "old"))
	must(t, l.AddKernel(t.Context(), testKernel("other")))
	must(t, os.Remove(filepath.Join(dir, live, generationFile)))
	for _, name := range []string{"old", "other"} {
		must(t, os.Remove(filepath.Join(dir, l.linux.path, testEntry(name).Kernel, markerFile)))
		whole, err := l.HasKernel(testEntry(name).Kernel)
		if want := name == "old"; err != nil || whole != want {
			t.Errorf("%s: %v, %v", name, whole, err)
		}
	}
	must(t, update(t, l, "new", "old"))
	if is := boots(t, l, dir); is != "new old" {
		t.Errorf("boots %q", is)
	}
}

package bootloader

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/bootloader/grubcfg"
	"github.com/bootc-go/bootc/internal/testtool"
)

// countedUpdate has "new" boot with three tries before "old".
func countedUpdate(t *testing.T, l *loader, tries Tries) {
	t.Helper()
	must(t, update(t, l, "old"))
	must(t, l.AddKernel(t.Context(), testKernel("new")))
	must(t, l.Stage(countedMenu(tries)))
	must(t, l.Commit())
}

func countedMenu(tries Tries) []Entry {
	e := testEntry("new")
	e.Tries = &tries
	return []Entry{e, testEntry("old")}
}

// countDown does to the files in dir what the loader does when it starts the first
// entry: the Boot Loader Specification for systemd-boot, and for GRUB the words of its
// menu, with GRUB's own tool.
func countDown(t *testing.T, l *loader, dir string) {
	t.Helper()
	menu, err := l.Menu()
	must(t, err)
	e := menu[0]
	if e.Tries == nil {
		t.Fatal("the first entry is not counted")
	}
	next := fmt.Sprintf("%d-%d", max(int(e.Tries.Left)-1, 0), e.Tries.Done+1)
	if !l.grubCfg {
		name, _, _ := strings.Cut(e.File, "+")
		must(t, os.Rename(filepath.Join(dir, live, e.File), filepath.Join(dir, live, name+"+"+next+".conf")))
		return
	}
	block := filepath.Join(dir, envPath)
	data, err := os.ReadFile(block)
	must(t, err)
	env, err := grubcfg.ParseEnv(data)
	must(t, err)
	cfg, err := os.ReadFile(filepath.Join(dir, live, grubFile))
	must(t, err)
	_, rest, _ := strings.Cut(string(cfg), "save_env --file \"$bootdir\"'/grub/grubenv' ")
	name, _, _ := strings.Cut(rest, "\n")
	if !strings.Contains(string(cfg), "set "+name+"="+next+"\n") {
		t.Fatalf("GRUB's menu does not count to %s:\n%s", next, cfg)
	}
	env.Set(name, next)
	data, err = env.Format()
	must(t, err)
	must(t, os.WriteFile(block, data, 0o644))
}

func picture(t *testing.T, l *loader) string {
	t.Helper()
	menu, err := l.Menu()
	must(t, err)
	var all []string
	for _, e := range menu {
		s := e.Title
		if e.Tries != nil {
			s += fmt.Sprintf("+%d-%d", e.Tries.Left, e.Tries.Done)
		}
		all = append(all, s)
	}
	return strings.Join(all, " ")
}

func wantPicture(t *testing.T, l *loader, want string) {
	t.Helper()
	if got := picture(t, l); got != want {
		t.Errorf("%s: the menu is %q, want %q", l.kind, got, want)
	}
}

// An entry with tries goes first until they are used up, then last, whoever counts.
// A new menu begins with what it says, whatever became of the one before.
func TestCounting(t *testing.T) {
	t.Parallel()
	for _, kind := range []Kind{Systemd, GRUB} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			l, dir := newTestLoader(t, kind)
			countedUpdate(t, l, Tries{Left: 3})
			for _, want := range []string{"new+3-0 old", "new+2-1 old", "new+1-2 old"} {
				wantPicture(t, l, want)
				countDown(t, l, dir)
			}
			wantPicture(t, l, "old new+0-3")

			// The count goes along into a menu that is written for another reason.
			menu, err := l.Menu()
			must(t, err)
			must(t, l.Stage(menu))
			wantPicture(t, l, "old new+0-3")
			must(t, l.Commit())
			wantPicture(t, l, "old new+0-3")

			must(t, l.Stage(countedMenu(Tries{Left: 2})))
			wantPicture(t, l, "old new+0-3")
			must(t, l.Commit())
			wantPicture(t, l, "new+2-0 old")
			countDown(t, l, dir)
			wantPicture(t, l, "new+1-1 old")

			// Blessed.
			must(t, l.Stage([]Entry{testEntry("new"), testEntry("old")}))
			must(t, l.Commit())
			wantPicture(t, l, "new old")
		})
	}
}

// The staged menu's tries are its own: those of the live one go on meanwhile.
func TestCountingWithStagedMenu(t *testing.T) {
	t.Parallel()
	for _, kind := range []Kind{Systemd, GRUB} {
		l, dir := newTestLoader(t, kind)
		countedUpdate(t, l, Tries{Left: 3})
		countDown(t, l, dir)
		must(t, l.Stage(countedMenu(Tries{Left: 3})))
		wantPicture(t, l, "new+2-1 old")
		countDown(t, l, dir)
		wantPicture(t, l, "new+1-2 old")
		staged, err := l.Staged()
		must(t, err)
		if tries := staged[0].Tries; tries == nil || *tries != (Tries{Left: 3}) {
			t.Errorf("%s: the staged entry has %+v", kind, tries)
		}
		must(t, l.Commit())
		wantPicture(t, l, "new+3-0 old")
	}
}

// GRUB's block keeps its size, its place and the variables of others; ours go when
// they mean nothing any more.
func TestEnvironmentBlock(t *testing.T) {
	t.Parallel()
	l, dir := newTestLoader(t, GRUB)
	must(t, update(t, l, "old"))
	block := filepath.Join(dir, envPath)
	if _, err := os.Lstat(block); !os.IsNotExist(err) {
		t.Errorf("a menu without counts made a block: %v", err)
	}
	countedUpdate(t, l, Tries{Left: 1})
	before, err := os.Stat(block)
	must(t, err)
	if before.Size() != grubcfg.EnvSize {
		t.Errorf("%d bytes", before.Size())
	}
	var env grubcfg.Env
	env.Set("saved_entry", "x")
	env.Set(envPrefix+"1_0000000000000000", "0-3")
	data, err := env.Format()
	must(t, err)
	f, err := os.OpenFile(block, os.O_WRONLY, 0)
	must(t, err)
	_, err = f.WriteAt(data, 0)
	must(t, err)
	must(t, f.Close())
	countDown(t, l, dir)
	must(t, l.Stage(countedMenu(Tries{Left: 2})))
	wantPicture(t, l, "old new+0-1") // the live one's count is still there
	data, err = os.ReadFile(block)
	must(t, err)
	env, err = grubcfg.ParseEnv(data)
	must(t, err)
	if names := env.Names(); len(names) != 2 || env.Value("saved_entry") != "x" || env.Value(envPrefix+"1_0000000000000000") != "" {
		t.Errorf("variables %q", names)
	}
	after, err := os.Stat(block)
	must(t, err)
	if !os.SameFile(before, after) {
		t.Error("the block is another file")
	}

	// One that GRUB cannot use is replaced, and counts for nothing until then.
	must(t, os.WriteFile(block, []byte("damage"), 0o644))
	wantPicture(t, l, "new+1-0 old")
	must(t, l.Stage(countedMenu(Tries{Left: 2})))
	data, err = os.ReadFile(block)
	must(t, err)
	if _, err := grubcfg.ParseEnv(data); err != nil {
		t.Error(err)
	}
}

// On btrfs GRUB must not write, so that its menu does not count. The order is right
// all the same, by what the menu says when it is written.
func TestNoCountingOnBtrfs(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"btrfs", "symlink"} {
		l, dir := newTestLoader(t, GRUB)
		switch how {
		case "btrfs":
			mountBtrfs(t, dir)
			f, err := os.Open(dir)
			must(t, err)
			t.Cleanup(func() { f.Close() })
			again, err := New(GRUB, Files{Boot: f, ESP: f})
			must(t, err)
			l = again.(*loader) //nolint:forcetypeassert // newTestLoader looked
		case "symlink":
			must(t, os.Mkdir(filepath.Join(dir, "grub"), 0o755))
			must(t, os.Symlink("/elsewhere", filepath.Join(dir, envPath)))
		}
		countedUpdate(t, l, Tries{Left: 1})
		cfg, err := os.ReadFile(filepath.Join(dir, live, grubFile))
		must(t, err)
		if strings.Contains(string(cfg), "_env") {
			t.Errorf("%s: GRUB's menu counts:\n%s", how, cfg)
		}
		wantPicture(t, l, "new+1-0 old")
		menu := countedMenu(Tries{Done: 1})
		must(t, l.Stage(menu))
		must(t, l.Commit())
		wantPicture(t, l, "old new+0-1")
		if is := boots(t, l, dir); is != "old new" {
			t.Errorf("%s: boots %q", how, is)
		}
	}
}

func mountBtrfs(t *testing.T, dir string) {
	t.Helper()
	image := filepath.Join(t.TempDir(), "disk")
	must(t, os.WriteFile(image, nil, 0o600))
	must(t, os.Truncate(image, 128<<20))
	runCommand(t, "mkfs.btrfs", "-q", image)
	runCommand(t, "mount", "-o", "loop", image, dir)
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

// On FAT a power cut while systemd-boot renames an entry can leave both names. They are
// one entry, and their directory is not emptied.
func TestTwinEntries(t *testing.T) {
	t.Parallel()
	l, dir := newTestLoader(t, Systemd)
	countedUpdate(t, l, Tries{Left: 2})
	menu, err := l.Menu()
	must(t, err)
	file := filepath.Join(dir, live, menu[0].File)
	must(t, os.Link(file, strings.Replace(file, "+2-0", "+1-1", 1)))
	wantPicture(t, l, "new+2-0 old")
	must(t, l.Stage([]Entry{testEntry("new"), testEntry("old")}))
	must(t, l.Commit())
	wantPicture(t, l, "new old")
	lost, err := filepath.Glob(filepath.Join(dir, loaderDir, lostPrefix+"*/*+1-1.conf"))
	if err != nil || len(lost) != 1 {
		t.Errorf("left for fsck: %q, %v", lost, err)
	}
}

func runCommand(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(testtool.Path(t, name), args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", name, err, out)
	}
}

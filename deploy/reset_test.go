package deploy

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/bootloader"
	"github.com/bootc-go/bootc/bootloader/bootloadertest"
	"github.com/bootc-go/bootc/etcmerge"
	"github.com/bootc-go/bootc/image/registrytest"
	"github.com/bootc-go/bootc/internal/testtool"
	"github.com/bootc-go/bootc/kargs"
)

var resetDay = time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC)

// reset stages a factory reset to what runs, or to what name is in the registry.
func (m *machine) reset(name string, o ResetOptions) (res *Reset, err error) {
	m.t.Helper()
	o.Now = resetDay
	err = m.with(func(s *Sysroot) error {
		var u *Update
		if name != "" {
			if u, err = s.Check(m.t.Context(), m.target(name+":latest")); err != nil {
				return err
			}
			defer u.Close()
			u.Addons = m.addons
		}
		res, err = s.Reset(m.t.Context(), u, o)
		return err
	})
	return res, err
}

func (m *machine) mustReset(o ResetOptions) *Reset {
	m.t.Helper()
	res, err := m.reset("", o)
	m.must(err)
	return res
}

func (m *machine) writeVar(name, content string) {
	m.t.Helper()
	m.must(os.MkdirAll(filepath.Dir(m.varPath(name)), 0o755))
	m.must(os.WriteFile(m.varPath(name), []byte(content), 0o644))
}

// use is what a host has after somebody used it for a while.
func (m *machine) use() {
	m.t.Helper()
	m.writeEtc("hostname", "mine\n")
	m.writeVar("lib/mine", "mine")
}

// usedState tells whether what runs is used, fresh, or a mixture of both, which nothing
// may ever be.
func (m *machine) usedState() bool {
	m.t.Helper()
	inEtc := m.readEtc("hostname") == "mine\n"
	_, err := os.Stat(m.varPath("lib/mine"))
	if inVar := err == nil; inVar != inEtc {
		m.t.Fatalf("a mixture: /etc is used: %v, /var is used: %v", inEtc, inVar)
	}
	return inEtc
}

func (m *machine) wantUsed(want bool) {
	m.t.Helper()
	if got := m.usedState(); got != want {
		m.t.Fatalf("the state that was used: %v, want %v", got, want)
	}
}

func (m *machine) wantStateroots(want ...string) {
	m.t.Helper()
	entries, err := os.ReadDir(m.path("state/os"))
	m.must(err)
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if !slices.Equal(got, want) {
		m.t.Errorf("stateroots: %q, want %q", got, want)
	}
}

// TestReset to what runs: until the shutdown nothing changes; then /etc and /var are
// those of the image, and the old ones go when the boot is complete.
func TestReset(t *testing.T) {
	t.Parallel()
	m, _ := fakeMachine(t, v("1"))
	m.use()
	m.writeEtc("fstab", "# mine\nUUID=a /boot ext4 ro 0 2\n/dev/vdb /srv xfs defaults 0 0\nLABEL=ESP /boot/efi vfat ro 0 2\n")
	res := m.mustReset(ResetOptions{})
	if res.Stateroot != "s2026-0" || res.Entry.Composefs.Verity != m.booted.ID.String() || len(res.Kept) != 0 {
		t.Errorf("%+v", res)
	}
	m.wantUsed(true)
	m.wantPicture("staged 1 | booted 1")
	if st := m.status().Status; !st.Staged.FactoryReset || st.Booted.FactoryReset || st.Staged.SoftRebootCapable {
		t.Errorf("staged %+v", st.Staged)
	}
	if !slices.Contains(m.units, "start "+finalizeUnit) {
		t.Errorf("units: %q", m.units)
	}
	m.gcIsNoOp()
	m.wantStateroots("default", "s2026-0")

	m.reboot()
	m.wantPicture("booted 1")
	m.wantUsed(false)
	if got := m.readEtc("fstab"); got != "UUID=a /boot ext4 ro 0 2\nLABEL=ESP /boot/efi vfat ro 0 2\n" {
		t.Errorf("fstab: %q", got)
	}
	m.gc()
	m.wantStateroots("default", "s2026-0")
	if onTrial := m.complete(); onTrial {
		t.Error("the image was on trial")
	}
	m.wantStateroots("s2026-0")
	m.gcIsNoOp()
	m.fsck()

	// Life goes on: upgrades share the new /var.
	m.use()
	m.push(v("2"))
	m.mustUpgrade()
	m.reboot()
	m.wantPicture("booted 2 | rollback 1")
	m.wantUsed(true)
	m.gcIsNoOp()
	m.wantStateroots("s2026-0")
}

// TestResetToAnother image: the deployment before is there to go back to, with its /etc
// and its /var, until it is given up.
func TestResetToAnother(t *testing.T) {
	t.Parallel()
	m, _ := fakeMachine(t, v("1"))
	m.tries = 3
	m.use()
	m.pushAs("other", v("2"))
	res, err := m.reset("other", ResetOptions{Stateroot: "fresh"})
	m.must(err)
	if res.Stateroot != "fresh" {
		t.Errorf("%+v", res)
	}
	m.wantPicture("staged 2 | booted 1")
	m.gcIsNoOp()
	m.reboot()
	m.wantPicture("booted 2 | rollback 1")
	m.wantUsed(false)
	if b := m.status().Status.Booted; b.Trial == nil {
		t.Error("it is not on trial")
	}
	if spec := m.status().Spec.Image; spec.Image != m.target("other:latest").Ref.Name() {
		t.Errorf("follows %+v", spec)
	}
	m.complete()
	m.gcIsNoOp()
	m.wantStateroots("default", "fresh")

	_, err = m.rollback()
	m.must(err)
	m.reboot()
	m.wantPicture("booted 1 | rollback 2")
	m.wantUsed(true)
	_, err = m.rollback()
	m.must(err)
	m.reboot()
	m.wantUsed(false)
	m.must(m.delete(m.id("1")))
	m.wantStateroots("fresh")
	m.gcIsNoOp()
	m.fsck()
}

// TestResetToRollback image, which has a state directory that is exchanged.
func TestResetToRollback(t *testing.T) {
	t.Parallel()
	m, _ := fakeMachine(t, v("1"))
	m.push(v("2"))
	m.mustUpgrade()
	m.reboot()
	m.use()
	m.push(v("1"))
	_, err := m.reset("os", ResetOptions{})
	m.must(err)
	m.wantPicture("staged 1 | booted 2 | rollback 1")
	m.gcIsNoOp()
	m.reboot()
	m.wantPicture("booted 1 | rollback 2")
	m.wantUsed(false)
	m.complete()
	m.gcIsNoOp()
	_, err = m.rollback()
	m.must(err)
	m.reboot()
	m.wantUsed(true)
}

// TestResetUndone before the boot that would show it, and after.
func TestResetUndone(t *testing.T) {
	t.Parallel()
	m, _ := fakeMachine(t, v("1"))
	m.use()
	m.mustReset(ResetOptions{})
	m.must(m.finalize())
	m.wantUsed(true)
	m.gc()
	m.wantStateroots("default", "s2026-0")
	res, err := m.rollback()
	m.must(err)
	if !res.Reset || res.Next.Composefs.Verity != m.booted.ID.String() {
		t.Errorf("%+v", res)
	}
	m.gcIsNoOp()
	m.wantStateroots("default")
	m.boot()
	m.wantUsed(true)

	m.mustReset(ResetOptions{})
	m.reboot()
	m.wantUsed(false)
	res, err = m.rollback()
	m.must(err)
	if !res.Reset {
		t.Errorf("%+v", res)
	}
	m.wantUsed(false) // what runs
	m.gc()
	m.complete() // of what runs, which is not what boots next
	m.wantStateroots("default", "s2026-0")
	m.boot()
	m.wantUsed(true)
	m.complete()
	m.gc()
	m.wantStateroots("default")
	m.gcIsNoOp()
	if _, err := m.rollback(); !errors.Is(err, ErrNoRollback) {
		t.Error(err)
	}
}

// TestCutUndo ends taking a reset back after each number of its steps, with something
// staged: what boots has the /etc and /var of one of the two, and nothing is left.
func TestCutUndo(t *testing.T) {
	t.Parallel()
	for _, a := range afters {
		for n := range 4 {
			t.Run(fmt.Sprintf("%s after %d steps", a.name, n), func(t *testing.T) {
				t.Parallel()
				m, _ := fakeMachine(t, v("1"))
				m.use()
				m.mustReset(ResetOptions{})
				m.reboot()
				m.push(v("2"))
				m.mustUpgrade()
				m.must(m.with(func(s *Sysroot) error {
					before, ok := s.before(m.booted.ID)
					if !ok {
						t.Fatal("nothing is left of before")
					}
					steps := s.undoSteps(before)
					if len(steps) != 3 {
						t.Errorf("%d steps", len(steps))
					}
					return s.run(t.Context(), steps[:n])
				}))
				if !a.boot && n < 3 {
					_, err := m.rollback()
					m.must(err)
					n = 3
				}
				m.gc()
				m.boot()
				m.wantUsed(n == 3)
				m.complete()
				m.gc()
				m.gcIsNoOp()
				m.wantPicture("booted 1")
				m.wantStateroots(map[bool]string{true: "default", false: "s2026-0"}[n == 3])
			})
		}
	}
}

// TestResetInTheWay of updates, and how it is dropped.
func TestResetInTheWay(t *testing.T) {
	t.Parallel()
	m, _ := fakeMachine(t, v("1"))
	m.use()
	m.mustReset(ResetOptions{})
	if st, err := m.upgrade(StageOptions{}); err != nil || st.Change != Unchanged {
		t.Errorf("%+v, %v", st, err)
	}
	m.push(v("2"))
	if _, err := m.upgrade(StageOptions{}); !errors.Is(err, ErrResetStaged) {
		t.Error(err)
	}
	if err := m.with(func(s *Sysroot) error { return s.Retarget(m.target("os:latest")) }); !errors.Is(err, ErrResetStaged) {
		t.Error(err)
	}
	m.must(m.pin(m.booted.ID, true))
	m.must(m.pin(m.booted.ID, false))
	m.wantPicture("staged 1 | booted 1")
	m.must(m.delete(m.booted.ID))
	m.wantPicture("booted 1")
	m.wantStateroots("default")
	m.gcIsNoOp()
	if err := m.delete(m.booted.ID); !errors.Is(err, ErrBooted) {
		t.Error(err)
	}

	// Once it is in place, what runs is not what anything could be made of.
	m.mustReset(ResetOptions{})
	m.must(m.finalize())
	if _, err := m.upgrade(StageOptions{}); !errors.Is(err, ErrDisplaced) {
		t.Error(err)
	}
	if _, err := m.reset("", ResetOptions{}); !errors.Is(err, ErrDisplaced) {
		t.Error(err)
	}
	if data, err := os.ReadFile(m.runPath(rebootFile)); err != nil || !strings.HasPrefix(string(data), rebootText) {
		t.Errorf("%q, %v", data, err)
	}
	m.boot()
	m.wantUsed(false)
	m.mustUpgrade()

	// It takes the place of an update that is staged, and of itself.
	m.mustReset(ResetOptions{})
	m.wantPicture("staged 1 | booted 1")
	m.mustReset(ResetOptions{Stateroot: "other"})
	m.gcIsNoOp()
	m.wantStateroots("default", "other", "s2026-0")
	m.reboot()
	m.complete()
	m.gcIsNoOp()
	m.wantStateroots("other")
}

// TestResetGoesOn on hosts whose image never says that a boot is complete: the next
// update gives up what was before.
func TestResetGoesOn(t *testing.T) {
	t.Parallel()
	m, _ := fakeMachine(t, v("1"))
	m.use()
	m.mustReset(ResetOptions{})
	m.reboot()
	m.push(v("2"))
	m.mustUpgrade()
	m.wantStateroots("default", "s2026-0")
	m.reboot()
	m.wantPicture("booted 2 | rollback 1")
	m.gcIsNoOp()
	m.wantStateroots("s2026-0")
}

// TestUpgradeAcrossReset goes to the image of a deployment from before the reset, which
// has another /var: with the merged /etc it gets the /var beside which that was merged.
func TestUpgradeAcrossReset(t *testing.T) {
	t.Parallel()
	for _, n := range []int{-1, 0, 1, 2, 3, 4, 5} {
		t.Run(fmt.Sprint(n, " steps"), func(t *testing.T) {
			t.Parallel()
			m := acrossReset(t)
			if n < 0 {
				m.must(m.finalize())
			} else {
				m.finalizeSteps(n)
			}
			m.boot()
			if got := m.version(); (n < 0 || n > 2) != (got == "1") {
				t.Errorf("booted %s", got)
			}
			if got := m.readEtc("hostname"); got != "second\n" {
				t.Errorf("hostname %q", got)
			}
			if data, err := os.ReadFile(m.varPath("lib/mine")); string(data) != "second" {
				t.Errorf("/var: %q, %v", data, err)
			}
			if m.version() == "2" {
				_, err := m.switchTo("os")
				m.must(err)
				m.reboot()
			}
			m.complete()
			m.gc()
			m.gcIsNoOp()
			m.wantPicture("booted 1 | rollback 2")
			m.wantStateroots("s2026-0")
			if got := m.readEtc("hostname"); got != "second\n" {
				t.Errorf("hostname %q", got)
			}
		})
	}
}

// acrossReset runs 2, which was reset and used again, with 1 from before to roll back to,
// and staged anew.
func acrossReset(t *testing.T) *machine {
	t.Helper()
	m, _ := fakeMachine(t, v("1"))
	m.use()
	m.pushAs("other", v("2"))
	_, err := m.reset("other", ResetOptions{})
	m.must(err)
	m.reboot()
	m.complete()
	m.writeEtc("hostname", "second\n")
	m.writeVar("lib/mine", "second")
	if _, err := m.switchTo("os"); err != nil {
		t.Fatal(err)
	}
	m.wantPicture("staged 1 | booted 2 | rollback 1")
	return m
}

// resetScenes are hosts on which a factory reset is cut short; old runs, want is what
// the reset is to.
var resetScenes = []struct {
	name, to  string
	make      func(t *testing.T) (*machine, *bootloadertest.Fake)
	old, want string
	at        int // the step of finalizing after which the new state boots
}{
	{"what runs", "", func(t *testing.T) (*machine, *bootloadertest.Fake) {
		return fakeMachine(t, v("1"))
	}, "1", "1", 1},
	{"what runs, with one to roll back to", "", func(t *testing.T) (*machine, *bootloadertest.Fake) {
		m, fake := fakeMachine(t, v("1"))
		m.push(v("2"))
		m.mustUpgrade()
		m.reboot()
		return m, fake
	}, "2", "2", 1},
	{"another, with one staged", "other", func(t *testing.T) (*machine, *bootloadertest.Fake) {
		m, fake := fakeMachine(t, v("1"))
		m.pushAs("other", osVersion{version: "2", kernel: "another"})
		m.push(osVersion{version: "3", kernel: "third"})
		m.mustUpgrade()
		return m, fake
	}, "1", "2", 2},
	{"the one to roll back to", "os", func(t *testing.T) (*machine, *bootloadertest.Fake) {
		m, fake := fakeMachine(t, v("1"))
		m.push(osVersion{version: "2", kernel: "another"})
		m.mustUpgrade()
		m.reboot()
		m.push(v("1"))
		return m, fake
	}, "2", "1", 2},
}

// resetSteps stages a reset, up to the n-th step, and returns how many there are.
func (m *machine) resetSteps(to string, n int) (total int) {
	m.t.Helper()
	m.must(m.with(func(s *Sysroot) error {
		var u *Update
		if to != "" {
			var err error
			u, err = s.Check(m.t.Context(), m.target(to+":latest"))
			m.must(err)
			defer u.Close()
		}
		r := &resetting{staging: staging{s: s, u: u, out: &Staged{}}, o: ResetOptions{Now: resetDay}}
		defer r.close()
		m.must(r.prepare(m.t.Context()))
		steps := r.steps()
		total = len(steps)
		return s.run(m.t.Context(), steps[:min(n, total)])
	}))
	return total
}

// resetsAfterAll makes sure that a host that was cut short can be reset, and that nothing
// is left behind.
func (m *machine) resetsAfterAll(to, old, want string) {
	m.t.Helper()
	if used := m.usedState(); used != (m.version() == old && used) {
		m.t.Fatalf("%s with the used state", m.version())
	}
	if m.usedState() {
		_, err := m.reset(to, ResetOptions{})
		m.must(err)
		m.reboot()
	}
	if got := m.version(); got != want {
		m.t.Fatalf("booted %s, want %s", got, want)
	}
	m.wantUsed(false)
	m.complete()
	m.gc()
	m.gcIsNoOp()
	m.fsck()
	for _, e := range m.menu() {
		m.checkWhole(e.ID)
	}
	if old == want {
		return
	}
	_, err := m.rollback()
	m.must(err)
	m.reboot()
	m.wantUsed(true)
}

func (m *machine) menu() []bootloader.Entry {
	m.t.Helper()
	menu, err := m.loader.Menu()
	m.must(err)
	return menu
}

// TestCutReset ends staging a reset after each number of its steps.
func TestCutReset(t *testing.T) {
	t.Parallel()
	for _, scene := range resetScenes {
		m, _ := scene.make(t)
		total := m.resetSteps(scene.to, 0)
		if total < 5 {
			t.Errorf("%s: only %d steps", scene.name, total)
		}
		for _, a := range afters {
			for n := range total + 1 {
				t.Run(fmt.Sprintf("%s/%s after %d of %d steps", scene.name, a.name, n, total), func(t *testing.T) {
					t.Parallel()
					m, _ := scene.make(t)
					m.use()
					m.resetSteps(scene.to, n)
					if a.boot {
						m.boot()
						if m.status().Status.Staged != nil {
							t.Error("something is staged after a power cut")
						}
						m.gc()
						m.gcIsNoOp()
						m.wantStateroots("default")
					}
					if m.version() != scene.old {
						t.Fatalf("booted %s", m.version())
					}
					m.wantUsed(true)
					m.resetsAfterAll(scene.to, scene.old, scene.want)
				})
			}
		}
	}
}

// TestCutResetFinalizing ends finalizing a reset after each number of its steps.
func TestCutResetFinalizing(t *testing.T) {
	t.Parallel()
	for _, scene := range resetScenes {
		m, _ := scene.make(t)
		_, err := m.reset(scene.to, ResetOptions{})
		m.must(err)
		total := m.finalizeSteps(0)
		for _, a := range afters {
			for n := range total + 1 {
				t.Run(fmt.Sprintf("%s/%s after %d of %d steps", scene.name, a.name, n, total), func(t *testing.T) {
					t.Parallel()
					m, _ := scene.make(t)
					m.use()
					_, err := m.reset(scene.to, ResetOptions{})
					m.must(err)
					m.finalizeSteps(n)
					m.wantUsed(true)
					if !a.boot {
						m.must(m.finalize())
						n = scene.at
					}
					m.gc()
					m.wantUsed(true) // it has lost nothing
					m.boot()
					if isNew := n >= scene.at; isNew == m.usedState() {
						t.Errorf("boots the old state: %v", m.usedState())
					}
					m.resetsAfterAll(scene.to, scene.old, scene.want)
				})
			}
		}
	}
}

// TestResetCutByTheLoader cuts the power at each durable step of the boot loader.
func TestResetCutByTheLoader(t *testing.T) {
	t.Parallel()
	for _, scene := range resetScenes {
		m, fake := scene.make(t)
		before := fake.Steps()
		_, err := m.reset(scene.to, ResetOptions{})
		m.must(err)
		m.must(m.finalize())
		for n := range fake.Steps() - before {
			t.Run(fmt.Sprintf("%s/step %d", scene.name, n+1), func(t *testing.T) {
				t.Parallel()
				m, fake := scene.make(t)
				m.use()
				fake.PanicAt(n + 1)
				if !powerCut(func() {
					_, err := m.reset(scene.to, ResetOptions{})
					m.must(err)
					m.must(m.finalize())
				}) {
					t.Fatal("the power was not cut")
				}
				m.boot()
				m.resetsAfterAll(scene.to, scene.old, scene.want)
			})
		}
	}
}

// TestResetKeeps what it is told to, with all that the file system knows of it.
func TestResetKeeps(t *testing.T) {
	t.Parallel()
	m, _ := fakeMachine(t, v("1"))
	m.use()
	m.must(os.MkdirAll(m.etcPath("ssh/deep"), 0o750))
	m.writeEtc("ssh/key", "secret")
	m.writeEtc("default/other", "not kept")
	m.must(os.Chmod(m.etcPath("ssh/key"), 0o600))
	m.must(os.Mkdir(m.varPath("home"), 0o711))
	m.must(os.MkdirAll(m.varPath("home/a/dir"), 0o700))
	m.writeVar("home/a/file", strings.Repeat("content", 10000))
	m.must(os.Chown(m.varPath("home/a/file"), 1000, 1001))
	m.must(os.Chmod(m.varPath("home/a/file"), 0o4755|fs.ModeSetuid))
	m.must(unix.Setxattr(m.varPath("home/a/file"), "user.kept", []byte("yes"), 0))
	m.must(unix.Setxattr(m.varPath("home/a"), "trusted.kept", []byte("dir"), 0))
	m.must(os.Link(m.varPath("home/a/file"), m.varPath("home/a/dir/link")))
	m.must(os.Symlink("file", m.varPath("home/a/symlink")))
	m.must(os.Chown(m.varPath("home/a"), 1000, 1001))
	m.must(unix.Mkfifo(m.varPath("home/a/fifo"), 0o640))
	m.must(os.Chtimes(m.varPath("home/a/dir"), resetDay, resetDay))
	m.must(os.Chmod(m.varPath("home"), 0o711))

	want := func(in string) []string { return fullListing(t, in) }
	kept := []string{"/var/home/a", "/etc/ssh/", "/etc/hostname", "/var/home/a/dir", "/etc/ssh"}
	before := map[string][]string{}
	for _, p := range []string{"/var/home/a", "/etc/ssh"} {
		before[p] = want(m.livePath(p))
	}
	res := m.mustReset(ResetOptions{Keep: kept})
	if got := strings.Join(res.Kept, " "); got != "/var/home/a /etc/ssh /etc/hostname" {
		t.Errorf("kept %s", got)
	}
	m.reboot()
	for p, was := range before {
		if now := want(m.livePath(p)); !slices.Equal(was, now) {
			t.Errorf("%s:\n%s\nwas:\n%s", p, strings.Join(now, "\n"), strings.Join(was, "\n"))
		}
	}
	if m.readEtc("hostname") != "mine\n" {
		t.Error("/etc/hostname was not kept")
	}
	if _, err := os.Stat(m.etcPath("default/other")); err == nil {
		t.Error("more was kept than was asked for")
	}
	if _, err := os.Stat(m.varPath("lib/mine")); err == nil {
		t.Error("more was kept than was asked for")
	}
	if st, err := os.Stat(m.varPath("home")); err != nil || st.Mode().Perm() != 0o711 {
		t.Errorf("/var/home: %v, %v", st, err)
	}
}

// livePath is a path that other programs can use.
func (m *machine) livePath(p string) string {
	m.t.Helper()
	f, rest := m.vari, strings.TrimPrefix(p, "/var/")
	if in, ok := strings.CutPrefix(p, "/etc/"); ok {
		f, rest = m.etc, in
	}
	dir, err := os.Readlink(fdPath(f))
	m.must(err)
	return dir + "/" + rest
}

// fullListing is what find and getfattr say of a directory.
func fullListing(t *testing.T, dir string) []string {
	t.Helper()
	out := tool(t, "find", dir+"/", "-printf", `%P %y %m %U:%G %n %l %s %T@\n`)
	out += tool(t, "getfattr", "-R", "-h", "-d", "-m", "-", "--absolute-names", dir+"/")
	lines := strings.Split(strings.ReplaceAll(out, dir, ""), "\n")
	slices.Sort(lines)
	return lines
}

func tool(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(testtool.Path(t, name), args...).Output()
	if err != nil {
		t.Fatalf("%s %q: %v", name, args, err)
	}
	return string(out)
}

// TestResetRefuses what cannot be, before anything changes.
func TestResetRefuses(t *testing.T) {
	t.Parallel()
	m, _ := fakeMachine(t, v("1"))
	m.push(v("2"))
	m.mustUpgrade()
	m.must(os.Symlink("lib", m.varPath("link")))
	for _, tt := range []struct {
		o    ResetOptions
		want string
	}{
		{ResetOptions{Keep: []string{"/etc"}}, "cannot keep /etc: that is all of it"},
		{ResetOptions{Keep: []string{"/var/"}}, "cannot keep /var/: that is all of it"},
		{ResetOptions{Keep: []string{"/home/a"}}, `cannot keep "/home/a": it is no absolute path below /etc or /var`},
		{ResetOptions{Keep: []string{"etc/a"}}, `cannot keep "etc/a": it is no absolute path`},
		{ResetOptions{Keep: []string{"/etc/../usr"}}, `cannot keep "/etc/../usr"`},
		{ResetOptions{Keep: []string{"/etc/nothing", "/var/lib/nothing"}}, "cannot keep /etc/nothing: there is no such file or directory\ncannot keep /var/lib/nothing: there is no such"},
		{ResetOptions{Keep: []string{"/var/no/thing"}}, "cannot keep /var/no/thing: there is no such"},
		{ResetOptions{Keep: []string{"/var/link/seed"}}, "cannot keep /var/link/seed: the path leads through a symbolic link"},
		{ResetOptions{Keep: []string{"/etc/hostname/a"}}, "cannot keep /etc/hostname/a: the path leads through a symbolic link or a file"},
		{ResetOptions{Stateroot: "default"}, "there is a stateroot of that name: default"},
		{ResetOptions{Stateroot: "a/b"}, `"a/b" is no name for a stateroot`},
		{ResetOptions{Stateroot: ".."}, `".." is no name for a stateroot`},
	} {
		_, err := m.reset("", tt.o)
		if err == nil || !strings.HasPrefix(err.Error(), "cannot stage a factory reset: "+tt.want) {
			t.Errorf("%+v: %v", tt.o, err)
		}
	}
	m.wantPicture("staged 2 | booted 1")
	m.gcIsNoOp()
	m.wantStateroots("default")
}

// TestResetLoaderFails at each of its durable steps: the host boots what it did, and a
// reset is possible all the same.
func TestResetLoaderFails(t *testing.T) {
	t.Parallel()
	for _, scene := range resetScenes {
		m, fake := scene.make(t)
		before := fake.Steps()
		_, err := m.reset(scene.to, ResetOptions{})
		m.must(err)
		for n := range fake.Steps() - before {
			t.Run(fmt.Sprintf("%s/step %d", scene.name, n+1), func(t *testing.T) {
				t.Parallel()
				m, fake := scene.make(t)
				m.use()
				fake.FailAt(n + 1)
				if _, err := m.reset(scene.to, ResetOptions{}); err == nil && len(m.said) == 0 {
					t.Error("nobody heard of it")
				}
				fake.FailAt(0)
				if e, ok := fake.Boot(); !ok || m.versionOf(e.ID) != scene.old {
					t.Errorf("boots %v", e.Title)
				}
				m.gc()
				m.gcIsNoOp()
				m.wantUsed(true)
				m.resetsAfterAll(scene.to, scene.old, scene.want)
			})
		}
	}
}

// TestResetMissed is told of: nothing was reset.
func TestResetMissed(t *testing.T) {
	t.Parallel()
	m, fake := fakeMachine(t, v("1"))
	m.use()
	m.pushAs("other", v("2"))
	_, err := m.reset("other", ResetOptions{})
	m.must(err)
	fake.FailAt(1)
	if err := m.finalize(); !errors.Is(err, bootloadertest.ErrInjected) {
		t.Fatal(err)
	}
	m.boot()
	m.wantUsed(true)
	if missed := m.status().Status.MissedUpdate; missed == nil || *missed.Version != "2" {
		t.Errorf("%+v", missed)
	}
	m.must(m.with(func(s *Sysroot) error {
		why, err := s.Why(t.Context())
		if err == nil && !strings.HasPrefix(strings.Join(why.Update, " "), "A factory reset was staged, and the shutdown on ") {
			t.Errorf("%q", why.Update)
		}
		return err
	}))
	m.mustReset(ResetOptions{})
	m.reboot()
	if missed := m.status().Status.MissedUpdate; missed != nil {
		t.Errorf("%+v", missed)
	}
}

// TestResetGivenUp: the image of the reset does not come up, and the host is by itself
// what it was before.
func TestResetGivenUp(t *testing.T) {
	t.Parallel()
	m, _ := trialMachine(t, 2)
	m.use()
	m.pushAs("other", v("2"))
	_, err := m.reset("other", ResetOptions{})
	m.must(err)
	m.must(m.finalize())
	for range 2 {
		m.startNext()
		m.wantVersion("2")
		m.begin()
		m.wantUsed(false)
	}
	m.startNext()
	m.wantVersion("1")
	m.wantUsed(true)
	if b := m.begin(); len(b.GivenUp) != 1 {
		t.Errorf("%+v", b)
	}
	m.gcIsNoOp()
	m.wantPicture("booted 1")
	m.wantStateroots("default")
	m.complete()
	m.wantUsed(true)
}

// TestResetUKI has a command line that nobody can change.
func TestResetUKI(t *testing.T) {
	t.Parallel()
	m, _ := fakeMachine(t, v("1"))
	m.push(m.uki("2", m.bootID(m.uki("2", bootloadertest.ID("none")))))
	m.mustUpgrade()
	m.reboot()
	m.use()
	for _, o := range []ResetOptions{{Kargs: kargs.Line{"a"}}, {NoRootKargs: true}} {
		if _, err := m.reset("", o); !errors.Is(err, ErrUnsupported) {
			t.Error(err)
		}
	}
	m.mustReset(ResetOptions{})
	m.reboot()
	m.wantPicture("booted 2 | rollback 1")
	m.wantUsed(false)
	m.complete()
	m.gcIsNoOp()
}

// TestResetNoRoom is found out before anything changes.
func TestResetNoRoom(t *testing.T) {
	t.Parallel()
	m, _ := fakeMachine(t, v("1"))
	m.writeVar("home/large", strings.Repeat("x", 40<<20))
	_, err := m.reset("", ResetOptions{Keep: []string{"/var/home"}})
	if !errors.Is(err, ErrNoRoom) || !strings.Contains(err.Error(), "for /var and what is kept") {
		t.Error(err)
	}
	m.gcIsNoOp()
	m.wantStateroots("default")
	m.mustReset(ResetOptions{})
}

// TestResetOfFailed image, which has to be forgiven.
func TestResetOfFailed(t *testing.T) {
	t.Parallel()
	m, _ := fakeMachine(t, v("1"))
	m.pushAs("other", v("2"))
	m.must(m.with(func(s *Sysroot) error {
		return s.writeMemory(memory{Failed: []Failed{{ID: m.booted.ID, Digest: m.pushed.Descriptor.Digest, Reason: "it was bad"}}})
	}))
	if _, err := m.reset("other", ResetOptions{}); !errors.Is(err, ErrFailedBefore) {
		t.Error(err)
	}
	_, err := m.reset("other", ResetOptions{AllowFailed: true})
	m.must(err)
}

// TestResetKernelArguments has those of the image, of the root, and those asked for.
func TestResetKernelArguments(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		o    ResetOptions
		want string
	}{
		{ResetOptions{}, "root=UUID=x rw of-image rd.luks.uuid=1 luks.uuid=2"},
		{ResetOptions{NoRootKargs: true}, "of-image rd.luks.uuid=1"},
		{ResetOptions{Kargs: kargs.Line{"console=ttyS0", "quiet"}}, "root=UUID=x rw of-image rd.luks.uuid=1 luks.uuid=2 console=ttyS0 quiet"},
	} {
		m, _ := fakeMachine(t, osVersion{version: "1", kargs: `["of-image", "rd.luks.uuid=1"]`})
		must := func(_ bool, err error) { t.Helper(); m.must(err) }
		m.must(m.with(func(s *Sysroot) error {
			must(s.SetOptions(t.Context(), "tuned", kargs.Line{"isolcpus=1", "luks.uuid=2"}, true))
			return nil
		}))
		m.reboot()
		if line := m.menu()[0].Options.String(); !strings.Contains(line, "isolcpus=1") || !strings.Contains(line, "local") {
			t.Fatalf("before: %s", line)
		}
		m.mustReset(tt.o)
		m.reboot()
		e := m.menu()[0]
		if got := e.Options.WithoutKey("composefs").String(); got != tt.want || len(e.Extra) > 0 {
			t.Errorf("%+v: %s, %v\nwant %s", tt.o, got, e.Extra, tt.want)
		}
	}
}

// TestStateroots that are not ours, are used, or are not understood, stay.
func TestStateroots(t *testing.T) {
	t.Parallel()
	m, _ := fakeMachine(t, v("1"))
	m.push(v("2"))
	m.mustUpgrade()
	m.reboot()
	m.must(os.MkdirAll(m.path("state/os/backup/var"), 0o755))
	m.mustReset(ResetOptions{})
	m.reboot()
	m.complete()
	m.gc()
	m.wantStateroots("backup", "default", "s2026-0") // of the one to roll back to
	link := m.path(stateDir, m.id("1").String(), varName)
	m.must(os.Remove(link))
	m.must(os.Symlink("/elsewhere", link))
	m.gc()
	m.wantStateroots("backup", "default", "s2026-0")
	if !strings.Contains(strings.Join(m.said, "\n"), `/var leads to "/elsewhere"`) {
		t.Errorf("said %q", m.said)
	}
	m.must(os.Remove(link))
	m.must(os.Symlink("../../os/s2026-0/var", link))
	m.mounted = "state/os/default"
	m.gc()
	m.wantStateroots("backup", "default", "s2026-0")
	m.mounted = ""
	m.must(m.with(func(s *Sysroot) error {
		res, err := s.GC(t.Context(), GCOptions{DryRun: true})
		if !slices.Equal(res.Stateroots, []string{"os/default"}) {
			t.Errorf("%+v", res)
		}
		return err
	}))
	m.gc()
	m.wantStateroots("backup", "s2026-0")
}

// TestResetConflicts no more: what stands in the way of an update is gone.
func TestResetConflicts(t *testing.T) {
	t.Parallel()
	m, _ := fakeMachine(t, v("1"))
	m.must(mkdir(m.etcPath("new")))
	m.writeEtc("new/x", "a directory here")
	m.pushAs("other", osVersion{version: "2", extra: []registrytest.Entry{registrytest.File("etc/new", "a file")}})
	if _, err := m.switchTo("other"); !errors.Is(err, etcmerge.ErrConflict) {
		t.Fatal(err)
	}
	_, err := m.reset("other", ResetOptions{})
	m.must(err)
	m.reboot()
	m.wantPicture("booted 2 | rollback 1")
}

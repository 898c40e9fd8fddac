package deploy

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bootc-go/bootc/bootloader"
	"github.com/bootc-go/bootc/bootloader/bootloadertest"
	"github.com/bootc-go/bootc/image/registrytest"
)

// trialMachine runs 1, and its fresh deployments get so many tries.
func trialMachine(t testing.TB, tries uint) (*machine, *bootloadertest.Fake) {
	t.Helper()
	m, fake := fakeMachine(t, v("1"))
	m.tries = tries
	return m, fake
}

func (m *machine) thisBoot() Boot {
	return Boot{ID: fmt.Sprint("boot-", m.boots-m.softly), Now: time.Date(2026, 1, 2, 3, m.boots, 0, 0, time.UTC)}
}

// startNext is firmware and loader, after whatever ended the last boot.
func (m *machine) startNext() {
	m.t.Helper()
	fake, isFake := m.loader.(*bootloadertest.Fake)
	if !isFake {
		m.t.Fatal("only a fake is started")
	}
	e, ok := fake.Start()
	if !ok {
		m.t.Fatal("nothing boots")
	}
	m.bootEntry(e)
}

// update has the version staged, put in place and started.
func (m *machine) update(version string) {
	m.t.Helper()
	m.push(osVersion{version: version, kernel: "of " + version})
	m.mustUpgrade()
	m.must(m.finalize())
	m.startNext()
}

func (m *machine) begin() (b *Begun) {
	m.t.Helper()
	m.must(m.with(func(s *Sysroot) (err error) {
		b, err = s.BeginBoot(m.t.Context(), m.thisBoot())
		return err
	}))
	return b
}

func (m *machine) complete() (wasOnTrial bool) {
	m.t.Helper()
	m.must(m.with(func(s *Sysroot) (err error) {
		wasOnTrial, err = s.CompleteBoot(m.t.Context(), m.thisBoot())
		return err
	}))
	return wasOnTrial
}

func (m *machine) fail(reason string) (after After) {
	m.t.Helper()
	m.must(m.with(func(s *Sysroot) (err error) {
		after, err = s.FailBoot(m.t.Context(), m.thisBoot(), reason, "output of "+reason)
		return err
	}))
	return after
}

func (m *machine) remembered() (mem memory) {
	m.t.Helper()
	m.must(m.with(func(s *Sysroot) (err error) {
		mem, err = s.memory()
		return err
	}))
	return mem
}

// menuText is the live menu in the loader's order: versions with their tries.
func (m *machine) menuText() string {
	m.t.Helper()
	menu, err := m.loader.Menu()
	m.must(err)
	var all []string
	for _, e := range menu {
		text := m.versionOf(e.ID)
		if e.Tries != nil {
			text += fmt.Sprintf("+%d-%d", e.Tries.Left, e.Tries.Done)
		}
		all = append(all, text)
	}
	return strings.Join(all, " ")
}

func (m *machine) wantMenu(want string) {
	m.t.Helper()
	if got := m.menuText(); got != want {
		m.t.Errorf("the menu is %q, want %q", got, want)
	}
}

func (m *machine) wantVersion(want string) {
	m.t.Helper()
	if got := m.version(); got != want {
		m.t.Fatalf("booted %s, want %s", got, want)
	}
}

// wantFailed checks that the versions, and no others, are remembered, each with the
// reason.
func (m *machine) wantFailed(reason string, versions ...string) {
	m.t.Helper()
	var got []string
	for _, f := range m.remembered().Failed {
		got = append(got, f.Version)
		if !strings.Contains(f.Reason, reason) || f.Digest == "" || f.Image == "" {
			m.t.Errorf("version %s failed: %+v, want the reason %q", f.Version, f, reason)
		}
	}
	if !slices.Equal(got, versions) {
		m.t.Errorf("remembered as failed: %v, want %v", got, versions)
	}
}

// wantBlocked checks that the image that the registry has is refused.
func (m *machine) wantBlocked() {
	m.t.Helper()
	_, err := m.upgrade(StageOptions{})
	var failed *FailedBefore
	if !errors.Is(err, ErrFailedBefore) || !errors.As(err, &failed) || failed.Failed.Digest != m.pushed.Descriptor.Digest {
		m.t.Errorf("upgrade: %v", err)
	}
}

// TestTrialPasses: on the second try all is well, and the deployment is as any other.
func TestTrialPasses(t *testing.T) {
	t.Parallel()
	m, _ := trialMachine(t, 3)
	m.update("2")
	m.wantVersion("2")
	if b := m.begin(); !b.OnTrial || b.Left != 2 || len(b.GivenUp) > 0 {
		t.Errorf("begun %+v", b)
	}
	m.wantMenu("2+2-1 1")
	if after := m.fail("flapping"); after != TryAgain {
		t.Errorf("after a failure: %d", after)
	}
	m.startNext()
	m.wantVersion("2")
	m.begin()
	if !m.complete() || m.complete() {
		t.Error("it was on trial, and then no more")
	}
	m.wantMenu("2 1")
	if mem := m.remembered(); len(mem.Failed)+len(mem.Trials) > 0 {
		t.Errorf("remembered %+v", mem)
	}
	// A check that fails later on ends nothing.
	m.startNext()
	if b := m.begin(); b.OnTrial {
		t.Errorf("begun %+v", b)
	}
	if after := m.fail("flapping"); after != StayUp {
		t.Errorf("after a failure: %d", after)
	}
	m.wantPicture("booted 2 | rollback 1")
	m.gcIsNoOp()
}

// A way to fail all tries, and what is remembered of it.
var waysToFail = []struct {
	name, reason string
	boot         func(m *machine) // one boot of the deployment that fails
}{
	{"never reaches userspace", "never reached userspace", func(*machine) {}},
	{"stops after that", "stopped before the boot was complete", func(m *machine) { m.begin() }},
	{"watchdog", "watchdog", func(m *machine) { m.begin() }},
	{"check", "check x", func(m *machine) { m.begin(); m.fail("check x failed") }},
}

// TestTrialFails: after all tries the old deployment boots, the failed one is gone, and
// its image is refused until it is forgiven or there is another.
func TestTrialFails(t *testing.T) {
	t.Parallel()
	for _, tries := range []uint{1, 3} {
		for _, way := range waysToFail {
			t.Run(fmt.Sprint(way.name, " ", tries), func(t *testing.T) {
				t.Parallel()
				m, _ := trialMachine(t, tries)
				m.writeEtc("hostname", "mine\n")
				m.update("2")
				for range tries {
					m.wantVersion("2")
					way.boot(m)
					m.startNext()
				}
				m.wantVersion("1")
				boot := m.thisBoot()
				boot.Watchdog = func() bool { return way.name == "watchdog" }
				m.must(m.with(func(s *Sysroot) error {
					b, err := s.BeginBoot(t.Context(), boot)
					if err == nil && (b.OnTrial || len(b.GivenUp) != 1 || b.GivenUp[0].Tries != tries) {
						t.Errorf("begun %+v", b)
					}
					return err
				}))
				m.complete()
				m.wantMenu("1")
				m.wantFailed(way.reason, "2")
				m.wantBlocked()
				m.wantPicture("booted 1")
				if got := m.readEtc("hostname"); got != "mine\n" {
					t.Errorf("/etc/hostname: %q", got)
				}
				m.gc()
				m.gcIsNoOp()
				if b := m.begin(); len(b.GivenUp) > 0 {
					t.Errorf("given up twice: %+v", b)
				}

				if st, err := m.upgrade(StageOptions{AllowFailed: true}); err != nil || st.Change != Available {
					t.Fatalf("forgiven: %+v, %v", st, err)
				}
				m.wantFailed("")
				m.update("3")
				m.begin()
				m.complete()
				m.wantMenu("3 1")
			})
		}
	}
}

// TestLostKernel: loaders pass over an entry without a kernel.
func TestLostKernel(t *testing.T) {
	t.Parallel()
	m, fake := trialMachine(t, 3)
	m.push(osVersion{version: "2", kernel: "another"})
	st := m.mustUpgrade()
	m.must(m.finalize())
	fake.Break(bootloader.KernelName(st.ID))
	m.startNext()
	m.wantVersion("1")
	m.begin()
	m.wantMenu("1")
	m.wantFailed("kernel is not there", "2")
	m.wantBlocked()
}

// TestFiveBadOnes in a row, each of which another one is staged on while it is on trial:
// the last good one stays.
func TestFiveBadOnes(t *testing.T) {
	t.Parallel()
	for _, meanwhile := range []bool{false, true} {
		m, _ := trialMachine(t, 1)
		for i := range 5 {
			m.update(fmt.Sprint("bad", i))
			m.begin()
			if meanwhile {
				continue
			}
			m.fail("bad")
			m.startNext()
			m.wantVersion("1")
			m.begin()
			m.complete()
			m.wantMenu("1")
		}
		if meanwhile {
			if !strings.HasSuffix(m.menuText(), "1") && !strings.Contains(m.menuText(), " 1 ") && !strings.HasPrefix(m.menuText(), "1 ") {
				t.Errorf("the last good one is not in the menu: %s", m.menuText())
			}
			if err := m.delete(m.id("1")); !errors.Is(err, ErrLastGood) {
				t.Errorf("delete the last good one: %v", err)
			}
		}
		m.update("good")
		m.begin()
		m.complete()
		m.wantVersion("good")
		if !strings.HasPrefix(m.menuText(), "good") || !strings.Contains(m.menuText(), "1") {
			t.Errorf("the menu is %s", m.menuText())
		}
	}
}

// TestRollbackTarget is only what has completed a boot.
func TestRollbackTarget(t *testing.T) {
	t.Parallel()
	m, _ := trialMachine(t, 2)
	m.update("2")
	m.begin()
	m.must(m.with(func(s *Sysroot) error {
		_, err := s.Rollback(t.Context())
		return err
	}))
	m.wantMenu("1 2+1-1")
	m.startNext()
	m.wantVersion("1")
	m.begin()
	m.wantMenu("1 2+1-1")
	if _, err := m.rollback(); !errors.Is(err, ErrNoRollback) {
		t.Errorf("rollback to what never completed a boot: %v", err)
	}
}

// TestLoaderThatCannotCount: we count what it does not.
func TestLoaderThatCannotCount(t *testing.T) {
	t.Parallel()
	m, fake := trialMachine(t, 2)
	fake.NoCount = true
	m.update("2")
	if b := m.begin(); !b.OnTrial || b.Left != 1 {
		t.Errorf("begun %+v", b)
	}
	m.begin() // twice in a boot is one boot
	m.wantMenu("2+1-1 1")
	m.fail("x")
	m.startNext()
	m.wantVersion("2")
	m.begin()
	m.wantMenu("1 2+0-2")
	if after := m.fail("x"); after != GiveUp {
		t.Errorf("after %d", after)
	}
	m.startNext()
	m.wantVersion("1")
	m.begin()
	m.wantMenu("1")
	m.wantFailed("x", "2")
}

// TestNothingBetter: where no other deployment can boot, a failed check ends nothing.
func TestNothingBetter(t *testing.T) {
	t.Parallel()
	m, _ := trialMachine(t, 1)
	m.update("2")
	m.begin()
	m.must(m.with(func(s *Sysroot) error {
		mm, err := s.menus()
		m.must(err)
		return s.setMenus(t.Context(), mm.live[1:], nil, marker{})
	}))
	m.wantMenu("2+0-1")
	if after := m.fail("x"); after != StayUp {
		t.Errorf("after %d", after)
	}
	// The next one is not counted: it would be given up for nothing better.
	m.push(v("3"))
	m.mustUpgrade()
	m.must(m.finalize())
	m.wantMenu("3 2+0-1")
}

// TestPinnedFailure: what is pinned stays in the menu, at its end, with its reason.
func TestPinnedFailure(t *testing.T) {
	t.Parallel()
	m, _ := trialMachine(t, 1)
	m.update("2")
	m.begin()
	m.must(m.pin(m.booted.ID, true))
	m.fail("check x")
	m.startNext()
	for range 2 {
		m.begin()
		m.wantMenu("1 2+0-1")
		m.wantFailed("check x", "2")
	}
	m.wantPicture("booted 1 | other 2*")
}

// TestGiveUpBooted: a monitor of somebody's has seen enough.
func TestGiveUpBooted(t *testing.T) {
	t.Parallel()
	m, _ := trialMachine(t, 3)
	giveUp := func() error {
		return m.with(func(s *Sysroot) error {
			_, err := s.GiveUpBooted(t.Context(), m.thisBoot(), "the monitor said so")
			return err
		})
	}
	if err := giveUp(); !errors.Is(err, ErrProven) {
		t.Errorf("a deployment that is not on trial: %v", err)
	}
	m.update("2")
	m.begin()
	m.must(giveUp())
	m.wantMenu("1 2+0-1")
	m.startNext()
	m.wantVersion("1")
	m.begin()
	m.wantMenu("1")
	m.wantFailed("monitor", "2")
}

// TestNoTries: with none nothing is counted, as before there were any.
func TestNoTries(t *testing.T) {
	t.Parallel()
	m, _ := trialMachine(t, 0)
	m.update("2")
	m.wantMenu("2 1")
	if b := m.begin(); b.OnTrial {
		t.Errorf("begun %+v", b)
	}
	if m.complete() {
		t.Error("it was on trial")
	}
	m.wantPicture("booted 2 | rollback 1")
}

// TestUpdateWhileOnTrial: what is staged stays so when the trial ends well, and a memory
// that is damaged is in nobody's way.
func TestUpdateWhileOnTrial(t *testing.T) {
	t.Parallel()
	m, _ := trialMachine(t, 2)
	m.update("2")
	m.begin()
	m.push(v("3"))
	m.mustUpgrade()
	m.wantPicture("staged 3 | booted 2 | rollback 1")
	m.complete()
	m.wantPicture("staged 3 | booted 2 | rollback 1")
	m.must(m.finalize())
	m.wantMenu("3+2-0 2 1")
}

// A cut is an operation that power fails in, at each of its durable steps: those of the
// loader and those of the memory.
type cutOp struct {
	name string
	// prepare leads up to it.
	prepare func(m *machine)
	// steps are those of the operation, with the loader's in them.
	steps func(s *Sysroot, b Boot) ([]step, error)
	// good is whether the deployment 2 passed, so that it must run in the end.
	good bool
}

var cutOps = []cutOp{
	{"bless", func(m *machine) { m.update("2"); m.begin() }, (*Sysroot).completeSteps, true},
	{"begin of a trial", func(m *machine) { m.update("2") }, beginSteps, true},
	{"give up", func(m *machine) { m.update("2"); m.begin(); m.fail("check x"); m.startNext() }, beginSteps, false},
	{"give up what never ran", func(m *machine) { m.update("2"); m.startNext() }, beginSteps, false},
	{"put back what passed", func(m *machine) {
		m.update("2")
		m.begin()
		m.must(m.with(func(s *Sysroot) error {
			steps, err := s.completeSteps(m.thisBoot())
			m.must(err)
			return s.run(m.t.Context(), steps[:1])
		}))
		m.startNext()
	}, beginSteps, true},
}

func beginSteps(s *Sysroot, boot Boot) ([]step, error) {
	b, err := s.beginning(boot)
	if err != nil {
		return nil, err
	}
	return b.steps(), nil
}

// TestPowerCutsOfTrials cuts the power after every step, and at every durable step of
// the loader in each: something boots, always, and in the end it is the deployment that
// passed, or else the one before it, with the failure remembered.
func TestPowerCutsOfTrials(t *testing.T) {
	t.Parallel()
	for _, op := range cutOps {
		t.Run(op.name, func(t *testing.T) {
			t.Parallel()
			for n, more := 0, true; more; n++ {
				for at := 1; ; at++ {
					m, fake := trialMachine(t, 1)
					if op.good && op.name != "put back what passed" {
						m.tries = 2 // the cut itself costs one
					}
					op.prepare(m)
					var cut bool
					m.must(m.with(func(s *Sysroot) error {
						steps, err := op.steps(s, m.thisBoot())
						m.must(err)
						more = n < len(steps)
						m.must(s.run(t.Context(), steps[:min(n, len(steps))]))
						if more {
							fake.PanicAt(at)
							cut = powerCut(func() { m.must(steps[n].do(t.Context())) })
							fake.PanicAt(0)
						}
						return nil
					}))
					m.settlesAs(op.good)
					if !cut {
						break
					}
				}
			}
		})
	}
}

// settlesAs boots until nothing changes any more, as a host does whose power is back.
func (m *machine) settlesAs(good bool) {
	m.t.Helper()
	for range 3 {
		m.startNext()
		m.begin()
		m.complete()
	}
	if good {
		m.wantMenu("2 1")
		m.wantVersion("2")
		m.wantFailed("")
	} else {
		m.wantMenu("1")
		m.wantVersion("1")
		if f := m.remembered().Failed; len(f) != 1 || f[0].Version != "2" {
			m.t.Errorf("remembered %+v", f)
		}
		m.wantBlocked()
	}
	m.gc()
	m.gcIsNoOp()
}

// TestPowerCutOfCounting: a loader that loses power while it counts has counted or not,
// and the deployment gets as far as with a boot less.
func TestPowerCutOfCounting(t *testing.T) {
	t.Parallel()
	m, fake := trialMachine(t, 2)
	m.push(v("2"))
	m.mustUpgrade()
	m.must(m.finalize())
	fake.PanicAt(1)
	if !powerCut(func() { fake.Start() }) {
		t.Fatal("the power did not fail")
	}
	m.wantMenu("2+2-0 1")
	m.startNext()
	m.begin()
	m.complete()
	m.wantMenu("2 1")
}

// TestTrialOnDisk is a trial with the files of the real loaders.
func TestTrialOnDisk(t *testing.T) {
	t.Parallel()
	for _, kind := range []bootloader.Kind{bootloader.Systemd, bootloader.GRUB} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			m := newMachine(t, realLoader(t, kind))
			m.install(v("1"))
			m.tries = 1
			m.push(v("2"))
			m.mustUpgrade()
			m.reboot() // this firmware does not count
			m.wantMenu("2+1-0 1")
			m.begin() // so that we do
			m.wantMenu("1 2+0-1")
			if after := m.fail("x"); after != GiveUp {
				t.Errorf("after %d", after)
			}
			m.boot()
			m.wantVersion("1")
			m.begin()
			m.wantMenu("1")
			m.wantFailed("x", "2")
		})
	}
}

// TestDamagedMemory stands in nobody's way.
func TestDamagedMemory(t *testing.T) {
	t.Parallel()
	m, _ := trialMachine(t, 1)
	m.update("2")
	m.begin()
	m.must(os.WriteFile(m.path(memoryDir, memoryName), []byte("{damage"), 0o600))
	m.complete()
	m.wantMenu("2 1")
	if !slices.ContainsFunc(m.said, func(s string) bool { return strings.Contains(s, memoryName) }) {
		t.Errorf("nobody was told: %q", m.said)
	}
}

// TestImageThatCannotTell: an image without the unit that marks it as good is trusted.
func TestImageThatCannotTell(t *testing.T) {
	t.Parallel()
	m, _ := trialMachine(t, 3)
	m.push(osVersion{version: "2", extra: []registrytest.Entry{registrytest.Whiteout("usr/lib/systemd/system", "bootc-boot-complete.service")}})
	m.mustUpgrade()
	m.must(m.finalize())
	m.wantMenu("2 1")
	if !slices.ContainsFunc(m.said, func(s string) bool { return strings.Contains(s, "not counted") }) {
		t.Errorf("nobody was told: %q", m.said)
	}
}

// startSoftly is a soft reboot into the first of the menu: no loader counts it, and the
// kernel goes on, with the id of its boot.
func (m *machine) startSoftly() {
	m.t.Helper()
	m.boot()
	m.softly++
}

// TestSoftRebootOnTrial: a soft reboot into a fresh deployment uses up a try, as a boot
// does.
func TestSoftRebootOnTrial(t *testing.T) {
	t.Parallel()
	m, _ := trialMachine(t, 2)
	m.begin()
	m.push(v("2"))
	m.mustUpgrade()
	m.must(m.finalize())
	m.startSoftly()
	m.wantVersion("2")
	m.begin()
	m.wantMenu("2+1-1 1")
	if after := m.fail("x"); after != TryAgain {
		t.Errorf("after %d", after)
	}
	m.startNext()
	m.wantVersion("2")
	m.begin()
	m.wantMenu("1 2+0-2") // its last try
	m.complete()
	m.wantMenu("2 1")
	m.wantFailed("")

	// With its last try it stands behind the other one, until it has passed.
	m.tries = 1
	m.push(v("3"))
	m.mustUpgrade()
	m.must(m.finalize())
	m.startSoftly()
	m.wantVersion("3")
	m.begin()
	m.wantMenu("2 3+0-1")
	if after := m.fail("y"); after != GiveUp {
		t.Errorf("after %d", after)
	}
	m.startNext()
	m.wantVersion("2")
	m.begin()
	m.wantMenu("2")
	m.wantFailed("y", "3")
}

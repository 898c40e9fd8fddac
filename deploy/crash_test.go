package deploy

import (
	"context"
	"fmt"
	"testing"

	"github.com/bootc-go/bootc/bootloader/bootloadertest"
)

// scenes are the hosts on which an upgrade to want is cut short; old is what runs.
var scenes = []struct {
	name      string
	make      func(t *testing.T) (*machine, *bootloadertest.Fake)
	old, want string
}{
	{"first upgrade", func(t *testing.T) (*machine, *bootloadertest.Fake) {
		m, fake := fakeMachine(t, v("1"))
		m.push(osVersion{version: "2", kernel: "another"})
		return m, fake
	}, "1", "2"},
	{"with a staged one, and one to roll back to", func(t *testing.T) (*machine, *bootloadertest.Fake) {
		m, fake := fakeMachine(t, v("1"))
		m.push(v("2"))
		m.mustUpgrade()
		m.reboot()
		m.push(osVersion{version: "3", kernel: "third"})
		m.mustUpgrade()
		m.push(osVersion{version: "4", kernel: "fourth"})
		return m, fake
	}, "2", "4"},
	{"back to the image before", func(t *testing.T) (*machine, *bootloadertest.Fake) {
		m, fake := fakeMachine(t, v("1"))
		m.push(osVersion{version: "2", kernel: "another"})
		m.mustUpgrade()
		m.reboot()
		m.push(v("1"))
		return m, fake
	}, "2", "1"},
}

// after is what follows on a cut.
type after struct {
	name string
	boot bool // the power failed; else the program was killed
}

var afters = []after{{"power cut", true}, {"kill", false}}

// stageSteps stages what the spec names, up to the n-th step, and returns how many
// there are.
func (m *machine) stageSteps(n int) (total int) {
	m.t.Helper()
	m.must(m.with(func(s *Sysroot) error {
		ctx := m.t.Context()
		t, err := s.Spec()
		m.must(err)
		u, err := s.Check(ctx, t)
		m.must(err)
		defer u.Close()
		st := &staging{s: s, u: u, out: &Staged{}}
		for _, do := range []func(context.Context) error{st.decide, st.fetch, st.prepare} {
			m.must(do(ctx))
		}
		steps := st.steps()
		total = len(steps)
		return s.run(ctx, steps[:min(n, total)])
	}))
	return total
}

// finalizeSteps applies what is staged, up to the n-th step.
func (m *machine) finalizeSteps(n int) (total int) {
	m.t.Helper()
	m.must(m.with(func(s *Sysroot) error {
		f, err := s.finalizing(m.t.Context())
		m.must(err)
		steps := f.steps()
		total = len(steps)
		return s.run(m.t.Context(), steps[:min(n, total)])
	}))
	return total
}

// goesOn makes sure that a host that was cut short boots old or want, upgrades to
// want without anybody's help, and that nothing is left behind.
func (m *machine) goesOn(a after, old, want string) {
	m.t.Helper()
	if a.boot {
		m.boot()
		if got := m.version(); got != old && got != want {
			m.t.Fatalf("booted %q", got)
		}
	} else {
		m.checkWhole(m.booted.ID)
	}
	if m.version() != want {
		if _, err := m.upgrade(StageOptions{}); err != nil {
			m.t.Fatalf("the next upgrade: %v", err)
		}
		m.reboot()
	}
	if got := m.version(); got != want {
		m.t.Fatalf("after the next upgrade: booted %q, want %q", got, want)
	}
	if got := m.readEtc("hostname"); got != "mine\n" {
		m.t.Errorf("/etc/hostname: %q", got)
	}
	m.gc()
	m.gcIsNoOp()
	m.fsck()
	for _, e := range m.status().Status.OtherDeployments {
		m.t.Errorf("unexpected deployment %+v", e)
	}
	if got := m.states(); len(got) != 2 {
		m.t.Errorf("states: %v", got)
	}
	if n := m.tags(); n != 2 {
		m.t.Errorf("%d tags", n)
	}
}

// TestCutStaging ends staging after each number of its steps.
func TestCutStaging(t *testing.T) {
	t.Parallel()
	for _, scene := range scenes {
		m, _ := scene.make(t)
		total := m.stageSteps(0)
		if total < 5 {
			t.Errorf("%s: only %d steps", scene.name, total)
		}
		for _, a := range afters {
			for n := range total + 1 {
				t.Run(fmt.Sprintf("%s/%s after %d of %d steps", scene.name, a.name, n, total), func(t *testing.T) {
					t.Parallel()
					m, _ := scene.make(t)
					m.writeEtc("hostname", "mine\n")
					m.stageSteps(n)
					if a.boot {
						m.boot()
						if got := m.version(); got != scene.old {
							t.Fatalf("booted %q before it was finalized", got)
						}
						if m.status().Status.Staged != nil {
							t.Error("something is staged after a power cut")
						}
					}
					m.goesOn(after{a.name, false}, scene.old, scene.want)
				})
			}
		}
	}
}

// TestCutFinalizing ends finalizing after each number of its steps.
func TestCutFinalizing(t *testing.T) {
	t.Parallel()
	for _, scene := range scenes {
		m, _ := scene.make(t)
		m.mustUpgrade()
		total := m.finalizeSteps(0)
		for _, a := range afters {
			for n := range total + 1 {
				t.Run(fmt.Sprintf("%s/%s after %d of %d steps", scene.name, a.name, n, total), func(t *testing.T) {
					t.Parallel()
					m, fake := scene.make(t)
					m.writeEtc("hostname", "mine\n")
					m.mustUpgrade()
					m.finalizeSteps(n)
					next := scene.old
					if n >= 3 {
						next = scene.want
					}
					e, _ := fake.Boot()
					if got := m.versionOf(e.ID); got != next {
						t.Errorf("%q boots next, want %q", got, next)
					}
					m.checkWhole(e.ID)
					if !a.boot {
						m.reboot()
					}
					m.goesOn(a, scene.old, scene.want)
				})
			}
		}
	}
}

// TestCutByTheLoader cuts the power at each durable step of the boot loader, of a
// whole life from the check to the collection of garbage.
func TestCutByTheLoader(t *testing.T) {
	t.Parallel()
	for _, scene := range scenes {
		m, fake := scene.make(t)
		before := fake.Steps()
		m.mustUpgrade()
		m.must(m.finalize())
		total := fake.Steps() - before
		if total < 5 {
			t.Errorf("%s: only %d durable steps", scene.name, total)
		}
		for n := range total {
			t.Run(fmt.Sprintf("%s/step %d", scene.name, n+1), func(t *testing.T) {
				t.Parallel()
				m, fake := scene.make(t)
				m.writeEtc("hostname", "mine\n")
				fake.PanicAt(n + 1)
				if !powerCut(func() {
					m.mustUpgrade()
					m.must(m.finalize())
				}) {
					t.Fatal("the power was not cut")
				}
				m.goesOn(after{"power cut", true}, scene.old, scene.want)
			})
		}
	}
}

// TestLoaderFails lets each durable step of the boot loader fail: the host boots
// what it did, and nothing is left.
func TestLoaderFails(t *testing.T) {
	t.Parallel()
	for _, scene := range scenes {
		m, fake := scene.make(t)
		before := fake.Steps()
		m.mustUpgrade()
		for n := range fake.Steps() - before {
			t.Run(fmt.Sprintf("%s/step %d", scene.name, n+1), func(t *testing.T) {
				t.Parallel()
				m, fake := scene.make(t)
				m.writeEtc("hostname", "mine\n")
				fake.FailAt(n + 1)
				if _, err := m.upgrade(StageOptions{}); err == nil && len(m.said) == 0 {
					t.Error("nobody heard of it")
				}
				fake.FailAt(0)
				e, ok := fake.Boot()
				if !ok || m.versionOf(e.ID) != scene.old {
					t.Errorf("boots %v", e.Title)
				}
				m.goesOn(after{"error", false}, scene.old, scene.want)
			})
		}
	}
}

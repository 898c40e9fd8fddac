package deploy

import (
	"errors"
	"slices"
	"testing"

	"github.com/bootc-go/bootc/bootloader"
	"github.com/bootc-go/bootc/kargs"
)

func (m *machine) setOptions(source, line string) (changed bool, err error) {
	m.t.Helper()
	err = m.with(func(s *Sysroot) error {
		changed, err = s.SetOptions(m.t.Context(), source, kargs.Parse(line), true)
		return err
	})
	return changed, err
}

func (m *machine) mustSetOptions(source, line string) {
	m.t.Helper()
	changed, err := m.setOptions(source, line)
	m.must(err)
	if !changed {
		m.t.Errorf("nothing changed for %s", source)
	}
}

// nextLine is the command line that the firmware would start, but for its root.
func (m *machine) nextLine() string {
	m.t.Helper()
	menu, err := m.loader.Menu()
	m.must(err)
	root := menu[0].Root.Arg()
	return menu[0].Options.Without(root).String()
}

// TestSetOptions: the entry changes with the shutdown, and nothing else does: not /etc,
// not what there is to roll back to.
func TestSetOptions(t *testing.T) {
	t.Parallel()
	m := twoDeployments(t)
	line := m.nextLine()
	m.mustSetOptions("tuned", "isolcpus=1-3")
	m.wantPicture("staged 2 | booted 2 | rollback 1")
	if got := m.nextLine(); got != line {
		t.Errorf("the live menu has %q", got)
	}
	m.boot() // the power fails
	m.wantPicture("booted 2 | rollback 1")
	m.mustSetOptions("tuned", "isolcpus=1-3")
	m.writeEtc("hostname", "edited\n")
	m.gc()
	m.reboot()
	m.wantPicture("booted 2 | rollback 1")
	if got, want := m.nextLine(), line+" isolcpus=1-3"; got != want || m.readEtc("hostname") != "edited\n" {
		t.Errorf("runs with %q, want %q; /etc/hostname is %q", got, want, m.readEtc("hostname"))
	}
	m.gcIsNoOp()

	// As before is nothing staged.
	m.mustSetOptions("tuned", "a")
	m.mustSetOptions("tuned", "isolcpus=1-3")
	m.wantPicture("booted 2 | rollback 1")
	if changed, err := m.setOptions("tuned", "isolcpus=1-3"); changed || err != nil {
		t.Errorf("changed %t, %v", changed, err)
	}
	if _, err := m.setOptions("tuned", m.booted.Arg().Key()+"="+m.booted.ID.String()); err == nil {
		t.Error("a source names the deployment")
	}
}

// TestSetOptionsAndUpdates: they go along with updates, staged before or after.
func TestSetOptionsAndUpdates(t *testing.T) {
	t.Parallel()
	m, _ := fakeMachine(t, osVersion{version: "1", kargs: `["of-1"]`})
	m.mustSetOptions("before", "b")
	m.push(osVersion{version: "2", kargs: `["of-2"]`})
	m.mustUpgrade()
	m.wantPicture("staged 2 | booted 1")
	m.mustSetOptions("after", "a")
	m.wantPicture("staged 2 | booted 1")
	m.push(osVersion{version: "3", kargs: `["of-3"]`})
	m.mustUpgrade()
	m.must(m.pin(m.booted.ID, true))
	m.reboot()
	m.wantPicture("booted 3 | rollback 1*")
	if got, want := m.nextLine(), "root=UUID=x rw local of-3 b a"; got != want {
		t.Errorf("runs with %q, want %q", got, want)
	}
	menu, err := m.loader.Menu()
	m.must(err)
	if got := menu[0].Sources(); !slices.Equal(got, []string{"before", "after"}) {
		t.Errorf("sources %q", got)
	}

	// One that is dropped before the update runs is dropped from it.
	m.must(m.with(func(s *Sysroot) error {
		_, err := s.SetOptions(t.Context(), "before", nil, false)
		return err
	}))
	m.push(osVersion{version: "4"})
	m.mustUpgrade()
	m.reboot()
	if got, want := m.nextLine(), "root=UUID=x rw local a"; got != want {
		t.Errorf("runs with %q, want %q", got, want)
	}

	// What is only downloaded is not let through.
	m.push(v("5"))
	if _, err := m.upgrade(StageOptions{DownloadOnly: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := m.setOptions("after", "x"); !errors.Is(err, ErrLocked) {
		t.Errorf("error %v, want %v", err, ErrLocked)
	}
}

// TestSetOptionsPowerCut cuts the power at each step of staging and finalizing: the
// host starts with the old arguments or with the new ones, and its /etc is whole.
func TestSetOptionsPowerCut(t *testing.T) {
	t.Parallel()
	for n := 1; ; n++ {
		m, fake := fakeMachine(t, v("1"))
		m.writeEtc("hostname", "edited\n")
		old := m.nextLine()
		fake.PanicAt(n)
		cut := powerCut(func() {
			m.mustSetOptions("tuned", "new")
			m.must(m.finalize())
		})
		fake.PanicAt(1 << 30)
		m.boot()
		if got := m.nextLine(); got != old && got != old+" new" || m.readEtc("hostname") != "edited\n" {
			t.Errorf("cut at %d: runs with %q", n, got)
		}
		m.wantPicture("booted 1")
		if !cut {
			if got := m.nextLine(); got != old+" new" {
				t.Errorf("without a cut: runs with %q", got)
			}
			return
		}
	}
}

// TestSetOptionsQueued: they are those of what boots next.
func TestSetOptionsQueued(t *testing.T) {
	t.Parallel()
	m := twoDeployments(t)
	m.mustRollback(true)
	m.mustSetOptions("tuned", "x")
	m.wantPicture("staged 1 | booted 2 | rollback 1")
	m.writeEtc("hostname", "of 2\n")
	m.reboot()
	m.wantPicture("booted 1 | rollback 2")
	if m.readEtc("hostname") != "localhost\n" {
		t.Error("/etc was merged")
	}
	menu, err := m.loader.Menu()
	m.must(err)
	has := func(e bootloader.Entry) bool { _, ok := e.Source("tuned"); return ok }
	if !has(menu[0]) || has(menu[1]) {
		t.Errorf("menu: %v", menu)
	}
}

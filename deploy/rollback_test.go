package deploy

import (
	"errors"
	"maps"
	"testing"

	"github.com/bootc-go/bootc/composefs/verity"
)

func (m *machine) rollback() (res *RollbackResult, err error) {
	m.t.Helper()
	err = m.with(func(s *Sysroot) (err error) {
		res, err = s.Rollback(m.t.Context())
		return err
	})
	return res, err
}

func (m *machine) mustRollback(queued bool) {
	m.t.Helper()
	res, err := m.rollback()
	m.must(err)
	if res.Queued != queued {
		m.t.Errorf("rollback %+v: queued should be %t", res, queued)
	}
}

func (m *machine) delete(id verity.Digest) error {
	return m.with(func(s *Sysroot) error { return s.Delete(m.t.Context(), id) })
}

func (m *machine) pin(id verity.Digest, pinned bool) error {
	return m.with(func(s *Sysroot) error { return s.Pin(m.t.Context(), id, pinned) })
}

// twoDeployments runs 2 and can roll back to 1.
func twoDeployments(t *testing.T) *machine {
	m, _ := fakeMachine(t, v("1"))
	m.push(osVersion{version: "2", kernel: "another"})
	m.mustUpgrade()
	m.reboot()
	return m
}

func TestRollback(t *testing.T) {
	t.Parallel()
	m := twoDeployments(t)
	m.writeEtc("hostname", "of 2\n")
	m.mustRollback(true)
	m.wantPicture("booted 2 | rollback 1 | queued")
	m.mustRollback(false)
	m.wantPicture("booted 2 | rollback 1")
	m.mustRollback(true)
	m.reboot()
	m.wantPicture("booted 1 | rollback 2")
	if got := m.readEtc("hostname"); got != "localhost\n" {
		t.Errorf("/etc of 1 was changed: %q", got)
	}
	m.mustRollback(true)
	m.reboot()
	m.wantPicture("booted 2 | rollback 1")
	if got := m.readEtc("hostname"); got != "of 2\n" {
		t.Errorf("/etc of 2 was changed: %q", got)
	}
	m.gcIsNoOp()
}

func TestRollbackAlone(t *testing.T) {
	t.Parallel()
	m, _ := fakeMachine(t, v("1"))
	if _, err := m.rollback(); !errors.Is(err, ErrNoRollback) {
		t.Errorf("error %v", err)
	}
}

// TestRollbackDropsStaged, and what only it needed is collected.
func TestRollbackDropsStaged(t *testing.T) {
	t.Parallel()
	m := twoDeployments(t)
	m.push(osVersion{version: "3", kernel: "third"})
	m.mustUpgrade()
	m.wantPicture("staged 3 | booted 2 | rollback 1")
	m.mustRollback(true)
	m.wantPicture("booted 2 | rollback 1 | queued")
	m.gcIsNoOp()
	if n := m.tags(); n != 2 {
		t.Errorf("%d tags", n)
	}
	m.reboot()
	m.wantPicture("booted 1 | rollback 2")
	m.mustUpgrade()
	m.reboot()
	m.wantPicture("booted 3 | rollback 1")
	m.gcIsNoOp()
}

// TestStagedOverQueued stages while a rollback is queued: what is staged boots next, and
// status says so; one more rollback drops it, and is queued.
func TestStagedOverQueued(t *testing.T) {
	t.Parallel()
	m := twoDeployments(t)
	m.push(v("3"))
	m.mustRollback(true)
	m.mustUpgrade()
	m.wantPicture("staged 3 | booted 2 | rollback 1")
	m.mustRollback(true)
	m.wantPicture("booted 2 | rollback 1 | queued")
	if _, err := m.upgrade(StageOptions{DownloadOnly: true}); err != nil {
		t.Fatal(err)
	}
	m.wantPicture("staged 3# | booted 2 | rollback 1 | queued")
	m.mustRollback(false)
	m.wantPicture("booted 2 | rollback 1")
}

// TestThreeDeployments rolls back where a pinned one is the third, and upgrades from
// whichever runs.
func TestThreeDeployments(t *testing.T) {
	t.Parallel()
	m := twoDeployments(t)
	m.must(m.pin(m.id("1"), true))
	m.push(osVersion{version: "3", kernel: "third"})
	m.mustUpgrade()
	m.wantPicture("staged 3 | booted 2 | rollback 1*")
	m.reboot()
	m.wantPicture("booted 3 | rollback 2 | other 1*")
	m.mustRollback(true)
	m.wantPicture("booted 3 | rollback 2 | other 1* | queued")
	m.mustRollback(false)
	m.wantPicture("booted 3 | rollback 2 | other 1*")
	m.mustRollback(true)
	m.reboot()
	m.wantPicture("booted 2 | rollback 3 | other 1*")
	m.push(v("4"))
	m.mustUpgrade()
	m.reboot()
	m.wantPicture("booted 4 | rollback 2 | other 1*")
	m.must(m.pin(m.id("1"), false))
	m.push(v("5"))
	m.mustUpgrade()
	m.reboot()
	m.wantPicture("booted 5 | rollback 4")
	m.gcIsNoOp()
	m.fsck()
}

// TestMenuChosenByHand boots the second entry without any rollback being queued: the
// first one still boots next, which is what queued means.
func TestMenuChosenByHand(t *testing.T) {
	t.Parallel()
	m := twoDeployments(t)
	menu, err := m.loader.Menu()
	m.must(err)
	m.bootEntry(menu[1])
	m.wantPicture("booted 1 | rollback 2 | queued")
	m.mustRollback(false)
	m.wantPicture("booted 1 | rollback 2")
	m.push(v("3"))
	m.mustUpgrade()
	m.reboot()
	m.wantPicture("booted 3 | rollback 1")
}

// TestPinStaged: what is pinned or unpinned while something is staged counts for the
// menu that comes.
func TestPinStaged(t *testing.T) {
	t.Parallel()
	m := twoDeployments(t)
	m.push(v("3"))
	m.mustUpgrade()
	one := m.id("1")
	m.must(m.pin(one, true))
	m.must(m.pin(one, false))
	m.must(m.pin(one, true))
	m.must(m.pin(m.id("3"), true))
	m.reboot()
	m.wantPicture("booted 3* | rollback 2 | other 1*")
	if err := m.pin(verity.Sum(verity.SHA512, nil), true); !errors.Is(err, ErrNotFound) {
		t.Errorf("unknown id: %v", err)
	}
}

func TestDelete(t *testing.T) {
	t.Parallel()
	m := twoDeployments(t)
	if err := m.delete(m.booted.ID); !errors.Is(err, ErrBooted) || err.Error() != "cannot delete currently booted deployment" {
		t.Errorf("booted: %v", err)
	}
	if err := m.delete(verity.Sum(verity.SHA512, nil)); !errors.Is(err, ErrNotFound) {
		t.Errorf("unknown: %v", err)
	}
	m.push(osVersion{version: "3", kernel: "third"})
	m.mustUpgrade()
	m.must(m.delete(m.id("1"))) // does not unstage
	m.wantPicture("staged 3 | booted 2")
	m.gcIsNoOp()
	m.must(m.delete(m.id("3")))
	m.wantPicture("booted 2")
	m.gcIsNoOp()
	if n := m.tags(); n != 1 {
		t.Errorf("%d tags", n)
	}
	m.mustUpgrade()
	m.reboot()
	m.wantPicture("booted 3 | rollback 2")
}

// TestDeleteQueued un-queues.
func TestDeleteQueued(t *testing.T) {
	t.Parallel()
	m := twoDeployments(t)
	m.mustRollback(true)
	m.must(m.delete(m.id("1")))
	m.wantPicture("booted 2")
	m.reboot()
	m.wantPicture("booted 2")
	m.gcIsNoOp()
}

// TestSharedKernelSurvives the deployment that brought it.
func TestSharedKernelSurvives(t *testing.T) {
	t.Parallel()
	m, fake := fakeMachine(t, v("1"))
	for _, version := range []string{"2", "3", "4"} {
		m.push(v(version))
		m.mustUpgrade()
		m.reboot()
	}
	m.wantPicture("booted 4 | rollback 3")
	if got := fake.Kernels(); len(got) != 1 {
		t.Errorf("kernels: %v", got)
	}
	m.gcIsNoOp()
}

// TestDeleteFirstFromTheThird makes that which runs boot next, not that which happens
// to be the second.
func TestDeleteFirstFromTheThird(t *testing.T) {
	t.Parallel()
	m := twoDeployments(t)
	m.must(m.pin(m.id("1"), true))
	m.push(v("3"))
	m.mustUpgrade()
	m.reboot()
	menu, err := m.loader.Menu()
	m.must(err)
	m.bootEntry(menu[2])
	m.wantPicture("booted 1* | rollback 3 | other 2 | queued")
	m.must(m.delete(m.id("3")))
	m.wantPicture("booted 1* | rollback 2")
}

// TestCutRollback kills a rollback at each step of the boot loader, where the staged
// deployment is the very one to roll back to: it is dropped, or staged as before.
func TestCutRollback(t *testing.T) {
	t.Parallel()
	for n := 1; ; n++ {
		m, fake := scenes[2].make(t)
		m.mustUpgrade()
		m.wantPicture("staged 1 | booted 2 | rollback 1")
		fake.PanicAt(n)
		if !powerCut(func() { m.mustRollback(true) }) {
			break
		}
		if got := m.picture(); got != "booted 2 | rollback 1" && got != "booted 2 | rollback 1 | queued" {
			t.Errorf("after step %d: %s", n, got)
		}
		m.must(m.finalize())
		m.boot()
		m.gc()
		m.gcIsNoOp()
	}
}

// TestRestagedKeepsItsEtc: a deployment to roll back to whose image is staged anew has
// the /etc that it had until the shutdown, and the merged one from then on.
func TestRestagedKeepsItsEtc(t *testing.T) {
	t.Parallel()
	for _, cut := range []bool{true, false} {
		m, _ := fakeMachine(t, v("1"))
		m.writeEtc("note", "of 1")
		m.push(v("2"))
		m.mustUpgrade()
		m.reboot()
		m.writeEtc("note", "of 2")
		m.push(v("1"))
		m.mustUpgrade()
		want := "of 2"
		if cut {
			menu, err := m.loader.Menu()
			m.must(err)
			m.bootEntry(menu[1])
			want = "of 1"
		} else {
			m.reboot()
		}
		if got := m.readEtc("note"); got != want || m.version() != "1" {
			t.Errorf("cut %t: version %s, /etc/note %q, want %q", cut, m.version(), got, want)
		}
		m.gc()
		m.gcIsNoOp()
	}
}

// TestRollbackAmongThree: with a pinned one in the menu there are three entries, and all
// of them stay what they are, by name and by content.
func TestRollbackAmongThree(t *testing.T) {
	t.Parallel()
	m := twoDeployments(t)
	m.must(m.pin(m.id("1"), true))
	m.push(v("3"))
	m.mustUpgrade()
	m.reboot()
	m.wantPicture("booted 3 | rollback 2 | other 1*")
	titles := func() map[verity.Digest]string {
		menu, err := m.loader.Menu()
		m.must(err)
		out := map[verity.Digest]string{}
		for _, e := range menu {
			out[e.ID] = e.OSID + " " + e.Title + " " + e.Options.String()
		}
		return out
	}
	before := titles()
	m.mustRollback(true)
	m.wantPicture("booted 3 | rollback 2 | other 1* | queued")
	m.reboot()
	m.wantPicture("booted 2 | rollback 3 | other 1*")
	m.mustRollback(true)
	m.mustRollback(false)
	m.wantPicture("booted 2 | rollback 3 | other 1*")
	if after := titles(); len(after) != 3 || !maps.Equal(before, after) {
		t.Errorf("the menu was %v and is %v", before, after)
	}
	m.gcIsNoOp()
}

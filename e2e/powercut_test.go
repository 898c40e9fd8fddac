package e2e

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/bootc-go/bootc/image/registrytest"
	"github.com/bootc-go/bootc/internal/testimage"
	"github.com/bootc-go/bootc/internal/testshare"
	"github.com/bootc-go/bootc/internal/testvm"
)

// TestPowerCut runs an upgrade and a rollback once, and then boots what a power cut would
// have left, at moments of the pull and the staging, of the finalizing, of the boot
// loader's counting, of the blessing and of the rollback: the old or the new system,
// whole and not given up, and the upgrade succeeds when it is repeated. The menu of
// systemd-boot lies on FAT, which keeps no journal. In a run of one share one or two of the
// moments are due, on one boot loader.
func TestPowerCut(t *testing.T) {
	t.Parallel()
	cutPower(t, platform{}, samples{staging: 1, finalizing: 1, rollback: 1}, 0)
}

// TestPowerCutGRUB is TestPowerCut where the menu lies on the root.
func TestPowerCutGRUB(t *testing.T) {
	t.Parallel()
	cutPower(t, platform{Loader: "grub", Firmware: testvm.BIOS}, samples{finalizing: 1}, 1)
}

// cutPower tries the cuts of a platform. The first two are of share place.
func cutPower(t *testing.T, p platform, n samples, place int) {
	t.Helper()
	n.skipUnlessDue(t, place)
	p = p.withDefaults()
	v2 := updateOfManyFiles(t, p)
	s := recordUpgrade(t, p, v2)
	for i, c := range s.cuts(t, n) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			testshare.SkipUnlessDue(t, place+turn(i))
			survive(t, p, s.disk.Cut(t, c.moment, c.cache()), v2, c.mayLeave)
		})
	}
}

// updateOfManyFiles takes a while to pull.
func updateOfManyFiles(t testing.TB, p platform) testimage.Image {
	t.Helper()
	entries := []registrytest.Entry{registrytest.File("usr/share/os-version", "2\n"), registrytest.File("etc/untouched", "default of v2\n")}
	for i := range 200 {
		entries = append(entries, registrytest.File(fmt.Sprintf("usr/share/many/%d", i), registrytest.Random(uint64(i), 20<<10)))
	}
	return testimage.Append(t, os1(t, p), entries, nil)
}

// story is what was written to a disk during an upgrade and a rollback. Its moments are
// those after which the name is true.
type story struct {
	disk *testvm.CutDisk

	began, staged, down, up, blessed, rolledBack int
}

func recordUpgrade(t *testing.T, p platform, v2 testimage.Image) story {
	t.Helper()
	s := story{disk: testvm.NewCutDisk(t, installed(t, p))}
	h := bootDisk(t, p, s.disk.URL())
	h.serve(v2)
	h.Run("echo local >/etc/edited; sync")
	s.began = s.disk.Now()
	h.Run("bootc upgrade --quiet")
	s.staged = s.disk.Now()
	h.Go("systemctl reboot")
	h.WaitConsole("reboot: Restarting system")
	s.down = s.disk.Now()
	h.WaitAgent()
	s.up = s.disk.Now()
	h.WaitWell()
	h.wants("cat /usr/share/os-version", "2")
	s.blessed = s.disk.Now()
	h.Run("bootc rollback")
	s.rolledBack = s.disk.Now()
	h.Kill()
	return s
}

// samples are how many moments are tried of the phases that have many.
type samples struct{ staging, finalizing, rollback int }

// skipUnlessDue ends the test if none of its cuts is due. The first two are of share place.
func (s samples) skipUnlessDue(t *testing.T, place int) {
	t.Helper()
	for i := range 3 + s.staging + s.finalizing + 1 + s.rollback {
		if testshare.Due(t, place+turn(i)) {
			return
		}
	}
	testshare.SkipUnlessDue(t, place)
}

// turn is the offset of the cut number i from the first share of its loader: 0, 0, 2, 2, 4, 4,
// 6. The shares between belong to the other loader.
func turn(i int) int { return i / 2 * 2 }

// cut is a moment of a story.
type cut struct {
	name     string
	moment   int
	mayLeave string // versions, one of which boots
	promised bool   // what was not flushed is lost, all of it
}

// cache decides what becomes of what was not flushed.
func (c cut) cache() *rand.Rand {
	if c.promised {
		return nil
	}
	return rand.New(rand.NewPCG(uint64(c.moment), 0))
}

// cuts are some moments of the story: before flushes, when most is at stake; behind the
// first write of the boot loader; and when bootc said that something is done.
func (s story) cuts(t *testing.T, n samples) []cut {
	t.Helper()
	all := []cut{
		{name: "finalized", moment: s.down, mayLeave: "2", promised: true},
		{name: "counting", moment: s.disk.Writes(s.down, s.up)[1], mayLeave: "2"},
		{name: "rolled-back", moment: s.rolledBack, mayLeave: "1", promised: true},
	}
	for _, phase := range []struct {
		name     string
		from, to int
		n        int
		mayLeave string
	}{
		{"staging", s.began, s.staged, n.staging, "1"},
		{"finalizing", s.staged, s.down, n.finalizing, "1 2"},
		{"blessing", s.up, s.blessed, 1, "2"},
		{"rollback", s.blessed, s.rolledBack, n.rollback, "1 2"},
	} {
		flushes := s.disk.Flushes(phase.from, phase.to)
		if len(flushes) == 0 {
			t.Errorf("%s: nothing was flushed", phase.name)
			continue
		}
		for i := range phase.n {
			moment := flushes[(i+1)*(len(flushes)-1)/(phase.n+1)]
			all = append(all, cut{name: fmt.Sprintf("%s-%d-of-%d", phase.name, i+1, phase.n), moment: moment, mayLeave: phase.mayLeave})
		}
	}
	return all
}

// survive boots the disk, and repeats the upgrade.
func survive(t *testing.T, p platform, disk string, v2 testimage.Image, mayLeave string) {
	t.Helper()
	h := bootDisk(t, p, disk)
	h.serve(v2)
	found := strings.TrimSpace(h.Run("cat /usr/share/os-version"))
	t.Logf("the power cut left version %s", found)
	if !strings.Contains(mayLeave, found) {
		t.Errorf("the power cut left version %s, want %s", found, mayLeave)
	}
	if s := h.status(); len(s.FailedUpdates) != 0 || s.Booted.Trial != nil {
		t.Errorf("the power cut counts as a failure: %+v, on trial: %+v", s.FailedUpdates, s.Booted.Trial)
	}
	h.Run("bootc internals cfs --repo /sysroot/composefs fsck")
	switch found {
	case "1":
		h.wants("cat /etc/edited /etc/untouched", "local", "default of v1")
		h.Run("bootc upgrade --quiet")
		h.Reboot("systemctl reboot")
	case "2":
		h.wants("bootc upgrade --quiet", "No changes in: "+followed)
	}
	h.wants("cat /usr/share/os-version", "2")
	h.wants("cat /etc/edited /etc/untouched", "local", "default of v2")
	h.wants("find /usr/share/many -type f | xargs cat | wc -c", fmt.Sprint(200*20<<10))
	checkClean(t, h)
	h.PowerOff()
}

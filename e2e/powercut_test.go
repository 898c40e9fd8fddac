package e2e

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/bootc-go/bootc/image/registrytest"
	"github.com/bootc-go/bootc/internal/testimage"
	"github.com/bootc-go/bootc/internal/testvm"
)

// TestPowerCut runs an upgrade once, and then boots what a power cut would have
// left, at moments of the pull, the staging and the finalizing: the old or the
// new system, whole, and the upgrade succeeds when it is repeated. On systemd-boot
// the menu lies on FAT, which keeps no journal; on GRUB, on the root.
func TestPowerCut(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		platform
		staging, finalizing int // how many moments of each
	}{
		"systemd": {platform{}, 3, 3},
		"grub":    {platform{Loader: "grub", Firmware: testvm.BIOS}, 1, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := tt.withDefaults()
			v2 := updateOfManyFiles(t, p)
			s := recordUpgrade(t, p, v2)
			for _, c := range s.cuts(tt.staging, tt.finalizing) {
				t.Run(c.name, func(t *testing.T) {
					t.Parallel()
					survive(t, p, s.disk.Cut(t, c.moment, rand.New(rand.NewPCG(uint64(c.moment), 0))), v2)
				})
			}
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

// story is what was written to a disk during an upgrade.
type story struct {
	disk                   *testvm.CutDisk
	began, staged, applied int // moments: before the upgrade, after it, when the new system was up
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
	h.Reboot("systemctl reboot")
	h.wants("cat /usr/share/os-version", "2")
	s.applied = s.disk.Now()
	h.Kill()
	return s
}

// cut is a moment of a story.
type cut struct {
	name   string
	moment int
}

// cuts are some moments of the story: before flushes, when most is at stake.
func (s story) cuts(staging, finalizing int) []cut {
	var all []cut
	for _, phase := range []struct {
		name     string
		from, to int
		n        int
	}{{"staging", s.began, s.staged, staging}, {"finalizing", s.staged, s.applied, finalizing}} {
		flushes := s.disk.Flushes(phase.from, phase.to)
		for i := range phase.n {
			all = append(all, cut{fmt.Sprintf("%s-%d-of-%d", phase.name, i+1, phase.n), flushes[(i+1)*(len(flushes)-1)/(phase.n+1)]})
		}
	}
	return all
}

// survive boots the disk, and repeats the upgrade.
func survive(t *testing.T, p platform, disk string, v2 testimage.Image) {
	t.Helper()
	h := bootDisk(t, p, disk)
	h.serve(v2)
	found := strings.TrimSpace(h.Run("cat /usr/share/os-version"))
	t.Logf("the power cut left version %s", found)
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

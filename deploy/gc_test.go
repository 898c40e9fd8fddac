package deploy

import (
	"os"
	"slices"
	"testing"

	"github.com/bootc-go/bootc/bootloader/bootloadertest"
	"github.com/bootc-go/bootc/composefs/oci"
	"github.com/bootc-go/bootc/composefs/repo"
)

// TestGCWithoutMenu: where the boot entries are not seen, on a partition that is not
// mounted for instance, everything would look like garbage.
func TestGCWithoutMenu(t *testing.T) {
	t.Parallel()
	m := twoDeployments(t)
	seen := m.loader
	m.loader = bootloadertest.NewFake()
	err := m.with(func(s *Sysroot) error {
		_, err := s.GC(t.Context(), GCOptions{})
		return err
	})
	if err == nil {
		t.Error("no error")
	}
	m.loader = seen
	m.wantPicture("booted 2 | rollback 1")
	m.gcIsNoOp()
}

// TestGC removes exactly what a dry run names, and nothing that is somebody else's.
func TestGC(t *testing.T) {
	t.Parallel()
	m := twoDeployments(t)
	stranger := bootloadertest.ID("stranger").String()
	m.must(mkdir(m.path(stateDir, stranger)))
	m.must(mkdir(m.path(stateDir, "lost+found")))
	old := m.booted.ID
	r, err := repo.Open(t.Context(), m.path(repoDir), repo.OpenOptions{})
	m.must(err)
	m.must(oci.Tag(r, m.pushed.Descriptor.Digest, "localhost/mine"))
	m.must(oci.Tag(r, m.pushed.Descriptor.Digest, tagPrefix+"sha256:stale"))
	r.Close()
	collect := func(dry bool) (res GCResult) {
		m.must(m.with(func(s *Sysroot) (err error) {
			res, err = s.GC(t.Context(), GCOptions{DryRun: dry})
			return err
		}))
		return res
	}
	for _, dry := range []bool{true, true, false} {
		res := collect(dry)
		if !slices.Equal(res.States, []string{stranger}) || !slices.Equal(res.Tags, []string{tagPrefix + "sha256:stale"}) {
			t.Errorf("dry run %t: %+v", dry, res)
		}
	}
	m.gcIsNoOp()
	if n := m.tags(); n != 3 {
		t.Errorf("%d tags", n)
	}
	m.checkWhole(old)
}

// TestGCKeepsWhatRuns even if nobody knows any more from which image it is.
func TestGCKeepsWhatRuns(t *testing.T) {
	t.Parallel()
	m := twoDeployments(t)
	for _, version := range []string{"1", "2"} {
		m.must(os.Remove(m.path(stateDir, originName(m.id(version)))))
		m.gc()
	}
	menu, err := m.loader.Menu()
	m.must(err)
	if len(menu) != 2 || m.tags() != 0 {
		t.Errorf("%d entries, %d tags", len(menu), m.tags())
	}
	for _, e := range menu {
		m.checkImage(e.ID)
	}
	m.fsck()
}

package repo

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/verity"
)

// TestRepairSparesWhatItCannotJudge makes the n-th question for a digest fail,
// for every n: with an error of the moment nothing may be removed, and the
// check is no check.
func TestRepairSparesWhatItCannotJudge(t *testing.T) {
	k := fakeVerity(t)
	measure, asked, failAt, failure := k.measure, 0, 0, error(nil)
	k.syncfs = noSync().syncfs
	k.measure = func(f *os.File) (verity.Digest, error) {
		if asked++; asked == failAt {
			return verity.Digest{}, &os.PathError{Op: "measure", Path: f.Name(), Err: failure}
		}
		return measure(f)
	}
	s := newSpecimen(t, Config{}, k)
	before := files(t, s.Repo)
	asked = 0
	check(t, s.Repo)
	all := asked
	for _, failure = range []error{unix.ENOMEM, unix.EACCES} {
		for failAt = 1; failAt <= all; failAt++ {
			asked = 0
			if _, err := s.Fsck(t.Context(), FsckOptions{Workers: 1}); !errors.Is(err, failure) {
				t.Errorf("Fsck, question %d: error %v", failAt, err)
			}
			asked = 0
			if _, res, err := s.Repair(t.Context()); !errors.Is(err, failure) || res != (RepairResult{}) {
				t.Errorf("Repair, question %d: %+v, %v", failAt, res, err)
			}
		}
	}
	failure = unix.EINVAL // neither: reported, but not removed
	for failAt = 1; failAt <= all; failAt++ {
		asked = 0
		report, res, err := s.Repair(t.Context())
		if err != nil || report.OK() || res != (RepairResult{}) {
			t.Errorf("question %d: %+v, %v", failAt, res, err)
		}
	}
	if after := files(t, s.Repo); !slices.Equal(before, after) {
		t.Errorf("files were %v, are %v", before, after)
	}
}

func TestRepairGoesByLastingErrors(t *testing.T) {
	k := fakeVerity(t)
	measure, bad := k.measure, "none yet"
	k.syncfs = noSync().syncfs
	k.measure = func(f *os.File) (verity.Digest, error) {
		if f.Name() == bad {
			return verity.Digest{}, &os.PathError{Op: "measure", Path: f.Name(), Err: unix.EIO}
		}
		return measure(f)
	}
	r := initRepo(t, filepath.Join(t.TempDir(), "repo"), Config{}, k)
	bad = objectFile(r, put(t, r.NewImporter(), []byte("data")))
	if _, res, err := r.Repair(t.Context()); err != nil || res.Objects != 1 {
		t.Errorf("%+v, %v", res, err)
	}
}

func TestErrorsThatPass(t *testing.T) {
	for _, c := range []struct {
		err              error
		passing, lasting bool
	}{
		{nil, false, true},
		{errors.New("of ours"), false, true},
		{fmt.Errorf("%w: %w", ErrDamaged, unix.ENOMEM), true, false},
		{&os.PathError{Err: unix.EMFILE}, true, false},
		{&os.PathError{Err: unix.EIO}, false, true},
		{unix.EOVERFLOW, false, false},
		{fmt.Errorf("%w: %w", unix.EIO, unix.ENFILE), true, false},
	} {
		if passing(c.err) != c.passing || lasting(c.err) != c.lasting {
			t.Errorf("%v: passing %v, lasting %v", c.err, passing(c.err), lasting(c.err))
		}
	}
}

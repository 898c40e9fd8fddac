package deploy

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/etcmerge"
	"github.com/bootc-go/bootc/image/registrytest"
)

// TestFinalizeNothing is no error, whatever there is none of.
func TestFinalizeNothing(t *testing.T) {
	t.Parallel()
	m, fake := fakeMachine(t, v("1"))
	steps := fake.Steps()
	m.must(m.finalize())
	m.push(v("2"))
	m.mustUpgrade()
	m.boot() // a power cut: the staged menu is a leftover
	m.must(m.finalize())
	m.wantPicture("booted 1")
	if _, err := os.Stat(m.runPath("composefs")); !os.IsNotExist(err) {
		t.Errorf("/run/composefs: %v", err)
	}
	if e, _ := fake.Boot(); e.ID != m.booted.ID || fake.Steps() == steps {
		t.Errorf("boots %v", e.Title)
	}
}

// TestConflictAtShutdown: an edit made after staging stands in the way. The host
// boots what it ran, and nobody's edit is lost.
func TestConflictAtShutdown(t *testing.T) {
	t.Parallel()
	m, _ := fakeMachine(t, v("1"))
	m.push(osVersion{version: "2", extra: []registrytest.Entry{registrytest.Dir("etc/a")}})
	m.mustUpgrade()
	m.writeEtc("a", "late")
	if err := m.finalize(); !errors.Is(err, etcmerge.ErrConflict) {
		t.Errorf("error %v", err)
	}
	m.wantPicture("staged 2 | booted 1")
	m.boot()
	m.wantPicture("booted 1")
	missed := m.status().Status.MissedUpdate
	if missed == nil || missed.ImageDigest != m.pushed.Descriptor.Digest.String() || *missed.Version != "2" || !strings.HasSuffix(missed.Reason, "etc: File 'a' now defaults to a directory in new etc") {
		t.Errorf("missed: %+v", missed)
	}
	if got := m.readEtc("a"); got != "late" {
		t.Errorf("/etc/a: %q", got)
	}
	m.must(os.Remove(m.etcPath("a")))
	m.mustUpgrade()
	m.reboot()
	m.wantPicture("booted 2 | rollback 1")
	if missed := m.status().Status.MissedUpdate; missed != nil {
		t.Errorf("missed still: %+v", missed)
	}
}

// TestConflictThenMended in one and the same boot.
func TestConflictThenMended(t *testing.T) {
	t.Parallel()
	m, _ := fakeMachine(t, v("1"))
	m.push(osVersion{version: "2", extra: []registrytest.Entry{registrytest.Dir("etc/a")}})
	m.mustUpgrade()
	m.writeEtc("a", "late")
	if err := m.finalize(); err == nil {
		t.Error("no error")
	}
	m.must(os.Remove(m.etcPath("a")))
	m.reboot()
	m.wantPicture("booted 2 | rollback 1")
	m.gcIsNoOp()
}

// TestEtcIsTheOneMount: what is mounted below /etc is not carried over, what is under
// the mount is.
func TestEtcIsTheOneMount(t *testing.T) {
	t.Parallel()
	m, _ := fakeMachine(t, v("1"))
	m.must(mkdir(m.etcPath("secrets")))
	m.writeEtc("secrets/under", "the mount")
	mountTmpfs(t, m.etcPath("secrets"), "size=64k")
	m.writeEtc("secrets/token", "do not copy")
	m.push(v("2"))
	m.mustUpgrade()
	m.must(m.finalize())
	m.boot()
	if got := m.readEtc("secrets/under"); got != "the mount" {
		t.Errorf("under the mount: %q", got)
	}
	if _, err := os.Stat(m.etcPath("secrets/token")); !os.IsNotExist(err) {
		t.Errorf("what was mounted was copied: %v", err)
	}
}

// TestEtcAttributes come from the image, and those that were changed from the host.
func TestEtcAttributes(t *testing.T) {
	t.Parallel()
	m, _ := fakeMachine(t, v("1"))
	private := registrytest.File("etc/private", "secret")
	private.Mode, private.Uid, private.Gid = 0o640, 12, 34
	m.push(osVersion{version: "2", extra: []registrytest.Entry{private}})
	m.must(os.Chmod(m.etcPath("hostname"), 0o600))
	m.mustUpgrade()
	m.reboot()
	var st, other unix.Stat_t
	m.must(unix.Stat(m.etcPath("private"), &st))
	if st.Mode&0o7777 != 0o640 || st.Uid != 12 || st.Gid != 34 {
		t.Errorf("private: mode %o, owner %d:%d", st.Mode, st.Uid, st.Gid)
	}
	m.must(unix.Stat(m.etcPath("hostname"), &st))
	if st.Mode&0o7777 != 0o600 {
		t.Errorf("hostname: mode %o", st.Mode)
	}
	m.must(unix.Stat(m.etcPath("default/big"), &st))
	m.must(unix.Stat(m.etcPath("default/link"), &other))
	if st.Ino != other.Ino {
		t.Error("a hard link was copied twice")
	}
	if target, err := os.Readlink(m.etcPath("os-release")); target != "../usr/lib/os-release" {
		t.Errorf("link: %q, %v", target, err)
	}
}

// TestMergeBeginsAnew when something writes to /etc while it is merged.
func TestMergeBeginsAnew(t *testing.T) {
	t.Parallel()
	m, _ := fakeMachine(t, v("1"))
	m.push(v("2"))
	m.mustUpgrade()
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				path := m.etcPath("busy")
				if os.WriteFile(path, make([]byte, i%100), 0o644) != nil {
					return
				}
			}
		}
	}()
	err := m.finalize()
	close(stop)
	<-done
	// Whether it got through is a matter of luck; if it did, nothing is half merged.
	if err != nil && !errors.Is(err, etcmerge.ErrChanged) {
		t.Fatal(err)
	}
	if err != nil {
		m.must(m.finalize())
	}
	m.boot()
	m.wantPicture("booted 2 | rollback 1")
	if left, _ := filepath.Glob(m.path(stateDir, "*", "etc.*")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// TestConfigDiff shows what was changed and, once something is staged, what of it
// stands in the way.
func TestConfigDiff(t *testing.T) {
	t.Parallel()
	m, _ := fakeMachine(t, v("1"))
	diff := func() (added, modified, removed, conflicts int) {
		s, err := OpenReadOnly(t.Context(), m.system())
		m.must(err)
		defer s.Close()
		d, err := s.ConfigDiff(t.Context())
		m.must(err)
		return len(d.Added), len(d.Modified), len(d.Removed), len(d.Unmergable)
	}
	want := func(a, b, c, d int) {
		t.Helper()
		if w, x, y, z := diff(); w != a || x != b || y != c || z != d {
			t.Errorf("%d added, %d modified, %d removed, %d conflicts; want %d, %d, %d, %d", w, x, y, z, a, b, c, d)
		}
	}
	want(0, 0, 0, 0)
	m.writeEtc("hostname", "mine")
	m.must(os.Remove(m.etcPath("release")))
	want(0, 1, 1, 0)
	m.push(osVersion{version: "2", extra: []registrytest.Entry{registrytest.Dir("etc/a")}})
	m.mustUpgrade()
	m.writeEtc("a", "late")
	want(1, 1, 1, 1)
}

// TestKilledInTheMerge, with half of a merge on disk: the next one begins anew.
func TestKilledInTheMerge(t *testing.T) {
	t.Parallel()
	m, _ := fakeMachine(t, v("1"))
	m.push(v("2"))
	staged := m.mustUpgrade().ID.String()
	m.must(os.Rename(m.path(stateDir, staged, etcStaged), m.path(stateDir, staged, etcWork)))
	m.must(os.WriteFile(m.path(stateDir, staged, etcWork, "half"), nil, 0o600))
	m.must(os.Remove(m.path(stateDir, staged, etcWork, "release")))
	m.must(m.finalize())
	if _, err := os.Stat(m.runPath("composefs/staged-deployment")); !os.IsNotExist(err) {
		t.Errorf("the marker: %v", err)
	}
	m.boot()
	if got := m.readEtc("release"); got != "of 2\n" {
		t.Errorf("release: %q", got)
	}
	if _, err := os.Stat(m.etcPath("half")); !os.IsNotExist(err) {
		t.Errorf("a leftover: %v", err)
	}
}

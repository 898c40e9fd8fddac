package deploy

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/bootloader"
	"github.com/bootc-go/bootc/bootloader/bootloadertest"
	"github.com/bootc-go/bootc/composefs/verity"
	"github.com/bootc-go/bootc/host"
)

// TestStatusDocument of a host in full, field by field.
func TestStatusDocument(t *testing.T) {
	t.Parallel()
	m := twoDeployments(t)
	h := m.status()
	b := h.Status.Booted
	if h.Status.Type == nil || *h.Status.Type != host.BootcHost || h.Spec.BootOrder != host.BootDefault {
		t.Errorf("%+v", h)
	}
	want := m.target("os:latest").Ref
	if h.Spec.Image == nil || h.Spec.Image.Image != want.Name() || h.Spec.Image.Transport != "registry" || h.Spec.Image.Signature != nil {
		t.Errorf("spec %+v", h.Spec.Image)
	}
	im, cfs := b.Image, b.Composefs
	if *im.Version != "2" || im.Timestamp == nil || im.ImageDigest != m.pushed.Descriptor.Digest.String() || im.Architecture != "amd64" {
		t.Errorf("image %+v", im)
	}
	if cfs.Verity != m.booted.ID.String() || cfs.BootType != "Bls" || cfs.Bootloader != "systemd" || len(*cfs.BootDigest) != 64 || !cfs.MissingVerityAllowed {
		t.Errorf("composefs %+v", cfs)
	}
	m.mustRollback(true)
	if h := m.status(); h.Spec.BootOrder != host.BootRollback || !h.Status.RollbackQueued {
		t.Errorf("queued: %+v", h.Spec)
	}
	if _, err := h.JSON(); err != nil {
		t.Error(err)
	}
}

// TestCorruptedState: a status comes from whatever is left.
func TestCorruptedState(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		damage func(m *machine)
		want   string
	}{
		{"no state directory", func(m *machine) { m.must(os.RemoveAll(m.path(stateDir, m.id("1").String()))) }, "booted 2 | rollback ?"},
		{"no origin", func(m *machine) { m.must(os.Remove(m.path(stateDir, originName(m.id("1"))))) }, "booted 2 | rollback ?"},
		{"an empty origin", func(m *machine) { m.must(os.Truncate(m.path(stateDir, originName(m.id("1"))), 0)) }, "booted 2 | rollback ?"},
		{"no text", func(m *machine) {
			m.must(os.WriteFile(m.path(stateDir, originName(m.id("1"))), make([]byte, 100), 0o644))
		}, "booted 2 | rollback ?"},
		{"an origin that is a directory", func(m *machine) {
			name := m.path(stateDir, originName(m.id("1")))
			m.must(os.Remove(name))
			m.must(mkdir(name))
		}, "booted 2 | rollback ?"},
		{"an origin that is a fifo", func(m *machine) {
			name := m.path(stateDir, originName(m.id("1")))
			m.must(os.Remove(name))
			m.must(unix.Mkfifo(name, 0o644))
		}, "booted 2 | rollback ?"},
		{"no origin of the booted one", func(m *machine) { m.must(os.Remove(m.path(stateDir, originName(m.booted.ID)))) }, "booted ? | rollback 1"},
		{"no states", func(m *machine) { m.must(os.Rename(m.path("state"), m.path("lost"))) }, "booted ? | rollback ?"},
		{"a marker that is no JSON", func(m *machine) {
			m.must(os.MkdirAll(m.runPath("composefs"), 0o755))
			m.must(os.WriteFile(m.runPath("composefs/staged-deployment"), []byte("{"), 0o644))
		}, "booted 2 | rollback 1"},
		{"a marker of another than the staged menu", func(m *machine) {
			m.push(v("3"))
			m.mustUpgrade()
			m.must(os.WriteFile(m.runPath("composefs/staged-deployment"),
				[]byte(`{"depl_id":"`+bootloadertest.ID("x").String()+`","finalization_locked":false}`), 0o644))
		}, "booted 2 | rollback 1"},
		{"a marker of nothing", func(m *machine) {
			m.must(os.MkdirAll(m.runPath("composefs"), 0o755))
			m.must(os.WriteFile(m.runPath("composefs/staged-deployment"),
				[]byte(`{"depl_id":"`+bootloadertest.ID("x").String()+`","finalization_locked":false}`), 0o644))
		}, "booted 2 | rollback 1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := twoDeployments(t)
			sys := m.system()
			tt.damage(m)
			s, err := OpenReadOnly(t.Context(), sys)
			m.must(err)
			defer s.Close()
			h, err := s.Status(t.Context())
			m.must(err)
			if _, err := h.JSON(); err != nil {
				t.Error(err)
			}
			if tt.name != "no states" {
				m.wantPicture(tt.want)
			} else if h.Status.Booted == nil || h.Status.Rollback == nil {
				t.Errorf("%+v", h.Status)
			}
		})
	}
}

// A damagedLoader cannot read the n-th entry of the menu.
type damagedLoader struct {
	bootloader.Loader
	n int
}

var errDamaged = errors.New("damaged")

func (l damagedLoader) Menu() ([]bootloader.Entry, error) {
	menu, err := l.Loader.Menu()
	if l.n < len(menu) {
		menu = slices.Delete(menu, l.n, l.n+1)
	}
	return menu, errors.Join(err, errDamaged)
}

// TestDamagedMenu: the other entries are shown, with a warning, and nothing is changed.
func TestDamagedMenu(t *testing.T) {
	t.Parallel()
	for n, want := range []string{"booted 2 | rollback 1", "booted 2", "booted 2 | rollback 1"} {
		m := twoDeployments(t)
		m.loader = damagedLoader{m.loader, n}
		m.said = nil
		m.wantPicture(want)
		if len(m.said) != 1 || !strings.Contains(m.said[0], "boot menu: damaged") {
			t.Errorf("%d: said %q", n, m.said)
		}
		one := m.booted.ID
		for name, do := range map[string]func() error{
			"rollback": func() error { _, err := m.rollback(); return err },
			"upgrade":  func() error { _, err := m.upgrade(StageOptions{}); return err },
			"pin":      func() error { return m.pin(one, true) },
			"finalize": m.finalize,
			"gc": func() error {
				return m.with(func(s *Sysroot) error { _, err := s.GC(t.Context(), GCOptions{}); return err })
			},
		} {
			if err := do(); !errors.Is(err, errDamaged) {
				t.Errorf("%d: %s: %v", n, name, err)
			}
		}
	}
}

// TestUpgradeMendsOrigin: without its origin, a host can be told anew what it follows.
func TestUpgradeMendsOrigin(t *testing.T) {
	t.Parallel()
	m := twoDeployments(t)
	m.must(os.Remove(m.path(stateDir, originName(m.booted.ID))))
	if _, err := m.upgrade(StageOptions{}); err == nil {
		t.Error("an upgrade to nobody knows what")
	}
	m.gc() // keeps what runs
	m.checkImage(m.booted.ID)
	st, err := m.switchTo("os")
	if err != nil || !st.Same {
		t.Errorf("%+v, %v", st, err)
	}
	m.wantPicture("booted 2 | rollback 1")
	m.gcIsNoOp()
}

// checkImage makes sure that a deployment's image can be read.
func (m *machine) checkImage(id verity.Digest) {
	m.t.Helper()
	if m.versionOf(id) == "" {
		m.t.Errorf("the image %s is gone", id)
	}
}

// TestStatusBesideStaging: some at once, while another bootc stages, again and again.
func TestStatusBesideStaging(t *testing.T) {
	t.Parallel()
	m := newMachine(t, realLoader(t, bootloader.Systemd))
	m.install(v("1"))
	systems := make([]System, 3)
	for i := range systems {
		systems[i] = m.system()
		systems[i].Progress = nil
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for _, sys := range systems {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				s, err := OpenReadOnly(t.Context(), sys)
				if err != nil {
					t.Error(err)
					return
				}
				h, err := s.Status(t.Context())
				s.Close()
				if err != nil {
					t.Error(err)
					return
				}
				data, err := h.JSON()
				if err != nil || !json.Valid(data) || h.Status.Booted == nil || h.Status.Booted.Image == nil || *h.Status.Booted.Image.Version != "1" {
					t.Errorf("status %s, %v", data, err)
					return
				}
			}
		})
	}
	for _, version := range []string{"2", "3", "2", "1"} {
		m.push(v(version))
		if _, err := m.upgrade(StageOptions{}); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	wg.Wait()
}

// TestStatusOnReadOnlyRoot, which has to write nothing, and has no repository to wait
// for.
func TestStatusOnReadOnlyRoot(t *testing.T) {
	t.Parallel()
	m := twoDeployments(t)
	at := m.path()
	m.must(unix.Mount(at, at, "", unix.MS_BIND, ""))
	t.Cleanup(func() {
		if err := unix.Unmount(at, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	m.must(unix.Mount("", at, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""))
	before := listing(t, m.dir)
	m.wantPicture("booted 2 | rollback 1")
	m.push(v("3"))
	s, err := OpenReadOnly(t.Context(), m.system())
	m.must(err)
	defer s.Close()
	target, err := s.Spec()
	m.must(err)
	u, err := s.Check(t.Context(), target)
	m.must(err)
	defer u.Close()
	if u.Change != Available {
		t.Errorf("%+v", u)
	}
	if _, err := s.ConfigDiff(t.Context()); err != nil {
		t.Error(err)
	}
	if after := listing(t, m.dir); len(after) != len(before) {
		t.Errorf("files: %d before, %d after", len(before), len(after))
	}
}

func listing(t *testing.T, dir string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		files = append(files, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

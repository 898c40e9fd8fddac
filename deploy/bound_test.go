package deploy

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bootc-go/bootc/image"
	"github.com/bootc-go/bootc/image/registrytest"
)

// shelf is a BoundStore: files in its directory.
type shelf struct {
	m      *machine
	absent map[string]bool // from the registry
	pulls  int
	size   int64 // of each image
}

var errAbsent = errors.New("the registry has no such image")

func (s *shelf) dir() string { return s.m.path(BoundDir) }

func (s *shelf) file(name string) string {
	return s.dir() + "/" + strings.NewReplacer("/", "_").Replace(name)
}

func (s *shelf) Need(_ context.Context, names []string) (needs []image.StoreNeed, err error) {
	for _, name := range names {
		n := image.StoreNeed{Name: name, Here: true}
		if _, err := os.Lstat(s.file(name)); err != nil {
			n.Here, n.Bytes = false, s.size
		}
		needs = append(needs, n)
	}
	return needs, nil
}

func (s *shelf) Pull(_ context.Context, names []string) error {
	s.pulls++
	for _, name := range names {
		if s.absent[name] {
			return errAbsent
		}
		if err := os.MkdirAll(s.dir(), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(s.file(name), nil, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func (s *shelf) Prune(_ context.Context, keep []string, dryRun bool) (removed []string, err error) {
	entries, err := os.ReadDir(s.dir())
	for _, e := range entries {
		if slices.ContainsFunc(keep, func(n string) bool { return strings.HasSuffix(s.file(n), "/"+e.Name()) }) {
			continue
		}
		removed = append(removed, e.Name())
		if !dryRun {
			err = errors.Join(err, os.Remove(s.dir()+"/"+e.Name()))
		}
	}
	return removed, err
}

func (s *shelf) has() []string {
	entries, _ := os.ReadDir(s.dir())
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// bound makes an OS image that is bound to images.
func bound(version string, names ...string) osVersion {
	o := v(version)
	for _, n := range names {
		unit := "usr/share/containers/systemd/" + n + ".container"
		o.extra = append(o.extra,
			registrytest.File(unit, "[Container]\nImage=reg.test/"+n+":1\n"),
			registrytest.Symlink("usr/lib/bootc/bound-images.d/"+n+".container", "/"+unit))
	}
	return o
}

func boundMachine(t *testing.T) (*machine, *shelf) {
	t.Helper()
	m, _ := fakeMachine(t, v("1"))
	s := &shelf{m: m, absent: map[string]bool{}}
	m.bound = s
	return m, s
}

func (m *machine) wantBound(s *shelf, want ...string) {
	m.t.Helper()
	if diff := cmp.Diff(want, s.has()); diff != "" {
		m.t.Error(diff)
	}
}

// Every deployment has what it is bound to, from before it is staged until it is gone.
func TestBoundImages(t *testing.T) {
	t.Parallel()
	m, s := boundMachine(t)
	m.push(bound("2", "db", "web"))
	m.mustUpgrade()
	m.wantPicture("staged 2 | booted 1")
	m.wantBound(s, "reg.test_db:1", "reg.test_web:1")
	m.reboot()
	m.push(bound("3", "web", "cache"))
	m.mustUpgrade()
	m.wantBound(s, "reg.test_cache:1", "reg.test_db:1", "reg.test_web:1")
	m.reboot()
	m.wantPicture("booted 3 | rollback 2")
	m.wantBound(s, "reg.test_cache:1", "reg.test_db:1", "reg.test_web:1")
	m.must(m.delete(m.id("2")))
	m.wantBound(s, "reg.test_cache:1", "reg.test_web:1")
	m.gcIsNoOp()
}

// One that cannot be had keeps the OS image from being staged, and what is staged stays;
// the next attempt fetches nothing twice.
func TestBoundImageAbsent(t *testing.T) {
	t.Parallel()
	m, s := boundMachine(t)
	m.push(v("2"))
	m.mustUpgrade()
	m.push(bound("3", "db", "web"))
	s.absent["reg.test/web:1"] = true
	if _, err := m.upgrade(StageOptions{}); !errors.Is(err, errAbsent) || !strings.HasPrefix(err.Error(), "cannot stage ") {
		t.Fatal(err)
	}
	m.wantPicture("staged 2 | booted 1")
	m.wantBound(s, "reg.test_db:1")
	clear(s.absent)
	staged := m.mustUpgrade()
	if staged.Stats.BytesFetched > 0 {
		t.Errorf("fetched again: %+v", staged.Stats)
	}
	m.wantPicture("staged 3 | booted 1")
	m.wantBound(s, "reg.test_db:1", "reg.test_web:1")
}

// What there is no room for is not fetched, nothing is staged of it, and what was staged
// stays. The numbers are in the error. Images that are here need no room.
func TestNoRoomForBoundImages(t *testing.T) {
	t.Parallel()
	m, s := boundMachine(t)
	m.push(bound("2", "db"))
	m.mustUpgrade()
	s.size = 1 << 50
	m.push(bound("3", "db", "web"))
	_, err := m.upgrade(StageOptions{})
	if !errors.Is(err, ErrNoRoom) || !strings.Contains(err.Error(), "insufficient free space for the images that the image is bound to (available: ") {
		t.Fatal(err)
	}
	if s.pulls != 1 {
		t.Errorf("%d pulls", s.pulls)
	}
	m.wantPicture("staged 2 | booted 1")
	m.wantBound(s, "reg.test_db:1")
	m.gcIsNoOp()
	m.push(bound("4", "db"))
	m.mustUpgrade()
	s.size = 1 << 10
	m.push(bound("5", "db", "web"))
	m.mustUpgrade()
	m.wantBound(s, "reg.test_db:1", "reg.test_web:1")
}

// A list that cannot be read is an error before anything is pulled for it.
func TestBoundImagesUnreadable(t *testing.T) {
	t.Parallel()
	m, s := boundMachine(t)
	o := v("2")
	o.extra = append(o.extra, registrytest.File("usr/lib/bootc/bound-images.d/x.image", "[Image]\nImage=x\n"))
	m.push(o)
	if _, err := m.upgrade(StageOptions{}); err == nil || !strings.Contains(err.Error(), "is not a symbolic link") {
		t.Error(err)
	}
	m.wantPicture("booted 1")
	if s.pulls > 0 {
		t.Error("pulled")
	}
}

func TestBoundImagesWithoutStore(t *testing.T) {
	t.Parallel()
	m, _ := fakeMachine(t, v("1"))
	m.push(bound("2", "db"))
	if _, err := m.upgrade(StageOptions{}); !errors.Is(err, errNoBoundStore) {
		t.Error(err)
	}
}

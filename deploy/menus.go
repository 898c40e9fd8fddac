package deploy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/bootc-go/bootc/bootloader"
	"github.com/bootc-go/bootc/composefs/verity"
)

// menus are the deployments: those in the live menu can boot now, those in the
// staged one after the next shutdown.
type menus struct {
	live   []bootloader.Entry
	staged []bootloader.Entry // none without a marker that names the first of them
	locked bool               // a shutdown leaves the staged menu alone

	menuOnly bool    // the staged menu has no other deployments than the live one
	reset    string  // what is staged is a factory reset, to this stateroot
	more     unknown // of the marker
}

// as says how the staged menu is staged.
func (m menus) as() marker {
	return marker{Locked: m.locked, MenuOnly: m.menuOnly, Stateroot: m.reset, more: m.more}
}

// looks is how often the menus are read while another bootc replaces them.
const looks = 10

// menus reads both menus and the marker. While others replace a menu files vanish
// between two looks at it, and the next look finds the new one. An error comes with
// what could be read.
func (s *Sysroot) menus() (m menus, err error) {
	for range looks {
		if m, err = s.readMenus(); !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	return m, err
}

func (s *Sysroot) readMenus() (menus, error) {
	live, err := s.sys.Loader.Menu()
	if err != nil {
		err = fmt.Errorf("boot menu: %w", err)
	}
	staged, as, err2 := s.staged()
	m := menus{live: live, staged: staged, locked: as.Locked, menuOnly: as.MenuOnly, reset: as.Stateroot, more: as.more}
	return m, errors.Join(err, err2)
}

// staged reads the staged menu. One that the marker does not name is what a power
// cut or a kill left, and is none.
func (s *Sysroot) staged() (menu []bootloader.Entry, as marker, err error) {
	m, err := s.marker()
	if err != nil || m.ID.IsZero() {
		return nil, marker{}, err
	}
	menu, err = s.sys.Loader.Staged()
	if err != nil {
		return nil, marker{}, fmt.Errorf("staged boot menu: %w", err)
	}
	if len(menu) == 0 || menu[0].ID != m.ID {
		return nil, marker{}, nil
	}
	return menu, m, nil
}

// byID finds the entry of a deployment.
func byID(menu []bootloader.Entry, id verity.Digest) (bootloader.Entry, bool) {
	i := slices.IndexFunc(menu, func(e bootloader.Entry) bool { return e.ID == id })
	if i < 0 {
		return bootloader.Entry{}, false
	}
	return menu[i], true
}

// without is the menu without the entries of a deployment.
func without(menu []bootloader.Entry, id verity.Digest) []bootloader.Entry {
	return slices.DeleteFunc(slices.Clone(menu), func(e bootloader.Entry) bool { return e.ID == id })
}

// all are the deployments of both menus, each once, live ones first.
func (m menus) all() []bootloader.Entry {
	all := slices.Clone(m.live)
	for _, e := range m.staged {
		if _, ok := byID(all, e.ID); !ok {
			all = append(all, e)
		}
	}
	return all
}

// bootedEntry is the entry of the deployment that runs, from which others take the
// kernel arguments of this machine.
func (s *Sysroot) bootedEntry(m menus) (bootloader.Entry, error) {
	if s.sys.Booted.ID.IsZero() {
		return bootloader.Entry{}, ErrNotBooted
	}
	e, ok := byID(m.live, s.sys.Booted.ID)
	if !ok {
		return bootloader.Entry{}, fmt.Errorf("the boot menu has no entry of the deployment that runs, %s", s.sys.Booted.ID)
	}
	return e, nil
}

// rollback is the first deployment of the live menu that does not run and has
// completed a boot; or that which boots next, whatever it is.
func (s *Sysroot) rollback(m menus) (bootloader.Entry, bool) {
	if s.sys.Booted.ID.IsZero() {
		return bootloader.Entry{}, false
	}
	for i, e := range m.live {
		if e.ID != s.sys.Booted.ID && (i == 0 || e.Proven()) {
			return e, true
		}
	}
	return bootloader.Entry{}, false
}

// lastGood is the first deployment of the live menu that has completed a boot.
func lastGood(m menus) []bootloader.Entry {
	for _, e := range m.live {
		if e.Proven() {
			return []bootloader.Entry{e}
		}
	}
	return nil
}

// rollbackQueued says whether another deployment boots next than the one that runs, and
// not because it is staged.
func (s *Sysroot) rollbackQueued(m menus) bool {
	if s.sys.Booted.ID.IsZero() || len(m.live) == 0 || len(m.staged) > 0 && !m.locked {
		return false
	}
	return m.live[0].ID != s.sys.Booted.ID
}

// nextMenu is the menu in which first boots by default: behind it come the
// deployment that runs, to fall back to, if that has not completed a boot yet one that
// has, and the pinned ones. All others are given up when it goes live.
func (s *Sysroot) nextMenu(first, booted bootloader.Entry, m menus) []bootloader.Entry {
	menu := append([]bootloader.Entry{first}, without([]bootloader.Entry{booted}, first.ID)...)
	if !booted.Proven() {
		menu = append(menu, without(without(lastGood(m), first.ID), booted.ID)...)
	}
	for _, e := range m.live {
		if _, ok := byID(menu, e.ID); ok {
			continue
		}
		if o, _ := s.origin(e.ID); o.pinned { // unknown is unpinned
			menu = append(menu, e)
		}
	}
	if len(lastGood(menus{live: menu[1:]})) == 0 {
		menu[0].Tries = nil // it would be given up for nothing better
	}
	return menu
}

// setMenus replaces the menus. A nil live menu stays as it is; without a staged one
// nothing is staged afterwards. How it is staged is in as.
//
// The marker goes first: from then on nothing is staged, whatever stands in the
// staged menu, which the live one passes through on its way. It comes back last.
// Whatever the place of a power cut, the old or the new live menu boots.
func (s *Sysroot) setMenus(ctx context.Context, live, staged []bootloader.Entry, as marker) error {
	steps := []step{{"forget what was staged", s.doRemoveMarker}}
	if live != nil {
		steps = append(steps,
			step{"prepare the boot menu", func(context.Context) error { return s.sys.Loader.Stage(live) }},
			step{"replace the boot menu", func(context.Context) error { return s.sys.Loader.Commit() }})
	}
	if len(staged) > 0 {
		steps = append(steps, s.stageMenuSteps(staged, as)...)
	} else if live == nil {
		steps = append(steps, step{"drop the staged boot menu", func(context.Context) error { return s.sys.Loader.Discard() }})
	}
	defer s.announce()
	return s.run(ctx, steps)
}

func (s *Sysroot) doRemoveMarker(context.Context) error { return s.removeMarker() }

// stageMenuSteps make menu the staged one, in the place of an older one. The marker is
// as, but for the deployment.
func (s *Sysroot) stageMenuSteps(menu []bootloader.Entry, as marker) []step {
	as.ID = menu[0].ID
	return []step{
		{"forget what was staged", s.doRemoveMarker},
		{"stage the boot menu", func(context.Context) error { return s.sys.Loader.Stage(menu) }},
		{"record what is staged", func(context.Context) error {
			return s.writeMarker(as)
		}},
	}
}

package deploy

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/bootc-go/bootc/bootloader"
	"github.com/bootc-go/bootc/kargs"
)

// SetOptions makes line the kernel arguments that the source owns, from the next boot
// on, and says whether that changes anything. Without keep the source is forgotten.
//
// The arguments are those of what boots next: of what is staged, or of the first of the
// live menu. In that case a menu is staged that differs from the live one in this entry
// only. The error is ErrLocked if what is staged is not to boot, and ErrUnsupported if
// the arguments are not ours to write.
func (s *Sysroot) SetOptions(ctx context.Context, source string, line kargs.Line, keep bool) (bool, error) {
	changed, err := s.setOptions(ctx, source, line, keep)
	if err != nil {
		return false, fmt.Errorf("cannot set the kernel arguments of %s: %w", source, err)
	}
	return changed, nil
}

func (s *Sysroot) setOptions(ctx context.Context, source string, line kargs.Line, keep bool) (bool, error) {
	if _, err := kargs.FindRoot(line); !errors.Is(err, kargs.ErrNoRoot) {
		return false, errors.New("no source can own the argument that names the deployment")
	}
	m, err := s.menus()
	if err != nil {
		return false, err
	}
	if _, err := s.bootedEntry(m); err != nil {
		return false, err
	}
	menu := m.live
	if len(m.staged) > 0 {
		menu = m.staged
	}
	was := menu[0]
	switch owned, known := was.Source(source); {
	case m.locked:
		return false, ErrLocked
	case was.UKI:
		return false, ErrUnsupported
	case known == keep && owned.String() == line.String():
		return false, nil
	}
	will := was.WithoutSource(source)
	if keep {
		will = was.WithSource(source, line)
	}
	err = s.stageEntry(ctx, m, menu, will)
	if err == nil {
		s.done(EventOptions, fmt.Sprintf("set the kernel arguments of %s, of", source), will.ID)
	}
	return true, err
}

// stageEntry stages the menu with another first entry, or nothing if the live menu has
// that by now.
func (s *Sysroot) stageEntry(ctx context.Context, m menus, menu []bootloader.Entry, first bootloader.Entry) error {
	as := m.as()
	if len(m.staged) == 0 {
		as.MenuOnly = true
	}
	if as.MenuOnly && sameLine(first, m.live[0]) {
		return s.setMenus(ctx, nil, nil, marker{})
	}
	if err := s.sys.Systemctl(ctx, "start", finalizeUnit); err != nil {
		return fmt.Errorf("start %s: %w", finalizeUnit, err)
	}
	next := append([]bootloader.Entry{first}, menu[1:]...)
	return s.setMenus(ctx, nil, next, as)
}

// sameLine tells whether two entries differ in nothing that SetOptions changes.
func sameLine(a, b bootloader.Entry) bool {
	return slices.Equal(a.Options, b.Options) && slices.Equal(a.Extra, b.Extra)
}

// withSources is the entry of an update, which has the arguments of the one that runs,
// with the sources as they are wanted by now: as what is staged so far has them.
func (st *staging) withSources(e bootloader.Entry) bootloader.Entry {
	if e.UKI || st.booted.UKI {
		return e
	}
	wanted := st.booted
	if len(st.menus.staged) > 0 {
		wanted = st.menus.staged[0]
	}
	e = e.InheritSources(st.booted)
	for _, name := range st.booted.Sources() {
		if _, ok := wanted.Source(name); !ok {
			e = e.WithoutSource(name)
		}
	}
	for _, name := range wanted.Sources() {
		line, _ := wanted.Source(name)
		if was, ok := e.Source(name); !ok || was.String() != line.String() {
			e = e.WithSource(name, line)
		}
	}
	return e
}

package deploy

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/bootc-go/bootc/bootloader"
	"github.com/bootc-go/bootc/composefs/verity"
	"github.com/bootc-go/bootc/kargs"
)

// Delete removes a deployment, be it staged, and what only it needs. That which runs
// is refused with ErrBooted, an unknown one with ErrNotFound. If it was the one to
// boot next, that which runs boots next.
func (s *Sysroot) Delete(ctx context.Context, id verity.Digest) error {
	if id == s.sys.Booted.ID {
		return ErrBooted
	}
	if err := s.delete(ctx, id); err != nil {
		return fmt.Errorf("cannot delete the deployment %s: %w", id, err)
	}
	s.collectOrWarn(ctx)
	return nil
}

func (s *Sysroot) delete(ctx context.Context, id verity.Digest) error {
	m, err := s.menus()
	if err != nil {
		return err
	}
	booted, err := s.bootedEntry(m)
	if err != nil {
		return err
	}
	_, isLive := byID(m.live, id)
	_, isStaged := byID(m.staged, id)
	if !isLive && !isStaged {
		return ErrNotFound
	}
	staged := m.staged
	if isStaged && staged[0].ID == id {
		staged = nil
	}
	staged = without(staged, id)
	if !isLive {
		return s.setMenus(ctx, nil, staged, m.locked)
	}
	live := without(m.live, id)
	if m.live[0].ID == id {
		live = append([]bootloader.Entry{booted}, without(live, booted.ID)...)
	}
	return s.setMenus(ctx, live, staged, m.locked)
}

// Pin keeps a deployment until it is unpinned: updates leave it in the menu. The
// error is ErrNotFound if there is none with this id.
func (s *Sysroot) Pin(ctx context.Context, id verity.Digest, pinned bool) error {
	if err := s.pin(ctx, id, pinned); err != nil {
		return fmt.Errorf("cannot pin the deployment %s: %w", id, err)
	}
	return nil
}

// pin changes the origin first: the staged menu follows from it, and would be made
// right by the next update if the power fails in between.
func (s *Sysroot) pin(ctx context.Context, id verity.Digest, pinned bool) error {
	m, err := s.menus()
	if err != nil {
		return err
	}
	if _, ok := byID(m.all(), id); !ok {
		return ErrNotFound
	}
	o, err := s.origin(id)
	if err != nil {
		return err
	}
	if o.pinned == pinned {
		return nil
	}
	o.pinned = pinned
	if err := s.writeOrigin(id, o); err != nil || len(m.staged) == 0 {
		return err
	}
	booted, err := s.bootedEntry(m)
	if err != nil {
		return err
	}
	return s.setMenus(ctx, nil, s.nextMenu(m.staged[0], booted, m), m.locked)
}

// RequireVerity makes every deployment refuse to run without fs-verity. The
// repository must require it by then. The error is ErrStaged if something is staged,
// which has to boot first.
func (s *Sysroot) RequireVerity(ctx context.Context) error {
	if err := s.requireVerity(ctx); err != nil {
		return fmt.Errorf("cannot require fs-verity of the deployments: %w", err)
	}
	return nil
}

func (s *Sysroot) requireVerity(ctx context.Context) error {
	r, err := s.repository(ctx)
	if err != nil {
		return err
	}
	if r.Insecure() {
		return errors.New("the repository does not require it")
	}
	m, err := s.menus()
	if err != nil {
		return err
	}
	live, err := m.required()
	if err != nil || live == nil {
		return err
	}
	return s.setMenus(ctx, live, nil, false)
}

// required is the live menu with fs-verity required of all, nil if it is already.
// With something staged it is ErrStaged: while the live menu is replaced nothing
// counts as staged, and a shutdown just then would drop an update.
func (m menus) required() ([]bootloader.Entry, error) {
	live, changed := required(m.live)
	_, alsoChanged := required(m.staged)
	switch {
	case !changed && !alsoChanged:
		return nil, nil
	case len(m.staged) > 0:
		return nil, ErrStaged
	}
	return live, nil
}

// required is the menu with fs-verity required of all, and whether it was not.
// Unified kernel images say themselves what they require.
func required(menu []bootloader.Entry) (out []bootloader.Entry, changed bool) {
	out = slices.Clone(menu)
	for i, e := range out {
		if e.UKI || !e.Root.Optional {
			continue
		}
		out[i].Root = kargs.Root{ID: e.ID}
		out[i].Options = e.Options.WithRoot(out[i].Root)
		changed = true
	}
	return out, changed
}

package deploy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/bootc-go/bootc/bootloader"
	"github.com/bootc-go/bootc/composefs/repo"
	"github.com/bootc-go/bootc/composefs/verity"
	"github.com/bootc-go/bootc/kargs"
)

// minPrefix is how many digits of an id name a deployment at the least.
const minPrefix = 4

// Find is the deployment called name: "booted", "staged" or "rollback" by its role, or
// the digits with which its id, and that of no other deployment, begins. The error is
// ErrNotFound if there is none.
func (s *Sysroot) Find(name string) (verity.Digest, error) {
	m, err := s.menus()
	if err != nil {
		return verity.Digest{}, fmt.Errorf("cannot find the deployment %s: %w", name, err)
	}
	id, err := s.find(m, name)
	if err != nil {
		return verity.Digest{}, fmt.Errorf("cannot find the deployment %q: %w", name, err)
	}
	return id, nil
}

func (s *Sysroot) find(m menus, name string) (verity.Digest, error) {
	switch name {
	case "booted":
		if !s.sys.Booted.ID.IsZero() {
			return s.sys.Booted.ID, nil
		}
		return verity.Digest{}, ErrNotBooted
	case "staged":
		if len(m.staged) > 0 {
			return m.staged[0].ID, nil
		}
		return verity.Digest{}, ErrNotStaged
	case "rollback":
		if e, ok := s.rollback(m); ok {
			return e.ID, nil
		}
		return verity.Digest{}, ErrNoRollback
	}
	if len(name) < minPrefix {
		return verity.Digest{}, fmt.Errorf("%w: it takes booted, staged, rollback, or at least %d digits of an id", ErrNotFound, minPrefix)
	}
	var found []verity.Digest
	for _, e := range m.all() {
		if strings.HasPrefix(e.ID.String(), strings.ToLower(name)) {
			found = append(found, e.ID)
		}
	}
	switch len(found) {
	case 0:
		return verity.Digest{}, ErrNotFound
	case 1:
		return found[0], nil
	}
	return verity.Digest{}, fmt.Errorf("it could be any of %d deployments, say more digits", len(found))
}

// Delete removes a deployment, be it staged, and what only it needs. That which runs
// is refused with ErrBooted, an unknown one with ErrNotFound. If it was the one to
// boot next, that which runs boots next.
func (s *Sysroot) Delete(ctx context.Context, id verity.Digest) error {
	if id == s.sys.Booted.ID {
		return s.deleteReset(ctx)
	}
	if err := s.delete(ctx, id); err != nil {
		return fmt.Errorf("cannot delete the deployment %s: %w", id, err)
	}
	s.done(EventDelete, "deleted", id)
	s.collectOrWarn(ctx)
	return nil
}

// deleteReset drops what is staged, if that is a factory reset of the deployment that
// runs. Nothing else of that can be deleted.
func (s *Sysroot) deleteReset(ctx context.Context) error {
	m, err := s.menus()
	if err != nil || m.reset == "" || m.staged[0].ID != s.sys.Booted.ID {
		return errors.Join(ErrBooted, err)
	}
	if err := s.dropStaged(ctx); err != nil {
		return fmt.Errorf("cannot drop the factory reset: %w", err)
	}
	s.done(EventDelete, "dropped the factory reset of", s.sys.Booted.ID)
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
	if good := lastGood(m); !booted.Proven() && len(good) == 1 && good[0].ID == id {
		return ErrLastGood
	}
	staged := m.staged
	if isStaged && staged[0].ID == id {
		staged = nil
	}
	staged = without(staged, id)
	if !isLive {
		return s.setMenus(ctx, nil, staged, m.as())
	}
	live := without(m.live, id)
	if m.live[0].ID == id {
		live = append([]bootloader.Entry{booted}, without(live, booted.ID)...)
	}
	return s.setMenus(ctx, live, staged, m.as())
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
	defer s.announce()
	isReset := m.reset != "" && len(m.staged) > 0 && m.staged[0].ID == s.sys.Booted.ID
	if err := s.writeOrigin(id, o); err != nil || len(m.staged) == 0 || m.menuOnly || isReset {
		return err // the staged menu has all of the live one
	}
	booted, err := s.bootedEntry(m)
	if err != nil {
		return err
	}
	return s.setMenus(ctx, nil, s.nextMenu(m.staged[0], booted, m), m.as())
}

// RequireVerity makes every deployment refuse to run without fs-verity, if its kernel
// can. The repository must require it by then. The error is ErrStaged if something is staged,
// which has to boot first.
func (s *Sysroot) RequireVerity(ctx context.Context) error {
	if err := s.requireVerity(ctx); err != nil {
		return fmt.Errorf("cannot require fs-verity of the deployments: %w", err)
	}
	return nil
}

func (s *Sysroot) requireVerity(ctx context.Context) error {
	m, err := s.menus()
	if err == nil {
		err = s.sees(m) // another menu, or none, says nothing
	}
	if err != nil {
		return err
	}
	r, err := s.repository(ctx)
	if err != nil {
		return err
	}
	if r.Insecure() {
		return errors.New("the repository does not require it")
	}
	live, err := m.required(func(e bootloader.Entry) bool { return s.canRequire(ctx, r, e) })
	if err != nil || live == nil {
		return err
	}
	return s.setMenus(ctx, live, nil, marker{})
}

// canRequire reports whether the deployment's kernel can require fs-verity. Where it is
// not known, it is expected to.
func (s *Sysroot) canRequire(ctx context.Context, r *repo.Repo, e bootloader.Entry) bool {
	o, err := s.origin(e.ID)
	if err != nil {
		return true
	}
	os, _, err := s.osOf(ctx, r, o.manifest)
	if err != nil || canRequireVerity(os.Kernel.Version) {
		return true
	}
	s.warn("%s", tooOldToRequire(os.Kernel.Version))
	return false
}

// required is the live menu with fs-verity required of all, nil if it is already.
// With something staged it is ErrStaged: while the live menu is replaced nothing
// counts as staged, and a shutdown just then would drop an update.
func (m menus) required(can func(bootloader.Entry) bool) ([]bootloader.Entry, error) {
	live, changed := required(m.live, can)
	_, alsoChanged := required(m.staged, can)
	switch {
	case !changed && !alsoChanged:
		return nil, nil
	case len(m.staged) > 0:
		return nil, ErrStaged
	}
	return live, nil
}

// required is the menu with fs-verity required of all that can, and whether it was not.
// Unified kernel images say themselves what they require.
func required(menu []bootloader.Entry, can func(bootloader.Entry) bool) (out []bootloader.Entry, changed bool) {
	out = slices.Clone(menu)
	for i, e := range out {
		if e.UKI || !e.Root.Optional || !can(e) {
			continue
		}
		out[i].Root = kargs.Root{ID: e.ID}
		out[i].Options = e.Options.WithRoot(out[i].Root)
		changed = true
	}
	return out, changed
}

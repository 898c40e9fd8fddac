package deploy

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bootc-go/bootc/composefs/repo"
	"github.com/bootc-go/bootc/composefs/tree"
	"github.com/bootc-go/bootc/composefs/verity"
	"github.com/bootc-go/bootc/etcmerge"
)

// mergeAttempts is how often the merge of /etc is begun anew because somebody wrote
// to /etc meanwhile. At a shutdown hardly anybody is left who could.
const mergeAttempts = 5

// collectLimit is how long the shutdown waits for the collection of garbage, which
// the next update would do otherwise.
const collectLimit = time.Minute

// Finalize applies what is staged: it merges /etc as it is now and lets the new menu
// replace the live one. It is for the last moments of a running system. Where
// nothing is staged, or what is staged is locked, it does nothing. After an error
// the live menu is the old one, the deployment is still staged, and the memory has why:
// it is not staged any more when somebody could look.
func (s *Sysroot) Finalize(ctx context.Context) error {
	f, err := s.finalizing(ctx)
	if err == nil && f != nil {
		if err = s.run(ctx, f.steps()); err == nil {
			s.done(EventFinalize, "put in place the", f.id)
			s.missed(nil)
			s.announce()
			ctx, cancel := context.WithTimeout(ctx, collectLimit)
			defer cancel()
			s.collectOrWarn(ctx)
		}
	}
	if err != nil {
		s.missed(err)
		return fmt.Errorf("cannot apply the staged deployment: %w", err)
	}
	return nil
}

// finalizing is the application of what is staged.
type finalizing struct {
	s    *Sysroot
	repo *repo.Repo
	id   verity.Digest
	etc  *tree.Node // of the image

	menuOnly bool // there is nothing to merge
}

// finalizing finds out what there is to do; nil if nothing.
func (s *Sysroot) finalizing(ctx context.Context) (*finalizing, error) {
	m, err := s.menus()
	if err != nil || len(m.staged) == 0 || m.locked {
		return nil, err
	}
	f := &finalizing{s: s, id: m.staged[0].ID}
	if f.menuOnly = m.menuOnly || f.id == s.sys.Booted.ID; f.menuOnly {
		return f, nil
	}
	if f.repo, err = s.repository(ctx); err != nil {
		return nil, err
	}
	root, err := bootTree(f.repo, f.id)
	if err != nil {
		return nil, err
	}
	f.etc, err = etcOf(f.repo, root)
	return f, err
}

// steps let the staged deployment boot next.
//
//  1. The merged /etc is made in etcWork, which means nothing to anybody. A power
//     cut boots the old system; its next update collects what is there.
//  2. It gets its place. If the deployment is one of the live menu, to roll back to,
//     it has the /etc of now instead of that of then from here on; either is whole.
//  3. The menus are exchanged, in one rename. Before it the old system boots, after
//     it the new one, whose /etc, kernel and image are durable by now.
//  4. The marker goes, in case that the host does not shut down after all.
//
// If Finalize is killed and called again it begins anew: etcWork is made of a fresh
// copy of the image's /etc, whatever it held.
func (f *finalizing) steps() []step {
	menu := []step{
		{"replace the boot menu", func(context.Context) error { return f.s.sys.Loader.Commit() }},
		{"forget what was staged", f.s.doRemoveMarker},
	}
	if f.menuOnly {
		return menu
	}
	return append([]step{
		{"merge /etc", f.merge},
		{"put /etc in its place", func(context.Context) error {
			return moveInto(f.s.states, etcPath(f.id, etcWork), etcPath(f.id, etcName))
		}},
	}, menu...)
}

// merge makes etcWork the merged /etc, durable.
func (f *finalizing) merge(ctx context.Context) error {
	if err := f.useStagedCopy(); err != nil {
		return err
	}
	for attempt := 1; ; attempt++ {
		ok, err := exists(f.s.states, etcPath(f.id, etcWork))
		if err == nil && !ok {
			err = f.s.freshEtc(ctx, f.repo, f.id, f.etc)
		}
		if err == nil {
			err = f.mergeOnce(ctx)
		}
		if err == nil {
			return nil
		}
		// What is there now is half merged.
		if rmErr := f.s.states.RemoveAll(etcPath(f.id, etcWork)); rmErr != nil {
			return errors.Join(err, rmErr)
		}
		if attempt == mergeAttempts || !errors.Is(err, etcmerge.ErrChanged) {
			return err
		}
	}
}

// useStagedCopy makes the copy of the image's /etc that Stage made etcWork, if it is
// still there, so that a disk that was filled meanwhile does no harm.
func (f *finalizing) useStagedCopy() error {
	if err := f.s.states.RemoveAll(etcPath(f.id, etcWork)); err != nil {
		return err
	}
	ok, err := exists(f.s.states, etcPath(f.id, etcStaged))
	if err != nil || !ok {
		return err
	}
	return moveInto(f.s.states, etcPath(f.id, etcStaged), etcPath(f.id, etcWork))
}

func (f *finalizing) mergeOnce(ctx context.Context) error {
	plan, err := f.s.planEtc(ctx, f.repo, f.etc)
	if err != nil {
		return err
	}
	live, err := f.s.liveEtc()
	if err != nil {
		return err
	}
	work, err := f.s.states.Open(etcPath(f.id, etcWork))
	if err != nil {
		return err
	}
	defer work.Close()
	return plan.Apply(ctx, live, work)
}

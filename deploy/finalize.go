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

	menuOnly bool   // there is nothing to merge
	reset    string // it is a factory reset, to this stateroot
}

// finalizing finds out what there is to do; nil if nothing.
func (s *Sysroot) finalizing(ctx context.Context) (*finalizing, error) {
	m, err := s.menus()
	if err != nil || len(m.staged) == 0 || m.locked {
		return nil, err
	}
	f := &finalizing{s: s, id: m.staged[0].ID, reset: m.reset}
	if f.reset != "" {
		return f, nil
	}
	if f.menuOnly = m.menuOnly || f.id == s.sys.Booted.ID; f.menuOnly {
		return f, nil
	}
	if s.displaced() {
		return nil, ErrDisplaced
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
//  5. What was there before a factory reset is given up, if it still is: the host has
//     gone on from there.
//
// If Finalize is killed and called again it begins anew: etcWork is made of a fresh
// copy of the image's /etc, whatever it held.
func (f *finalizing) steps() []step {
	menu := []step{
		{"replace the boot menu", func(context.Context) error { return f.s.sys.Loader.Commit() }},
		{"forget what was staged", f.s.doRemoveMarker},
	}
	switch {
	case f.reset != "":
		return append([]step{{"put /etc and /var in their place", f.putReset}}, menu...)
	case f.menuOnly:
		return menu
	}
	steps := append([]step{{"merge /etc", f.merge}, {"put /etc in its place", f.putEtc}}, menu...)
	return append(steps, step{"give up what was before a factory reset", func(context.Context) error {
		_, err := f.s.giveUpBefore()
		return err
	}})
}

// putReset puts the state that a factory reset made in the place of the deployment's, in
// one rename, which brings the new /etc and the link to the new /var at once.
//
// If the deployment runs, the new state boots from here on, until the next step with the
// kernel arguments of the old one. If it does not, the old system boots until the menus
// are exchanged. One that the live menu has not got has its state already.
func (f *finalizing) putReset(context.Context) error {
	if now, err := f.s.staterootIn(deployed(f.id)); err == nil && now == f.reset {
		return nil // or this is the second run
	}
	return f.s.exchangeState(f.id, aside(f.reset, f.id))
}

// putEtc gives the merged /etc its place.
func (f *finalizing) putEtc(context.Context) error {
	want := f.s.bootedStateroot()
	if now, err := f.s.staterootIn(deployed(f.id)); err != nil || now != want {
		return f.rehome(want)
	}
	return moveInto(f.s.states, etcPath(f.id, etcWork), etcPath(f.id, etcName))
}

// rehome moves the deployment to another /var: it was here before a factory reset, or
// comes back from after one. A merged /etc goes with the /var that it was made beside, so
// the whole state directory is made anew and exchanged.
func (f *finalizing) rehome(stateroot string) error {
	s, dir := f.s, aside(stateroot, f.id)
	o, err := s.origin(f.id)
	if err == nil {
		err = s.state.RemoveAll(dir)
	}
	if err == nil {
		err = s.makeStateIn(dir, stateroot)
	}
	if err == nil {
		err = s.writeOriginIn(dir, f.id, o)
	}
	if err == nil {
		err = s.state.Rename(deployed(f.id)+"/"+etcWork, dir+"/"+etcName)
	}
	if err == nil {
		err = syncDir(s.state, dir)
	}
	if err != nil {
		return err
	}
	return exchange(s.state, deployed(f.id), dir)
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

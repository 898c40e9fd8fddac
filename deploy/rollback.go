package deploy

import (
	"context"
	"fmt"

	"github.com/bootc-go/bootc/bootloader"
	"github.com/bootc-go/bootc/composefs/verity"
	"github.com/bootc-go/bootc/host"
)

// RollbackResult is what Rollback brought about.
type RollbackResult struct {
	Queued bool           // the rollback deployment boots next; else the booted one again
	Reset  bool           // the booted one again, with the state that it had before its factory reset
	Next   host.BootEntry // what boots next
}

// Rollback makes the rollback deployment boot next or, if another one than that
// which runs boots next already, the one that runs. What is staged is dropped.
// Changes of /etc do not go along: each deployment has its own. The error is
// ErrNoRollback if there is no other deployment. If the one that runs had a factory reset
// and its state before that is still there, that is what boots next.
func (s *Sysroot) Rollback(ctx context.Context) (*RollbackResult, error) {
	res, err := s.doRollback(ctx)
	if err != nil {
		return nil, fmt.Errorf("cannot roll back: %w", err)
	}
	return res, nil
}

func (s *Sysroot) doRollback(ctx context.Context) (*RollbackResult, error) {
	m, err := s.menus()
	if err != nil {
		return nil, err
	}
	if before, ok := s.canUndo(m); ok {
		err := s.run(ctx, s.undoSteps(before))
		s.announce()
		if err != nil {
			return nil, err
		}
		s.done(EventRollback, "took back the factory reset of", s.sys.Booted.ID)
		s.collectOrWarn(ctx)
		return &RollbackResult{Reset: true, Next: *s.bootEntry(m.live[0])}, nil
	}
	next, queue, err := s.afterRollback(m)
	if err != nil {
		return nil, err
	}
	live := append([]bootloader.Entry{next}, without(m.live, next.ID)...)
	if err := s.setMenus(ctx, live, nil, marker{}); err != nil {
		return nil, err
	}
	s.done(EventRollback, "rolled back to", next.ID)
	s.collectOrWarn(ctx)
	return &RollbackResult{Queued: queue, Next: *s.bootEntry(next)}, nil
}

// canUndo tells whether the deployment that runs has a state of before its factory reset,
// and boots next.
func (s *Sysroot) canUndo(m menus) (before string, ok bool) {
	if len(m.live) == 0 || m.live[0].ID != s.sys.Booted.ID || s.state == nil {
		return "", false
	}
	return s.before(s.sys.Booted.ID)
}

// RollbackTarget is the deployment that Rollback would make boot next.
func (s *Sysroot) RollbackTarget() (verity.Digest, error) {
	m, err := s.menus()
	if _, ok := s.canUndo(m); err == nil && ok {
		return s.sys.Booted.ID, nil
	}
	if err == nil {
		var next bootloader.Entry
		if next, _, err = s.afterRollback(m); err == nil {
			return next.ID, nil
		}
	}
	return verity.Digest{}, fmt.Errorf("cannot roll back: %w", err)
}

// afterRollback is what boots next after a rollback, and whether that does not run now.
func (s *Sysroot) afterRollback(m menus) (next bootloader.Entry, queue bool, err error) {
	booted, err := s.bootedEntry(m)
	if err != nil {
		return next, false, err
	}
	other, ok := s.rollback(m)
	switch {
	case !ok:
		return next, false, ErrNoRollback
	case s.rollbackQueued(m):
		return booted, false, nil
	}
	return other, true, nil
}

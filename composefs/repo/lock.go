package repo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// The lock is flock(2) on the repository's directory, as composefs-rs takes
// it: shared while the repository is open, exclusive to collect garbage.

const lockPollMax = 20 * time.Millisecond

// lock takes the lock, LOCK_SH or LOCK_EX, when others let go of it. It polls:
// a thread that sleeps in flock(2) cannot be told that ctx has ended.
func (r *Repo) lock(ctx context.Context, how int) error {
	tell := r.wait
	for wait := time.Millisecond; ; wait = min(2*wait, lockPollMax) {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("wait for the lock: %w", err)
		}
		err := unix.Flock(r.fd, how|unix.LOCK_NB)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, unix.EINTR):
			continue
		case !errors.Is(err, unix.EWOULDBLOCK):
			return fmt.Errorf("lock: %w", err)
		}
		if tell != nil {
			tell()
			tell = nil
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// exclusively runs fn while nobody else has the repository open, and waits for
// that until ctx ends.
//
// The kernel gives up the shared lock before it tries for the exclusive one.
// So two programs that both want it do not wait for each other for ever; and
// another collector may run in between, so fn must not know anything from
// before.
func (r *Repo) exclusively(ctx context.Context, fn func() error) error {
	if r.base != nil {
		return errScratch
	}
	r.upkeep.Lock()
	defer r.upkeep.Unlock()
	err := r.lock(ctx, unix.LOCK_EX)
	if err == nil {
		err = fn()
	}
	// Whoever cancels may use the Repo still, and it must not be without lock.
	if lockErr := r.lock(context.WithoutCancel(ctx), unix.LOCK_SH); err == nil {
		err = lockErr
	}
	return err
}

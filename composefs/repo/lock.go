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

func (r *Repo) lockShared() error {
	if err := r.flock(unix.LOCK_SH); err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	return nil
}

func (r *Repo) flock(how int) error {
	for {
		err := unix.Flock(r.fd, how)
		if !errors.Is(err, unix.EINTR) {
			return err
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
	r.upkeep.Lock()
	defer r.upkeep.Unlock()
	err := r.lockExclusive(ctx)
	if err == nil {
		err = fn()
	}
	if lockErr := r.lockShared(); err == nil {
		err = lockErr
	}
	return err
}

// lockExclusive polls: a thread that sleeps in flock(2) cannot be told that
// ctx has ended.
func (r *Repo) lockExclusive(ctx context.Context) error {
	for wait := time.Millisecond; ; wait = min(2*wait, lockPollMax) {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("wait for the lock: %w", err)
		}
		err := r.flock(unix.LOCK_EX | unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

package oci

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/repo"
)

// lockNames keeps other writers of images out until release is called. What
// Write publishes depends on what it found, so two of them must not interleave:
// the second would forget the EROFS image that the first one added. The
// repository's own lock does not serve, for it is shared among importers.
func lockNames(ctx context.Context, r *repo.Repo) (release func(), err error) {
	fd, err := unix.Openat(int(r.Dir().Fd()), "streams", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: "streams", Err: err}
	}
	if err := lock(ctx, fd); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("lock streams: %w", err)
	}
	return func() { _ = unix.Close(fd) }, nil
}

const lockPollMax = 20 * time.Millisecond

// lock polls: a thread that sleeps in flock(2) cannot be told that ctx has
// ended.
func lock(ctx context.Context, fd int) error {
	for wait := time.Millisecond; ; wait = min(2*wait, lockPollMax) {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

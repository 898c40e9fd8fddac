package oci

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/repo"
)

// lockNames keeps other writers of images out until release is called. What
// Write publishes depends on what it found, so two of them must not interleave:
// the second would forget the EROFS image that the first one added. The
// repository's own lock does not serve, for it is shared among importers.
func lockNames(r *repo.Repo) (release func(), err error) {
	fd, err := unix.Openat(int(r.Dir().Fd()), "streams", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: "streams", Err: err}
	}
	for {
		err = unix.Flock(fd, unix.LOCK_EX)
		if err != unix.EINTR {
			break
		}
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("lock streams: %w", err)
	}
	return func() { _ = unix.Close(fd) }, nil
}

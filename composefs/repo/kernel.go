package repo

import (
	"os"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/verity"
)

// kernel is what not every kernel and file system can do, or what cannot be
// seen from outside. Tests put another one here: with fs-verity where there is
// none, without O_TMPFILE, or one that watches when it is asked to sync.
type kernel struct {
	enable   func(*os.File, verity.Algorithm) error
	measure  func(*os.File) (verity.Digest, error)
	syncfs   func(fd int) error
	openTemp func(dirfd int, dir string) (fd int, err error) // a file without a name
}

func realKernel() kernel {
	return kernel{enable: verity.Enable, measure: verity.Measure, syncfs: unix.Syncfs, openTemp: openTemp}
}

func openTemp(dirfd int, dir string) (int, error) {
	return openRetry(dirfd, dir, unix.O_TMPFILE|unix.O_WRONLY|unix.O_CLOEXEC, fileMode)
}

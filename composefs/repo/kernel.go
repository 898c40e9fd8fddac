package repo

import (
	"os"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/verity"
)

// kernel is what the repository asks of the kernel beyond files. Tests put
// another one here, to have fs-verity where there is none and to see syncs.
type kernel struct {
	enable  func(*os.File, verity.Algorithm) error
	measure func(*os.File) (verity.Digest, error)
	syncfs  func(fd int) error
}

func realKernel() kernel {
	return kernel{enable: verity.Enable, measure: verity.Measure, syncfs: unix.Syncfs}
}

// Package osimage says what an OS image has to boot with: its kernel, its name, the
// kernel arguments it asks for.
package osimage

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/bootc-go/bootc/kargs"
	"github.com/bootc-go/bootc/kargs/kargsd"
)

// What callers branch on. Each of the others is ErrNotBootable, too.
var (
	// ErrNotBootable means that the image lacks what an OS image must have.
	ErrNotBootable = errors.New("not bootable")
	// ErrNoKernel means that there is no kernel where bootc looks for one.
	ErrNoKernel = fmt.Errorf("%w: no kernel", ErrNotBootable)
	// ErrTwoKernels means that it is not clear which kernel should boot.
	ErrTwoKernels = fmt.Errorf("%w: more than one kernel", ErrNotBootable)
	// ErrNoInitrd means that the kernel has no initramfs.
	ErrNoInitrd = fmt.Errorf("%w: no initramfs", ErrNotBootable)
)

// Image is what of an OS image the boot loader must know.
type Image struct {
	OS     OSRelease
	Kernel Kernel
	Kargs  kargs.Line // of usr/lib/bootc/kargs.d
}

// Inspect finds out how the image fsys boots on the architecture arch, a GOARCH. The
// file system is that of the image itself: a boot image has no /boot, so that a
// unified kernel image would not be found in it.
//
// It reads the kernel and the initramfs from beginning to end, and takes memory for
// neither.
func Inspect(fsys fs.FS, arch string) (*Image, error) {
	var i Image
	var err error
	if i.Kernel, err = FindKernel(fsys); err != nil {
		return nil, err
	}
	if i.OS, err = readOSRelease(fsys); err != nil {
		return nil, fmt.Errorf("cannot boot the image: %w", err)
	}
	if i.Kargs, err = kargsd.Load(fsys, arch); err != nil {
		return nil, err
	}
	return &i, nil
}

// Package osimage says what an OS image has to boot with: its kernel, its name, the
// kernel arguments it asks for.
package osimage

import (
	"errors"
	"io"
	"io/fs"

	"github.com/bootc-go/bootc/kargs"
)

// What callers branch on. All wrap ErrNotBootable.
var (
	// ErrNotBootable means that the image lacks what an OS image must have.
	ErrNotBootable = errors.New("image cannot boot")
	ErrNoKernel    = errors.New("no kernel")
	ErrTwoKernels  = errors.New("more than one kernel")
	ErrNoInitrd    = errors.New("no initramfs")
)

// Image is what of an OS image the boot loader must know.
type Image struct {
	OS     OSRelease
	Kernel Kernel
	Kargs  kargs.Line // of usr/lib/bootc/kargs.d
}

// OSRelease are the fields of os-release(5) that name the image.
type OSRelease struct {
	ID, PrettyName, VersionID, Version, BuildID, ImageVersion string
}

// BootType is how a kernel comes, by the name that the status document has for it.
type BootType string

// The boot types.
const (
	BLS BootType = "Bls" // a kernel and an initramfs
	UKI BootType = "Uki" // a unified kernel image
)

// Kernel is the kernel of an image. Paths are those of an io/fs.FS of the image.
type Kernel struct {
	Version       string
	Type          BootType
	Linux, Initrd string   // of type BLS
	UKI           string   // of type UKI
	Addons        []string // of type UKI: files of command line addons
	Size          int64    // bytes that the kernel's files need on the loader's file system
	Digest        string   // hex SHA-256 of the kernel and the initramfs, one behind the other
}

// Inspect finds out how the image fsys boots on the architecture arch, a GOARCH.
func Inspect(fsys fs.FS, arch string) (*Image, error) {
	return nil, ErrNotBootable
}

// UKICmdline returns the command line in a unified kernel image.
func UKICmdline(r io.ReaderAt) (kargs.Line, error) {
	return nil, errors.ErrUnsupported
}

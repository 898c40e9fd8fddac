// Package mount mounts composefs images: the EROFS image with the metadata
// under an overlay that takes the content of files from an object directory.
package mount

import (
	"errors"
	"os"
)

// Options say what to mount, and how.
type Options struct {
	Image   *os.File // the EROFS image, open for reading
	Objects *os.File // the object directory
	Source  string   // what mount tables show as the device: "composefs:<id>"

	// RequireVerity makes the kernel check each object that is opened against
	// the digest in the image.
	RequireVerity bool

	// Upper and Work are directories for an overlay's upper layer, both or
	// neither.
	Upper, Work *os.File
	// ReadWrite makes the mount writable, which needs Upper.
	ReadWrite bool
}

// Mount makes a mount that is attached nowhere and returns its descriptor, for
// move_mount(2).
func Mount(o Options) (*os.File, error) {
	return nil, errors.New("mount: not written yet")
}

// MountAt mounts at the directory target.
func MountAt(o Options, target string) error {
	return errors.New("mount: not written yet")
}

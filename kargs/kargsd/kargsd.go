// Package kargsd reads the kernel arguments that an image asks for, from
// /usr/lib/bootc/kargs.d.
package kargsd

import (
	"io/fs"

	"github.com/bootc-go/bootc/kargs"
)

// Load returns the arguments that the image fsys asks for on the architecture arch,
// a GOARCH: those of usr/lib/bootc/kargs.d/*.toml, in the order of the file names.
func Load(fsys fs.FS, arch string) (kargs.Line, error) {
	return nil, nil
}

// Package boundimage reads which container images an OS image is bound to: those that
// its services run, and that must be on the host before it boots the OS image.
//
// The OS image names them in /usr/lib/bootc/bound-images.d: symbolic links to the
// Quadlet files (podman-systemd.unit(5)) that run them, so that a reference stands in
// one place only.
package boundimage

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"unicode/utf8"
)

const (
	dir = "usr/lib/bootc/bound-images.d"

	// maxSize is the limit of a Quadlet file in bytes.
	maxSize = 1 << 16
)

// Image is a container image that an OS image is bound to.
type Image struct {
	Name string // of the link in /usr/lib/bootc/bound-images.d
	Ref  string // the reference, as podman takes it; it is not parsed
}

// Load returns the images that the OS image fsys is bound to, in the order of their
// names; two names can have the same reference. An OS image without the directory is
// bound to none. Errors name every file that is not as it must be, and the line.
//
// The file system must follow links, absolute ones too, as in a chroot at its root.
func Load(fsys fs.FS) ([]Image, error) {
	images, err := loadDir(fsys)
	if err != nil {
		return nil, fmt.Errorf("cannot read the bound images of the image: %w", err)
	}
	return images, nil
}

func loadDir(fsys fs.FS) ([]Image, error) {
	entries, err := fs.ReadDir(fsys, dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var images []Image
	var bad []error
	for _, e := range entries {
		ref, err := load(fsys, e)
		if err != nil {
			bad = append(bad, fmt.Errorf("%q%w", "/"+path.Join(dir, e.Name()), err))
			continue
		}
		images = append(images, Image{Name: e.Name(), Ref: ref})
	}
	return images, errors.Join(bad...)
}

// sections says by the suffix of a Quadlet file in which section its image stands.
var sections = map[string]string{".image": "Image", ".container": "Container"}

// load returns the reference in one file. Its errors begin with what follows the
// file's name.
func load(fsys fs.FS, e fs.DirEntry) (string, error) {
	section, ok := sections[path.Ext(e.Name())]
	switch {
	case !utf8.ValidString(e.Name()):
		return "", errors.New(": the name is not UTF-8")
	case e.Type()&fs.ModeSymlink == 0:
		return "", errors.New(": is not a symbolic link; link to the Quadlet file that runs the image")
	case !ok:
		return "", errors.New(": the name ends in neither .image nor .container")
	}
	text, err := read(fsys, path.Join(dir, e.Name()))
	if err != nil {
		return "", fmt.Errorf(": %w", err)
	}
	u, err := parse(text)
	if err != nil {
		return "", err
	}
	return u.reference(section)
}

func read(fsys fs.FS, name string) (string, error) {
	st, err := fs.Stat(fsys, name)
	switch {
	case err != nil:
		return "", err
	case !st.Mode().IsRegular():
		return "", errors.New("does not lead to a regular file")
	case st.Size() > maxSize:
		return "", fmt.Errorf("has more than %d bytes", maxSize)
	}
	data, err := fs.ReadFile(fsys, name)
	if err != nil {
		return "", err
	}
	if !utf8.Valid(data) || strings.ContainsRune(string(data), 0) {
		return "", errors.New("is no text in UTF-8")
	}
	return string(data), nil
}

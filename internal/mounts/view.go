package mounts

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// A View is a mount that is attached nowhere, so nobody else sees it, and that ends
// when it is closed.
type View struct {
	Root  *os.File // its root directory, to work with
	Mount *os.File // O_PATH; keeps the mount
}

// New mounts the file system of the given type on the device source. Options are
// "key=value" or "flag". What the kernel says of them is in the error.
func New(fstype, source string, options ...string) (*View, error) {
	fs, err := unix.Fsopen(fstype, unix.FSOPEN_CLOEXEC)
	if errors.Is(err, unix.ENODEV) {
		return nil, fmt.Errorf("this kernel has no %s (modprobe %s): %w", fstype, fstype, err)
	}
	if err != nil {
		return nil, fmt.Errorf("fsopen %s: %w", fstype, err)
	}
	defer unix.Close(fs) //nolint:errcheck // nothing is written through it
	fd, err := create(fs, append([]string{"source=" + source}, options...))
	if err != nil {
		return nil, fmt.Errorf("%s file system: %w%s", fstype, err, note(fs))
	}
	return Open(fd, source)
}

func create(fs int, options []string) (fd int, err error) {
	for _, o := range options {
		if key, value, ok := strings.Cut(o, "="); ok {
			err = unix.FsconfigSetString(fs, key, value)
		} else {
			err = unix.FsconfigSetFlag(fs, o)
		}
		if err != nil {
			return -1, err
		}
	}
	if err := unix.FsconfigCreate(fs); err != nil {
		return -1, err
	}
	return unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, 0)
}

// note is what the kernel noted in a file system context about an error.
func note(fs int) string {
	buf := make([]byte, 4096)
	n, err := unix.Read(fs, buf)
	if err != nil || n < 2 {
		return ""
	}
	return ": " + string(bytes.TrimSpace(buf[2:n])) // after "e " or "w "
}

// Clone makes a view of the directory path, without what is mounted below it, for
// reading or for writing; that may differ from how it is mounted there.
func Clone(path string, write bool) (*View, error) {
	fd, err := unix.OpenTree(unix.AT_FDCWD, path, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return nil, &os.PathError{Op: "clone the mount at", Path: path, Err: err}
	}
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
	if write {
		attr = unix.MountAttr{Attr_clr: unix.MOUNT_ATTR_RDONLY}
	}
	if err := unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH, &attr); err != nil {
		unix.Close(fd) //nolint:errcheck // nothing was written
		return nil, &os.PathError{Op: "change the clone of the mount at", Path: path, Err: err}
	}
	return Open(fd, path)
}

// Open opens the root of the mount fd, which the view owns from here on. Errors, and
// the files, call it name.
func Open(fd int, name string) (*View, error) {
	mount := os.NewFile(uintptr(fd), name)
	root, err := unix.Openat(fd, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		mount.Close()
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	return &View{Root: os.NewFile(uintptr(root), name), Mount: mount}, nil
}

// Close unmounts.
func (v *View) Close() {
	v.Root.Close()
	v.Mount.Close()
}

package mounts

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// mountTries is how often a mount is begun anew because somebody else came or went.
const mountTries = 10

// OpenDevice mounts the file system of the given type on the device at path.
// Options are "key=value".
//
// A device is mounted read-only or writable as a whole, for all who mount it.
// So a reader whom a writer was faster than takes what that one has. A writer, whom
// a reader may keep waiting for as long as a registry takes, makes writable what
// that one has; the mount of the reader stays read-only.
func OpenDevice(path, fsType string, options []string, write bool) (*View, error) {
	writable := write
	v, err := mountDevice(path, fsType, options, writable)
	for n := 0; errors.Is(err, unix.EBUSY) && n < mountTries; n++ {
		writable = !writable
		v, err = mountDevice(path, fsType, options, writable)
	}
	if err != nil {
		return nil, &os.PathError{Op: "mount", Path: path, Err: err}
	}
	if err := v.restrict(write); err != nil {
		v.Close()
		return nil, fmt.Errorf("restrict the mount of %s: %w", path, err)
	}
	return v, nil
}

// restrict forbids what nobody does with a mount.
func (v *View) restrict(write bool) error {
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC}
	if !write {
		attr.Attr_set |= unix.MOUNT_ATTR_RDONLY
	}
	err := unix.MountSetattr(int(v.Mount.Fd()), "", unix.AT_EMPTY_PATH, &attr)
	if err == nil && write {
		err = v.MakeWritable()
	}
	return err
}

func mountDevice(path, fsType string, options []string, write bool) (*View, error) {
	if !write {
		options = append(slices.Clip(options), "ro")
	}
	return New(fsType, path, options...)
}

// ReadOnly tells whether nothing can be written through the view.
func (v *View) ReadOnly() (bool, error) {
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(v.Root.Fd()), &st); err != nil {
		return false, &os.PathError{Op: "statfs", Path: v.Root.Name(), Err: err}
	}
	return st.Flags&unix.ST_RDONLY != 0, nil
}

// MakeWritable makes the file system of the view, which was cloned for writing,
// writable if it is mounted read-only as a whole, as /boot often is. Where it is
// attached it stays read-only, by the flag of that mount.
func (v *View) MakeWritable() error {
	if ro, err := v.ReadOnly(); err != nil || !ro {
		return err
	}
	fd, err := unix.Fspick(int(v.Mount.Fd()), "", unix.FSPICK_EMPTY_PATH|unix.FSPICK_CLOEXEC)
	if err == nil {
		defer os.NewFile(uintptr(fd), "fspick").Close()
		err = unix.FsconfigSetFlag(fd, "rw")
	}
	if err == nil {
		err = unix.FsconfigReconfigure(fd)
	}
	if err != nil {
		return &os.PathError{Op: "make writable", Path: v.Root.Name(), Err: err}
	}
	return nil
}

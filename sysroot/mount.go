package sysroot

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/internal/mounts"
)

// cloneView makes a view of the directory path, without what is mounted below
// it, for reading or for writing; that may differ from how it is mounted there.
func cloneView(path string, write bool) (*mounts.View, error) {
	return mounts.Clone(path, write)
}

// MountRoot makes a writable mount of the physical root that is attached nowhere, for
// work that needs one of its own.
func (h *Host) MountRoot() (*mounts.View, error) {
	return cloneView(filepath.Join(h.root, "sysroot"), true)
}

// openDir opens the directory name below dir.
func openDir(dir *os.File, name string) (*os.File, error) {
	fd, err := unix.Openat(int(dir.Fd()), name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: dir.Name() + "/" + name, Err: err}
	}
	return os.NewFile(uintptr(fd), strings.TrimSuffix(dir.Name()+"/"+name, "/.")), nil
}

// readOnly tells whether nothing can be written through the view v.
func readOnly(v *mounts.View) (bool, error) {
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(v.Root.Fd()), &st); err != nil {
		return false, &os.PathError{Op: "statfs", Path: v.Root.Name(), Err: err}
	}
	return st.Flags&unix.ST_RDONLY != 0, nil
}

// makeWritable makes the file system of the view v, which was cloned for writing,
// writable if it is mounted read-only as a whole, as /boot often is. Where it is
// attached it stays read-only, by the flag of that mount.
func makeWritable(v *mounts.View) error {
	if ro, err := readOnly(v); err != nil || !ro {
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

// mountTries is how often a mount is begun anew because somebody else came or went.
const mountTries = 10

// mountView mounts the file system of the given type on the device at path.
// Options are "key=value".
//
// A device is mounted read-only or writable as a whole, for all who mount it.
// So a reader whom a writer was faster than takes what that one has. A writer, whom
// a reader may keep waiting for as long as a registry takes, makes writable what
// that one has; the mount of the reader stays read-only.
func mountView(path, fsType string, options []string, write bool) (*mounts.View, error) {
	writable := write
	v, err := mountDevice(path, fsType, options, writable)
	for n := 0; errors.Is(err, unix.EBUSY) && n < mountTries; n++ {
		writable = !writable
		v, err = mountDevice(path, fsType, options, writable)
	}
	if err != nil {
		return nil, &os.PathError{Op: "mount", Path: path, Err: err}
	}
	if err := restrict(v, write); err != nil {
		v.Close()
		return nil, fmt.Errorf("restrict the mount of %s: %w", path, err)
	}
	return v, nil
}

// restrict forbids what nobody does with a mount.
func restrict(v *mounts.View, write bool) error {
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC}
	if !write {
		attr.Attr_set |= unix.MOUNT_ATTR_RDONLY
	}
	err := unix.MountSetattr(int(v.Mount.Fd()), "", unix.AT_EMPTY_PATH, &attr)
	if err == nil && write {
		err = makeWritable(v)
	}
	return err
}

func mountDevice(path, fsType string, options []string, write bool) (*mounts.View, error) {
	if !write {
		options = append(slices.Clip(options), "ro")
	}
	return mounts.New(fsType, path, options...)
}

package sysroot

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// A view is a mount that is attached nowhere, so nobody else sees it, and that
// ends when it is closed.
type view struct {
	mount *os.File // O_PATH; keeps the mount
	dir   *os.File // its root, to work with
}

func (v *view) close() {
	v.dir.Close()
	v.mount.Close()
}

// cloneView makes a view of the directory path, without what is mounted below
// it, for reading or for writing; that may differ from how it is mounted there.
func cloneView(path string, write bool) (*view, error) {
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
	return newView(fd, path)
}

// newView opens the root of the mount fd, which the view owns from here on.
func newView(fd int, name string) (*view, error) {
	mount := os.NewFile(uintptr(fd), name)
	dir, err := openDir(mount, ".")
	if err != nil {
		mount.Close()
		return nil, err
	}
	return &view{mount, dir}, nil
}

// openDir opens the directory name below dir.
func openDir(dir *os.File, name string) (*os.File, error) {
	fd, err := unix.Openat(int(dir.Fd()), name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: dir.Name() + "/" + name, Err: err}
	}
	return os.NewFile(uintptr(fd), strings.TrimSuffix(dir.Name()+"/"+name, "/.")), nil
}

// readOnly tells whether nothing can be written through the view.
func (v *view) readOnly() (bool, error) {
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(v.dir.Fd()), &st); err != nil {
		return false, &os.PathError{Op: "statfs", Path: v.dir.Name(), Err: err}
	}
	return st.Flags&unix.ST_RDONLY != 0, nil
}

// makeWritable makes the file system of the view, which was cloned for writing,
// writable if it is mounted read-only as a whole, as /boot often is. Where it is
// attached it stays read-only, by the flag of that mount.
func (v *view) makeWritable() error {
	if ro, err := v.readOnly(); err != nil || !ro {
		return err
	}
	fd, err := unix.Fspick(int(v.mount.Fd()), "", unix.FSPICK_EMPTY_PATH|unix.FSPICK_CLOEXEC)
	if err == nil {
		defer os.NewFile(uintptr(fd), "fspick").Close()
		err = unix.FsconfigSetFlag(fd, "rw")
	}
	if err == nil {
		err = unix.FsconfigReconfigure(fd)
	}
	if err != nil {
		return &os.PathError{Op: "make writable", Path: v.dir.Name(), Err: err}
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
func mountView(path, fsType string, options []string, write bool) (*view, error) {
	writable := write
	fd, err := mountDevice(path, fsType, options, writable)
	for n := 0; errors.Is(err, unix.EBUSY) && n < mountTries; n++ {
		writable = !writable
		fd, err = mountDevice(path, fsType, options, writable)
	}
	if err != nil {
		return nil, &os.PathError{Op: "mount", Path: path, Err: err}
	}
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC}
	if !write {
		attr.Attr_set |= unix.MOUNT_ATTR_RDONLY
	}
	if err := unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH, &attr); err != nil {
		unix.Close(fd) //nolint:errcheck // nothing was written
		return nil, &os.PathError{Op: "restrict the mount of", Path: path, Err: err}
	}
	v, err := newView(fd, path)
	if err == nil && write {
		if err = v.makeWritable(); err != nil {
			v.close()
			return nil, err
		}
	}
	return v, err
}

func mountDevice(path, fsType string, options []string, write bool) (int, error) {
	fs, err := unix.Fsopen(fsType, unix.FSOPEN_CLOEXEC)
	if errors.Is(err, unix.ENODEV) {
		return -1, fmt.Errorf("this kernel has no %s (modprobe %s): %w", fsType, fsType, err)
	}
	if err != nil {
		return -1, fmt.Errorf("fsopen %s: %w", fsType, err)
	}
	defer os.NewFile(uintptr(fs), "fsopen").Close()
	if !write {
		err = unix.FsconfigSetFlag(fs, "ro")
	}
	for _, o := range append([]string{"source=" + path}, options...) {
		key, value, _ := strings.Cut(o, "=")
		if err == nil {
			err = unix.FsconfigSetString(fs, key, value)
		}
	}
	if err == nil {
		err = unix.FsconfigCreate(fs)
	}
	if err != nil {
		return -1, fmt.Errorf("%s file system: %w", fsType, err)
	}
	return unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, 0)
}

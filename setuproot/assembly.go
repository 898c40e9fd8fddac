package setuproot

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// assembly is a tree of mounts on its way. It is put together on a tmpfs of its own
// below /run: before Linux 6.15 nothing can be mounted on what is attached nowhere.
// The tmpfs is private, so that nobody else sees what goes on there, and holds what
// transient directories write until shutdown.
type assembly struct {
	scratch  string   // where the tmpfs is mounted
	physical *os.File // the root file system of the disk, writable if it is
	root     *os.File // the root of the new tree
	layers   int      // transient directories so far
}

const (
	rootName     = "/root" // below scratch
	physicalName = "/physical"
)

// newAssembly begins with the file system that is mounted at sysroot. Its tmpfs is
// below the directory run.
func newAssembly(sysroot, run string) (*assembly, error) {
	dir, err := os.MkdirTemp(run, ".bootc-root-")
	if err != nil {
		return nil, fmt.Errorf("make a place for the new tree: %w", err)
	}
	a := &assembly{scratch: dir}
	if err := a.prepare(sysroot); err != nil {
		return nil, errors.Join(err, a.close())
	}
	return a, nil
}

func (a *assembly) prepare(sysroot string) error {
	if err := unix.Mount("bootc", a.scratch, "tmpfs", 0, "mode=0700"); err != nil {
		return fmt.Errorf("mount a tmpfs: %w", err)
	}
	if err := unix.Mount("", a.scratch, "", unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make a tmpfs private: %w", err)
	}
	for _, name := range []string{rootName, physicalName} {
		if err := os.Mkdir(a.scratch+name, 0o700); err != nil {
			return err
		}
	}
	source, err := openPath(sysroot)
	if err != nil {
		return advise(err, hintDisk)
	}
	defer source.Close()
	if a.physical, err = clone(source, 0); err != nil {
		return fmt.Errorf("%s: %w", sysroot, err)
	}
	return attach(a.physical, unix.AT_FDCWD, a.scratch+physicalName)
}

// close gives back all that is not used by an installed tree.
func (a *assembly) close() error {
	for _, f := range []*os.File{a.root, a.physical} {
		if f != nil {
			f.Close()
		}
	}
	err := unix.Unmount(a.scratch, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
	if errors.Is(err, unix.EINVAL) { // the tmpfs was not mounted
		err = nil
	}
	return errors.Join(err, os.Remove(a.scratch))
}

// makeWritable lets what is below the state directories be written to, whatever the
// initramfs thought of it: some mount the root file system read-only and leave the
// rest to the system, which sees another root.
func (a *assembly) makeWritable() error {
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(a.physical.Fd()), &st); err != nil || st.Flags&unix.ST_RDONLY == 0 {
		return err
	}
	if err := setReadOnly(a.physical, false); err != nil {
		return err
	}
	fd, err := unix.Fspick(unix.AT_FDCWD, a.scratch+physicalName, unix.FSPICK_CLOEXEC)
	if err != nil {
		return fmt.Errorf("fspick: %w", err)
	}
	defer unix.Close(fd) //nolint:errcheck // nothing depends on it
	if err := unix.FsconfigSetFlag(fd, "rw"); err != nil {
		return fmt.Errorf("remount: %w", err)
	}
	if err := unix.FsconfigReconfigure(fd); err != nil {
		return fmt.Errorf("remount: %w", err)
	}
	return nil
}

// mountPhysical mounts the disk's root file system, read-only, where bootc looks for
// it.
func (a *assembly) mountPhysical() error {
	at, err := openDir(a.root, "sysroot")
	if err != nil {
		return fmt.Errorf("/sysroot in the image: %w", err)
	}
	defer at.Close()
	c, err := clone(a.physical, 0)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := setReadOnly(c, true); err != nil {
		return err
	}
	return attachOn(c, at)
}

// openPath opens a directory to be used as a place only.
func openPath(name string) (*os.File, error) {
	return openAt(unix.AT_FDCWD, name, unix.OpenHow{Flags: unix.O_PATH | unix.O_DIRECTORY})
}

// openDir opens a directory below dir as a place. Symbolic links end in dir.
func openDir(dir *os.File, name string) (*os.File, error) {
	return openIn(dir, name, unix.O_PATH|unix.O_DIRECTORY)
}

// openIn opens what is called name if dir is the root directory.
func openIn(dir *os.File, name string, flags uint64) (*os.File, error) {
	return openAt(int(dir.Fd()), name, unix.OpenHow{Flags: flags, Resolve: unix.RESOLVE_IN_ROOT})
}

func openAt(dirfd int, name string, how unix.OpenHow) (*os.File, error) {
	how.Flags |= unix.O_CLOEXEC
	for {
		fd, err := unix.Openat2(dirfd, name, &how)
		if err == nil {
			return os.NewFile(uintptr(fd), name), nil
		}
		if !errors.Is(err, unix.EINTR) && !errors.Is(err, unix.EAGAIN) {
			return nil, &os.PathError{Op: "open", Path: name, Err: err}
		}
	}
}

// clone makes a mount of what f is, attached nowhere.
func clone(f *os.File, flags uint) (*os.File, error) {
	fd, err := unix.OpenTree(int(f.Fd()), "", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_EMPTY_PATH|flags)
	if err != nil {
		return nil, fmt.Errorf("clone mount of %s: %w", f.Name(), err)
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}

// attach mounts what is attached nowhere at the path below dirfd.
func attach(f *os.File, dirfd int, path string) error {
	if err := unix.MoveMount(int(f.Fd()), "", dirfd, path, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return fmt.Errorf("mount %s at %s: %w", f.Name(), path, err)
	}
	return nil
}

// attachOn mounts what is attached nowhere on the directory at.
func attachOn(f, at *os.File) error {
	const flags = unix.MOVE_MOUNT_F_EMPTY_PATH | unix.MOVE_MOUNT_T_EMPTY_PATH
	if err := unix.MoveMount(int(f.Fd()), "", int(at.Fd()), "", flags); err != nil {
		return fmt.Errorf("mount %s at %s: %w", f.Name(), at.Name(), err)
	}
	return nil
}

func setReadOnly(f *os.File, on bool) error {
	attr := unix.MountAttr{Attr_clr: unix.MOUNT_ATTR_RDONLY}
	if on {
		attr = unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
	}
	if err := unix.MountSetattr(int(f.Fd()), "", unix.AT_EMPTY_PATH, &attr); err != nil {
		return fmt.Errorf("set the mount of %s read-only or writable: %w", f.Name(), err)
	}
	return nil
}

// fdPath is a path that leads to f.
func fdPath(f *os.File) string { return "/proc/self/fd/" + strconv.Itoa(int(f.Fd())) }

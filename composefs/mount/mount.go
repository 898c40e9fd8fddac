// Package mount mounts composefs images: the EROFS image, which has all
// metadata and small files, as the lower layer of an overlay that takes the
// content of all other files from an object directory.
//
// It uses the newest interface that the kernel has. On Linux 6.15 nothing is
// attached anywhere until the whole mount is; 6.12 and older need a loop device
// for the image, 6.14 and older a mount point that is visible for a moment, and
// what has no fsopen(2) is served through mount(2).
//
// What a mount cannot do shows when a file is opened, not before: a file whose
// object is missing gives ENOENT, and with RequireVerity a file whose object
// has no fs-verity digest or another one than the image says gives EIO. Files
// stored in the image and all metadata can be read regardless.
//
// The package has no dependencies, because it goes into an initramfs.
package mount

import (
	"errors"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Options say what to mount, and how. The files stay the caller's; a mount
// keeps what it needs of them.
type Options struct {
	Image   *os.File // the EROFS image, or the block device with it, open for reading
	Objects *os.File // the object directory; O_PATH is enough
	Source  string   // what mount tables show as the device, such as "composefs:<id>"

	// RequireVerity makes the kernel check every object that is opened against
	// the digest in the image. It needs Linux 6.6. A kernel that knows overlayfs
	// but not fs-verity mounts and then refuses to open any object.
	RequireVerity bool

	// Upper and Work are directories on one file system for an overlay's upper
	// layer, both or neither.
	Upper, Work *os.File
	// ReadWrite makes the mount writable, which needs Upper and Work. Without
	// it the mount is read-only even if they are given.
	ReadWrite bool

	// TempDir is a directory for a mount point that older kernels need for a
	// moment; if it is "", that is /run, or else /tmp.
	TempDir string

	pretend abilities               // what a test takes from the kernel
	fault   func(step string) error // a test's failure of a step
}

// Errors that callers may tell apart.
var (
	ErrNotImage    = errors.New("not a composefs image")
	ErrUnsupported = errors.New("the kernel lacks support")
)

// Mount makes a mount that is attached nowhere and returns its descriptor, for
// move_mount(2). The mount ends when the descriptor is closed, unless it was
// attached. ErrUnsupported is wrapped if the kernel has no such mounts (before
// Linux 5.2); MountAt may still work.
func Mount(o Options) (*os.File, error) {
	fd, err := o.detached()
	if err != nil {
		return nil, note("cannot mount "+o.shortSource(), err)
	}
	return os.NewFile(uintptr(fd), o.source()), nil
}

// MountAt mounts at the directory target; a symbolic link is not followed.
func MountAt(o Options, target string) error { //nolint:revive // mount.At would not say that it mounts
	fd, err := o.detached()
	if errors.Is(err, errNoFsopen) {
		err = o.mountOld(target)
	} else if err == nil {
		err = o.attach(fd, target)
		closeAll(fd)
	}
	if err != nil {
		return note("cannot mount "+o.shortSource()+" at "+target, err)
	}
	return nil
}

func (o *Options) source() string {
	if o.Source == "" {
		return "composefs"
	}
	return o.Source
}

// shortSource is the source for people, who tell ids by their first digits.
func (o *Options) shortSource() string {
	s := o.source()
	if end := strings.IndexByte(s, ':') + 1 + 12; len(s) > end+12 {
		return s[:end] + "…"
	}
	return s
}

// detached returns the descriptor of the whole mount.
func (o *Options) detached() (int, error) {
	if err := o.check(); err != nil {
		return -1, err
	}
	lower, err := o.mountImage()
	if err != nil {
		return -1, err
	}
	defer closeAll(lower)
	return o.mountOverlay(lower)
}

func (o *Options) check() error {
	switch {
	case o.Image == nil || o.Objects == nil:
		return errors.New("internal error: no image or no object directory")
	case (o.Upper == nil) != (o.Work == nil):
		return errors.New("internal error: an upper directory and a work directory go together")
	case o.ReadWrite && o.Upper == nil:
		return errors.New("internal error: a writable mount needs an upper directory")
	}
	for _, dir := range []*os.File{o.Objects, o.Upper, o.Work} {
		if err := checkDirectory(dir); err != nil {
			return err
		}
	}
	return nil
}

// checkDirectory finds out early what the kernel would say of a descriptor's
// number.
func checkDirectory(dir *os.File) error {
	if dir == nil {
		return nil
	}
	var st unix.Stat_t
	err := unix.Fstat(int(dir.Fd()), &st)
	if err == nil && st.Mode&unix.S_IFMT != unix.S_IFDIR {
		err = unix.ENOTDIR
	}
	return note(dir.Name(), err)
}

// attach attaches the mount fd at target.
func (o *Options) attach(fd int, target string) error {
	return o.step("attach", func() error {
		return unix.MoveMount(fd, "", unix.AT_FDCWD, target, unix.MOVE_MOUNT_F_EMPTY_PATH)
	})
}

func (o *Options) readOnly() bool { return !o.ReadWrite }

// step runs one system call, which a test may have fail, and names it in the
// error.
func (o *Options) step(name string, fn func() error) error {
	var err error
	if o.fault != nil {
		err = o.fault(name)
	}
	if err == nil {
		err = retry(fn)
	}
	return note(name, err)
}

// retry runs fn again as long as a signal interrupts it.
func retry(fn func() error) error {
	for {
		if err := fn(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

func closeAll(fds ...int) {
	for _, fd := range fds {
		_ = unix.Close(fd)
	}
}

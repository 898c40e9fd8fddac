package setuproot

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/verity"
)

// mountState makes the directory called name what mode says.
func (a *assembly) mountState(id verity.Digest, name string, m mode) error {
	if m == modeNone {
		return nil
	}
	at, err := openDir(a.root, name)
	if err != nil {
		return fmt.Errorf("/%s in the image: %w", name, err)
	}
	defer at.Close()
	if m == modeTransient {
		return a.overlay(at, nil)
	}
	path := "state/deploy/" + id.String() + "/" + name
	state, err := openDir(a.physical, path)
	if err != nil {
		return fmt.Errorf("no directory %s on the root file system: the deployment was not written whole, or deleted: %w", path, err)
	}
	defer state.Close()
	if m == modeOverlay {
		return a.overlay(at, state)
	}
	bind, err := clone(state, 0)
	if err != nil {
		return err
	}
	defer bind.Close()
	return attachOn(bind, at)
}

// layer is the writable layer of an overlay.
type layer struct{ upper, work *os.File }

func (l *layer) close() {
	l.upper.Close()
	l.work.Close()
}

// owner is what a directory's owner and mode are.
type owner struct {
	uid, gid int
	mode     uint32
}

// rootOwner is for the root, which cannot be asked before it is mounted.
var rootOwner = owner{mode: 0o755}

func ownerOf(f *os.File) (owner, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return owner{}, &os.PathError{Op: "stat", Path: f.Name(), Err: err}
	}
	return owner{int(st.Uid), int(st.Gid), st.Mode & 0o7777}, nil
}

// newLayer makes or opens the layer in state, or a transient one if that is nil. The
// upper directory stands for the lower one, whose owner it gets.
func (a *assembly) newLayer(state *os.File, lower owner) (*layer, error) {
	base := ""
	if state != nil {
		base = fdPath(state)
	} else {
		a.layers++
		base = a.scratch + "/layer" + strconv.Itoa(a.layers)
		if err := os.Mkdir(base, 0o700); err != nil {
			return nil, err
		}
	}
	upper, err := ensureDir(base+"/upper", lower)
	if err != nil {
		return nil, err
	}
	work, err := ensureDir(base+"/work", owner{mode: 0o700})
	if err != nil {
		upper.Close()
		return nil, err
	}
	return &layer{upper, work}, nil
}

// ensureDir opens a directory, which it makes if it is not there.
func ensureDir(name string, o owner) (*os.File, error) {
	err := os.Mkdir(name, 0o700)
	if err == nil {
		if err = os.Chown(name, o.uid, o.gid); err == nil {
			err = unix.Chmod(name, o.mode)
		}
	}
	if err != nil && !errors.Is(err, os.ErrExist) {
		return nil, err
	}
	return openPath(name)
}

// overlay mounts an overlay over the directory at, with the writable layer in state
// or, if that is nil, a transient one.
func (a *assembly) overlay(at, state *os.File) error {
	lower, err := ownerOf(at)
	if err != nil {
		return err
	}
	l, err := a.newLayer(state, lower)
	if err != nil {
		return err
	}
	defer l.close()
	source := "overlay"
	if state == nil {
		source = "transient"
	}
	f, err := openOverlay(source, at, l)
	if err != nil {
		return fmt.Errorf("overlay over /%s: %w", at.Name(), err)
	}
	defer f.Close()
	return attachOn(f, at)
}

// openOverlay makes the mount. All layers are attached somewhere, so they can be
// given as paths, which all kernels take.
func openOverlay(source string, lower *os.File, l *layer) (*os.File, error) {
	fd, err := unix.Fsopen("overlay", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd) //nolint:errcheck // nothing depends on it
	for _, option := range [][2]string{
		{"source", source},
		{"lowerdir", fdPath(lower)},
		{"upperdir", fdPath(l.upper)},
		{"workdir", fdPath(l.work)},
	} {
		if err := unix.FsconfigSetString(fd, option[0], option[1]); err != nil {
			return nil, fmt.Errorf("%s: %w", option[0], err)
		}
	}
	if err := unix.FsconfigCreate(fd); err != nil {
		return nil, err
	}
	mnt, err := unix.Fsmount(fd, unix.FSMOUNT_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(mnt), source), nil
}

package etcmerge

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// remove removes what the result has not.
func (a *applier) remove(s step) error {
	parent, name, err := a.target.parent(s.path)
	if err != nil {
		return err
	}
	return removeAll(parent, name)
}

// mkdir makes a directory, or if one is there already, of an earlier attempt,
// gives it the attributes.
func (a *applier) mkdir(s step) error {
	f, err := a.target.openDir(s.path)
	switch {
	case err == nil:
		defer f.Close()
		return a.attributes.set(int(f.Fd()), s.node)
	case !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ENOTDIR) && !errors.Is(err, unix.ELOOP):
		return err
	}
	temp := a.temp()
	if err := unix.Mkdirat(a.work, temp, 0o700); err != nil {
		return err
	}
	return a.dress(temp, s)
}

// finish gives a directory its attributes, and its time, now that nothing in it
// changes any more.
func (a *applier) finish(s step) error {
	f, err := a.target.openDir(s.path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := a.attributes.set(int(f.Fd()), s.node); err != nil {
		return err
	}
	return setTimes(int(f.Fd()), s.node)
}

// copy copies a file of current.
func (a *applier) copy(s step) error {
	src, err := a.current.open(s.from)
	var st unix.Stat_t
	if err == nil {
		defer src.Close()
		err = unix.Fstat(int(src.Fd()), &st)
	}
	if err := unchanged(err, &st, s.node); err != nil {
		return err
	}
	return a.file(s, func(dst *os.File) error {
		n, err := io.Copy(dst, io.LimitReader(src, st.Size))
		if err != nil {
			return err
		}
		before := st.Ctim
		if err := unix.Fstat(int(src.Fd()), &st); err != nil {
			return err
		}
		if uint64(n) != s.node.Size() || st.Ctim != before {
			return ErrChanged
		}
		return nil
	})
}

// write writes a file whose content the plan has.
func (a *applier) write(s step) error {
	return a.file(s, func(dst *os.File) error {
		if s.node.File == nil {
			return nil
		}
		_, err := dst.Write(s.node.File.Inline)
		return err
	})
}

// file makes a regular file.
func (a *applier) file(s step, fill func(dst *os.File) error) error {
	temp := a.temp()
	fd, err := unix.Openat(a.work, temp, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	dst := os.NewFile(uintptr(fd), temp)
	err = fill(dst)
	if err == nil {
		err = a.attributes.set(fd, s.node)
	}
	if err == nil {
		err = setTimes(fd, s.node)
	}
	if cerr := dst.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	return a.install(temp, s.path)
}

// make makes what is neither a regular file nor a directory.
func (a *applier) make(s step) error {
	temp := a.temp()
	var err error
	if s.node.IsSymlink() {
		err = unix.Symlinkat(s.node.Target, a.work, temp)
	} else {
		err = unix.Mknodat(a.work, temp, s.node.Type(), int(s.node.Rdev))
	}
	if err != nil {
		return fmt.Errorf("make: %w", err)
	}
	return a.dress(temp, s)
}

// dress gives an unfinished inode its attributes and time, and installs it.
func (a *applier) dress(temp string, s step) error {
	fd, err := openat2(a.work, temp, unix.O_PATH|unix.O_NOFOLLOW)
	if err != nil {
		return err
	}
	err = a.attributes.set(fd, s.node)
	if err == nil {
		err = setTimes(fd, s.node)
	}
	unix.Close(fd) //nolint:errcheck // nothing was written through it
	if err != nil {
		return err
	}
	return a.install(temp, s.path)
}

// link makes another name of a file of the result.
func (a *applier) link(s step) error {
	parent, name, err := a.target.parent(s.from)
	if err != nil {
		return err
	}
	temp := a.temp()
	if err := unix.Linkat(parent, name, a.work, temp, 0); err != nil {
		return fmt.Errorf("link: %w", err)
	}
	return a.install(temp, s.path)
}

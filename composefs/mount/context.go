package mount

import (
	"errors"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A context is a file system being configured, fsopen(2).
type context struct {
	o    *Options
	fs   string
	fd   int
	fail error // of the first step that failed; later ones do nothing
}

func (o *Options) open(fs string) *context {
	c := &context{o: o, fs: fs, fd: -1}
	err := o.step("fsopen "+fs, func() error {
		if o.pretend.noFsopen {
			return unix.ENOSYS
		}
		var err error
		c.fd, err = unix.Fsopen(fs, unix.FSOPEN_CLOEXEC)
		return err
	})
	if err != nil {
		c.fail = explain(fs, err)
	}
	return c
}

func (c *context) close() {
	if c.fd >= 0 {
		closeAll(c.fd)
	}
}

// do runs one step of the configuration. What the kernel logs about a failure
// says more than the error number, so it becomes part of the error.
func (c *context) do(what string, fn func(fd int) error) {
	if c.fail != nil {
		return
	}
	err := c.o.step(c.fs+" "+what, func() error { return fn(c.fd) })
	if err == nil {
		return
	}
	if log := c.log(); log != "" {
		err = &logged{err, log}
	}
	c.fail = err
}

func (c *context) set(key, value string) {
	c.do(key+"="+value, func(fd int) error { return unix.FsconfigSetString(fd, key, value) })
}

func (c *context) setFlag(key string) {
	c.do(key, func(fd int) error { return unix.FsconfigSetFlag(fd, key) })
}

func (c *context) setFd(key string, value int) {
	c.do(key, func(fd int) error { return unix.FsconfigSetFd(fd, key, value) })
}

// mount ends the configuration and returns the descriptor of a mount.
func (c *context) mount(readOnly bool) (int, error) {
	attr := 0
	if readOnly {
		attr = unix.MOUNT_ATTR_RDONLY
	}
	c.do("create", unix.FsconfigCreate)
	mnt := -1
	c.do("fsmount", func(fd int) error {
		var err error
		mnt, err = unix.Fsmount(fd, unix.FSMOUNT_CLOEXEC, attr)
		return err
	})
	return mnt, c.fail
}

// logged is an error with what the kernel said about it.
type logged struct {
	err error
	log string
}

func (e *logged) Error() string { return e.err.Error() + " (" + e.log + ")" }
func (e *logged) Unwrap() error { return e.err }

// log returns the errors that the kernel has logged for the context, a message
// a read.
func (c *context) log() string {
	var messages []string
	buf := make([]byte, 1024)
	for len(messages) < 8 {
		n, err := unix.Read(c.fd, buf)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || n <= 0 {
			break
		}
		if text, ok := strings.CutPrefix(string(buf[:n]), "e "); ok {
			messages = append(messages, strings.TrimSpace(text))
		}
	}
	return strings.Join(messages, "; ")
}

// procFd is a path that leads to what the descriptor fd refers to.
func procFd(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }

package mount

import (
	"errors"

	"golang.org/x/sys/unix"
)

// noted is an error and what it happened to. Package fmt is not used here: it
// would be a good part of a small program.
type noted struct {
	what string
	err  error
}

func (e *noted) Error() string { return e.what + ": " + e.err.Error() }
func (e *noted) Unwrap() error { return e.err }

// note adds to err what it happened to; nil stays nil.
func note(what string, err error) error {
	if err == nil {
		return nil
	}
	return &noted{what, err}
}

// lacking is an error of a kernel that lacks something.
type lacking struct {
	text  string
	cause error
}

func (e *lacking) Error() string   { return e.text }
func (e *lacking) Unwrap() []error { return []error{ErrUnsupported, e.cause} }

var (
	errNoFsopen = &lacking{"this kernel has no fsopen (Linux 5.2 or newer is needed)", unix.ENOSYS}
	errNoVerity = &lacking{"this kernel's overlayfs cannot require fs-verity (Linux 6.6 or newer is needed)", unix.EINVAL}
)

// explain says in words what the error of opening the file system fs means.
func explain(fs string, err error) error {
	switch {
	case errors.Is(err, unix.ENODEV):
		return &lacking{"this kernel has no " + fs + " (modprobe " + fs + ")", err}
	case errors.Is(err, unix.ENOSYS):
		return errNoFsopen
	case errors.Is(err, unix.EPERM):
		return note("only root may mount", err)
	}
	return err
}

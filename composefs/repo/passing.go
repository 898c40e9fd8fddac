package repo

import (
	"errors"

	"golang.org/x/sys/unix"
)

// passingErrors are of the program or the machine at that moment, or of who
// runs it. They say nothing about what is stored.
var passingErrors = []error{
	unix.ENOMEM, unix.EMFILE, unix.ENFILE, unix.EINTR, unix.EAGAIN, unix.EACCES, unix.EPERM,
	unix.EBUSY, unix.ETXTBSY, unix.ENOBUFS, unix.ENOSPC, unix.EDQUOT, unix.ENOLCK, unix.EBADF,
	unix.ETIMEDOUT, unix.ESTALE, unix.ENOTCONN, unix.ESHUTDOWN, unix.EROFS, unix.ECANCELED,
}

// lastingErrors are what the kernel says of a file that is bad or is none.
var lastingErrors = []error{
	unix.EIO, unix.EUCLEAN, unix.EBADMSG, unix.ELOOP, unix.ENOENT, unix.ENXIO, unix.ENOTDIR, unix.EISDIR,
}

// passing reports whether err might not come again, so that it is no verdict.
func passing(err error) bool { return isOneOf(err, passingErrors) }

// lasting reports whether err is a verdict on what is stored, by which it may
// be removed: one that this package came to itself, or one of lastingErrors.
// What is neither passing nor lasting is reported and left alone.
func lasting(err error) bool {
	var errno unix.Errno
	return !errors.As(err, &errno) || !passing(err) && isOneOf(err, lastingErrors)
}

func isOneOf(err error, all []error) bool {
	for _, e := range all {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

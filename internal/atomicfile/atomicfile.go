// Package atomicfile replaces files and symbolic links so that whoever looks,
// at any instant and after a power cut, finds the old one or the new one,
// whole.
package atomicfile

import (
	"errors"
	"io"
	"io/fs"
	"os"
)

var errTODO = errors.New("not written yet")

// Write makes the file name, a path below dir, hold what fill writes, with
// exactly the permission bits perm. The temporary file stands in dir itself,
// under a name that begins with ".tmp-", so dir and name must be on one file
// system.
func Write(dir *os.File, name string, perm fs.FileMode, fill func(io.Writer) error) error {
	return errTODO
}

// WriteFile is Write for content in memory.
func WriteFile(dir *os.File, name string, data []byte, perm fs.FileMode) error { return errTODO }

// Symlink makes name, a path below dir, a symbolic link to target, in place of
// whatever link or file stood there.
func Symlink(dir *os.File, target, name string) error { return errTODO }

// Remove removes the file or link name below dir, and makes that durable. A
// missing one is no error.
func Remove(dir *os.File, name string) error { return errTODO }

// SyncDir makes the entries of dir durable.
func SyncDir(dir *os.File) error { return errTODO }

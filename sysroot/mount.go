package sysroot

import (
	"os"
	"path/filepath"
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

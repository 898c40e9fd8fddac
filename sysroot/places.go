package sysroot

import (
	"os"
	"path"
	"strings"

	"github.com/bootc-go/bootc/internal/mounts"
)

// MountedFrom tells whether anything is mounted, somewhere, from the directory dir of the
// physical root or from below it.
func (h *Host) MountedFrom(dir string) (bool, error) {
	if err := h.readTable(); err != nil {
		return false, err
	}
	root, ok := h.table.At("/sysroot")
	if !ok {
		return false, nil
	}
	prefix := path.Join(root.Root, dir)
	for _, m := range h.table {
		if m.Device == root.Device && (m.Root == prefix || strings.HasPrefix(m.Root, prefix+"/")) {
			return true, nil
		}
	}
	return false, nil
}

// OwnVar is what is mounted at /var if that is a file system of its own, or a subvolume,
// which no deployment has to do with.
func (h *Host) OwnVar() (mounts.Mount, bool) {
	m, ok := h.table.At("/var")
	root, known := h.table.At("/sysroot")
	switch {
	case !ok, !known, h.HasStateVar():
		return m, false
	case m.Device == root.Device:
		return m, true
	case m.FSType == "overlay", m.FSType == "tmpfs": // setup-root-conf.toml, or nothing to reset
		return m, false
	}
	return m, true
}

// HasStateVar tells whether /var is that of a stateroot, a directory of the physical root.
func (h *Host) HasStateVar() bool {
	m, ok := h.table.At("/var")
	root, known := h.table.At("/sysroot")
	return ok && known && m.Device == root.Device && strings.HasPrefix(m.Root, path.Join(root.Root, "state/os")+"/")
}

// MountOver is what is mounted at the absolute path name, or at a directory above it that
// is not one of the root directory.
func (h *Host) MountOver(name string) (mounts.Mount, bool) {
	for name = path.Clean(name); path.Dir(name) != "/" && name != "/" && name != "."; name = path.Dir(name) {
		if m, ok := h.table.At(name); ok {
			return m, true
		}
	}
	return mounts.Mount{}, false
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

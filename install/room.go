package install

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/install/disk"
	"github.com/bootc-go/bootc/internal/atomicfile"
)

// shown is how many names an error lists.
const shown = 5

var errEnough = errors.New("enough was found")

// checkEmpty refuses a target in which there are files, at other places than mount
// points.
func (t *target) checkEmpty() error {
	var found []string
	err := walkMount(t.root, "", func(_ *os.Root, name string, e fs.DirEntry) error {
		if e.IsDir() || path.Dir(name) == "lost+found" {
			return nil
		}
		if len(found) == shown {
			return errEnough
		}
		found = append(found, "/"+name)
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) || len(found) == 0 {
		return err
	}
	names := strings.Join(found, ", ")
	if err != nil {
		names += " and more"
	}
	return fmt.Errorf("%w: it holds %s", disk.ErrNotEmpty, names)
}

// clear removes what is to be replaced.
func (t *target) clear(dirs ...*os.File) error {
	t.changed = true
	for _, dir := range dirs {
		if dir == nil {
			continue
		}
		if err := empty(dir); err != nil {
			return fmt.Errorf("remove what is there: %w", err)
		}
	}
	return nil
}

// empty removes all in dir that is on its file system. Directories in which other
// file systems are mounted stay.
func empty(dir *os.File) error {
	return walkMount(dir, "", func(root *os.Root, name string, e fs.DirEntry) error {
		err := root.Remove(name)
		if e.IsDir() && (errors.Is(err, unix.ENOTEMPTY) || errors.Is(err, unix.EBUSY) || errors.Is(err, fs.ErrExist)) {
			return nil
		}
		return err
	})
}

// walkMount calls fn for all below dir, the content of a directory before itself,
// but not for directories that are mount points.
func walkMount(dir *os.File, name string, fn func(root *os.Root, name string, e fs.DirEntry) error) error {
	root, err := os.OpenRoot("/proc/self/fd/" + strconv.Itoa(int(dir.Fd())))
	if err != nil {
		return err
	}
	defer root.Close()
	return walkDir(root, name, fn)
}

func walkDir(root *os.Root, name string, fn func(root *os.Root, name string, e fs.DirEntry) error) error {
	dir, err := root.Open(path.Join(".", name))
	if err != nil {
		return err
	}
	entries, err := dir.ReadDir(-1)
	if cerr := dir.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		child := path.Join(name, e.Name())
		if e.IsDir() {
			mount, err := isMountPoint(root, child)
			if err != nil {
				return err
			}
			if mount {
				continue
			}
			if err := walkDir(root, child, fn); err != nil {
				return err
			}
		}
		if err := fn(root, child, e); err != nil {
			return err
		}
	}
	return nil
}

func isMountPoint(root *os.Root, name string) (bool, error) {
	dir, err := root.Open(name)
	if err != nil {
		return false, err
	}
	defer dir.Close()
	return disk.IsMountPoint(dir)
}

// requestCleanup leaves the mark for which the unit that removes the old system's
// files looks at the first boot.
func (t *target) requestCleanup() error {
	etc, err := makeDir(t.root, "etc")
	if err != nil {
		return err
	}
	defer etc.Close()
	return atomicfile.WriteFile(etc, "bootc-destructive-cleanup", nil, 0o644)
}

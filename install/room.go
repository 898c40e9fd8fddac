package install

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/install/disk"
	"github.com/bootc-go/bootc/internal/atomicfile"
)

// lostFound is where e2fsck puts what has no name any more.
const lostFound = "lost+found"

// shown is how many names an error lists.
const shown = 5

var errEnough = errors.New("enough was found")

// checkEmpty refuses a target in which there are files, at other places than mount
// points.
func (t *target) checkEmpty() error {
	found, err := filesIn(t.root)
	if err != nil {
		return err
	}
	if dir := t.ownVar.filled(); dir != nil {
		names, err := namesIn(dir)
		if err != nil {
			return err
		}
		for _, name := range names {
			found = append(found, "/var/"+name)
		}
	}
	if len(found) == 0 {
		return nil
	}
	names := strings.Join(found[:min(shown, len(found))], ", ")
	if len(found) > shown {
		names += " and more"
	}
	return fmt.Errorf("%w: it holds %s", disk.ErrNotEmpty, names)
}

// filesIn lists files in a file system: one more than are shown, at most.
func filesIn(dir *os.File) (found []string, err error) {
	err = walkMount(dir, "", func(_ *os.Root, name string, e fs.DirEntry) error {
		if e.IsDir() || path.Dir(name) == lostFound {
			return nil
		}
		if found = append(found, "/"+name); len(found) > shown {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return found, err
}

// namesIn lists a directory, without what a new file system has.
func namesIn(dir *os.File) ([]string, error) {
	again, err := openDir(dir, ".")
	if err != nil {
		return nil, err
	}
	defer again.Close()
	names, err := again.Readdirnames(-1)
	slices.Sort(names)
	return slices.DeleteFunc(names, func(name string) bool { return name == lostFound }), err
}

// emptyVar takes back what a failed installation wrote into an empty file system for
// /var, so that the next one finds it empty.
func (t *target) emptyVar() error {
	dir := t.ownVar.filled()
	if dir == nil || !t.ownVar.taken {
		return nil
	}
	return walkMount(dir, "", func(root *os.Root, name string, _ fs.DirEntry) error {
		if name == lostFound || path.Dir(name) == lostFound {
			return nil
		}
		return root.Remove(name)
	})
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

package etcmerge

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/tree"
)

// attributes writes the attributes of inodes.
type attributes struct {
	list []byte // as large as a list of extended attributes can be
}

// set gives the inode of fd, which may be open with O_PATH, the attributes of n,
// times aside. The order matters: a new owner costs the set-id bits and the
// capabilities of a file, and a new access control list changes its mode.
func (a *attributes) set(fd int, n *tree.Node) error {
	if err := unix.Fchownat(fd, "", int(n.UID), int(n.GID), unix.AT_EMPTY_PATH); err != nil {
		return fmt.Errorf("owner: %w", err)
	}
	if err := a.setXattrs(fd, n); err != nil {
		return err
	}
	if n.IsSymlink() {
		return nil
	}
	if err := unix.Chmod(magicLink(fd), n.Perm()); err != nil {
		return fmt.Errorf("mode: %w", err)
	}
	return nil
}

// setXattrs gives an inode the extended attributes of n and takes all others,
// but for those that the kernel made of itself.
func (a *attributes) setXattrs(fd int, n *tree.Node) error {
	link := magicLink(fd)
	names, err := a.names(link)
	if err != nil {
		return fmt.Errorf("list extended attributes: %w", err)
	}
	for _, name := range names {
		if _, wanted := n.Xattr(name); wanted || derived(name) {
			continue
		}
		if err := unix.Removexattr(link, name); err != nil && !errors.Is(err, unix.ENODATA) {
			return fmt.Errorf("extended attribute %s: %w", name, err)
		}
	}
	for _, x := range n.Xattrs {
		if x.Name == evmXattr {
			continue
		}
		if err := unix.Setxattr(link, x.Name, x.Value, 0); err != nil {
			return fmt.Errorf("extended attribute %s: %w", x.Name, err)
		}
	}
	return nil
}

// names are the extended attributes that an inode has. A file system that knows
// none is as good as an inode that has none.
func (a *attributes) names(link string) ([]string, error) {
	if a.list == nil {
		a.list = make([]byte, 64<<10)
	}
	size, err := unix.Listxattr(link, a.list)
	if err != nil && !errors.Is(err, unix.EOPNOTSUPP) {
		return nil, err
	}
	var out []string
	for name := range bytes.SplitSeq(a.list[:max(size, 0)], []byte{0}) {
		if len(name) > 0 {
			out = append(out, string(name))
		}
	}
	return out, nil
}

// setTimes gives the inode of fd the modification time of n.
func setTimes(fd int, n *tree.Node) error {
	times := []unix.Timespec{
		{Nsec: unix.UTIME_OMIT},
		{Sec: n.Mtime.Sec, Nsec: int64(n.Mtime.Nsec)},
	}
	if err := unix.UtimesNanoAt(unix.AT_FDCWD, magicLink(fd), times, 0); err != nil {
		return fmt.Errorf("modification time: %w", err)
	}
	return nil
}

// magicLink leads to the very inode of fd, be it a symbolic link or opened with
// O_PATH.
func magicLink(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }

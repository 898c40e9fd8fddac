package scan

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/tree"
)

// attributes reads the attributes of inodes. It keeps buffers of the largest
// sizes that the kernel knows, so that a question is one system call.
type attributes struct {
	stat  unix.Stat_t
	list  []byte
	value []byte
}

// node makes a node with the attributes of what fd refers to, which must be of
// the type that was seen before.
func (a *attributes) node(fd int, wantType uint32, o Options) (*tree.Node, error) {
	n := &tree.Node{}
	return n, a.fill(n, fd, wantType, o)
}

func (a *attributes) fill(n *tree.Node, fd int, wantType uint32, o Options) error {
	if err := unix.Fstat(fd, &a.stat); err != nil {
		return err
	}
	st := &a.stat
	if st.Mode&unix.S_IFMT != wantType {
		return ErrChanged
	}
	n.Mode, n.UID, n.GID = st.Mode, st.Uid, st.Gid
	if wantType == unix.S_IFCHR || wantType == unix.S_IFBLK {
		n.Rdev = uint32(st.Rdev)
	}
	if !o.UseEpoch {
		n.Mtime = tree.Time{Sec: st.Mtim.Sec, Nsec: uint32(st.Mtim.Nsec)}
	}
	if o.SkipXattrs {
		return nil
	}
	xattrs, err := a.xattrs(fd, o.UserXattrs)
	n.Xattrs = xattrs
	return err
}

// xattrs returns the extended attributes of what fd refers to, sorted. A file
// system that knows none is as good as one that holds none.
func (a *attributes) xattrs(fd int, onlyUser bool) ([]tree.Xattr, error) {
	if a.list == nil {
		a.list, a.value = make([]byte, 64<<10), make([]byte, 64<<10)
	}
	link := magicLink(fd)
	size, err := unix.Listxattr(link, a.list)
	if errors.Is(err, unix.EOPNOTSUPP) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list extended attributes: %w", err)
	}
	var out []tree.Xattr
	for name := range bytes.SplitSeq(a.list[:size], []byte{0}) {
		if len(name) == 0 || onlyUser && !bytes.HasPrefix(name, []byte("user.")) {
			continue
		}
		x, err := a.xattr(link, string(name))
		if errors.Is(err, unix.ENODATA) { // removed meanwhile
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("extended attribute %s: %w", name, err)
		}
		out = append(out, x)
	}
	slices.SortFunc(out, func(x, y tree.Xattr) int { return strings.Compare(x.Name, y.Name) })
	return out, nil
}

func (a *attributes) xattr(link, name string) (tree.Xattr, error) {
	size, err := unix.Getxattr(link, name, a.value)
	if err != nil {
		return tree.Xattr{}, err
	}
	return tree.Xattr{Name: name, Value: bytes.Clone(a.value[:size])}, nil
}

// magicLink leads to the very inode of fd, be it a symbolic link or opened with
// O_PATH, for which fgetxattr(2) does not work.
func magicLink(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }

package systemd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/selinux"
)

// errNoPolicy means that the host has no SELinux policy.
var errNoPolicy = errors.New("there is no SELinux policy in /etc/selinux")

// Relabel gives what is at the absolute path name below the host in root, and all below
// it on the same file system, the labels that its policy has for the path as. Links are
// labeled, and not followed. What the policy gives no label keeps the one that it has. Of a
// file with several names the first counts, in the order of names.
func Relabel(ctx context.Context, root, name, as string) error {
	if err := relabel(ctx, root, name, as); err != nil {
		return fmt.Errorf("cannot label %s: %w", name, err)
	}
	return nil
}

func relabel(ctx context.Context, root, name, as string) error {
	for _, p := range []string{name, as} {
		if !path.IsAbs(p) {
			return fmt.Errorf("%q is no absolute path", p)
		}
	}
	policy, err := selinux.Load(func(name string) ([]byte, bool, error) { return readPolicy(root + name) })
	if err == nil && policy == nil {
		err = errNoPolicy
	}
	if err != nil {
		return err
	}
	fd, err := unix.Openat2(unix.AT_FDCWD, root+path.Clean(name), &unix.OpenHow{Flags: unix.O_PATH | unix.O_NOFOLLOW | unix.O_CLOEXEC})
	if err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		unix.Close(fd) //nolint:errcheck // nothing was done
		return err
	}
	at := "/"
	for part := range strings.SplitSeq(strings.Trim(path.Clean(as), "/"), "/") {
		if part != "" {
			at = policy.Below(at, part)
		}
	}
	w := &relabeling{policy: policy, dev: st.Dev, done: map[uint64]bool{}}
	return w.node(ctx, os.NewFile(uintptr(fd), name), at)
}

// relabeling is a walk over one file system.
type relabeling struct {
	policy *selinux.Policy
	dev    uint64
	done   map[uint64]bool // inodes with several names
}

// node labels f, which was opened with O_PATH, and what is below it, and closes it.
func (w *relabeling) node(ctx context.Context, f *os.File, as string) error {
	defer f.Close()
	if err := ctx.Err(); err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil || st.Dev != w.dev {
		return err
	}
	isDir := st.Mode&unix.S_IFMT == unix.S_IFDIR
	if !isDir && st.Nlink > 1 {
		if w.done[st.Ino] {
			return nil
		}
		w.done[st.Ino] = true
	}
	label, ok, err := w.policy.Label(as, st.Mode&unix.S_IFMT)
	if err == nil && ok {
		err = unix.Setxattr(fmt.Sprintf("/proc/self/fd/%d", f.Fd()), selinux.XattrName, append([]byte(label), 0), 0)
	}
	if err != nil || !isDir {
		return err
	}
	dir, err := os.Open(fmt.Sprintf("/proc/self/fd/%d/.", f.Fd()))
	if err != nil {
		return err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return err
	}
	slices.Sort(names)
	for _, name := range names {
		fd, err := unix.Openat(int(dir.Fd()), name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if errors.Is(err, unix.ENOENT) {
			continue // it went away
		}
		if err == nil {
			err = w.node(ctx, os.NewFile(uintptr(fd), name), w.policy.Below(as, name))
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

package deploy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// keptPath is something below /etc or /var that a factory reset copies.
type keptPath struct {
	in   string // etcName or varName
	name string // below that
}

func (k keptPath) String() string { return "/" + k.in + "/" + k.name }

// parseKept reads a path that users write.
func parseKept(p string) (keptPath, error) {
	for _, in := range []string{etcName, varName} {
		name, ok := strings.CutPrefix(p, "/"+in+"/")
		if ok && name != "" && path.Clean(p) == strings.TrimSuffix(p, "/") {
			return keptPath{in, path.Clean(name)}, nil
		}
		if path.Clean(p) == "/"+in {
			return keptPath{}, fmt.Errorf("cannot keep %s: that is all of it; name what in it is to be kept", p)
		}
	}
	return keptPath{}, fmt.Errorf("cannot keep %q: it is no absolute path below /etc or /var", p)
}

// parseAllKept reads paths, and leaves out those that others contain.
func parseAllKept(paths []string) ([]keptPath, error) {
	var all []keptPath
	var errs []error
	for _, p := range paths {
		k, err := parseKept(p)
		errs = append(errs, err)
		all = append(all, k)
	}
	var out []keptPath
	for i, k := range all {
		within := slices.ContainsFunc(all, func(o keptPath) bool { return k.in == o.in && strings.HasPrefix(k.name, o.name+"/") })
		if !within && !slices.Contains(all[:i], k) {
			out = append(out, k)
		}
	}
	return out, errors.Join(errs...)
}

// keeper copies what is kept, from the directories of the system that runs.
type keeper struct {
	from map[string]*os.File // /etc and /var, by keptPath.in
}

// newKeeper opens what kept paths are in. Of /var it is the directory on the root file
// system: other file systems that are mounted there have nothing to do with a reset.
func (s *Sysroot) newKeeper() (*keeper, error) {
	etc, err := s.liveEtc()
	if err != nil {
		return nil, err
	}
	v, err := s.state.Open(stateroot(s.bootedStateroot()) + "/" + varName)
	if err != nil {
		return nil, err
	}
	return &keeper{map[string]*os.File{etcName: etc, varName: v}}, nil
}

// close closes /var; /etc belongs to the Sysroot.
func (k *keeper) close() { k.from[varName].Close() }

// check makes sure that everything is there, and returns how much room it takes.
func (k *keeper) check(kept []keptPath) (n room, err error) {
	var errs []error
	for _, p := range kept {
		errs = append(errs, k.measure(p, &n))
	}
	return n, errors.Join(errs...)
}

func (k *keeper) measure(p keptPath, n *room) error {
	parent, err := openPlainDir(k.from[p.in], path.Dir(p.name))
	if err == nil {
		defer parent.Close()
		err = measure(parent, path.Base(p.name), n)
	}
	switch {
	case errors.Is(err, unix.ELOOP), errors.Is(err, unix.ENOTDIR):
		return fmt.Errorf("cannot keep %s: the path leads through a symbolic link or a file", p)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("cannot keep %s: there is no such file or directory", p)
	case err != nil:
		return fmt.Errorf("cannot keep %s: %w", p, err)
	}
	return nil
}

func measure(parent *os.File, name string, n *room) error {
	var st unix.Stat_t
	if err := unix.Fstatat(int(parent.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	n.bytes += st.Blocks * 512
	n.inodes++
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return nil
	}
	dir, err := openPlainDir(parent, name)
	if err != nil {
		return err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return err
	}
	for _, name := range names {
		// What goes meanwhile is not missed.
		if err := measure(dir, name, n); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// openPlainDir opens a directory below another, through no links.
func openPlainDir(in *os.File, name string) (*os.File, error) {
	how := unix.OpenHow{
		Flags:   unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC | unix.O_NOFOLLOW,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS,
	}
	fd, err := unix.Openat2(int(in.Fd()), name, &how)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// copy copies what is kept into the new /etc and /var, in the place of what is there.
func (k *keeper) copy(ctx context.Context, kept []keptPath, to map[string]*os.Root) error {
	for _, p := range kept {
		if err := k.copyOne(ctx, p, to[p.in]); err != nil {
			return fmt.Errorf("keep %s: %w", p, err)
		}
	}
	return nil
}

func (k *keeper) copyOne(ctx context.Context, p keptPath, to *os.Root) error {
	if err := k.makeParents(p, to); err != nil {
		return err
	}
	if err := to.RemoveAll(p.name); err != nil {
		return err
	}
	src, err := openPlainDir(k.from[p.in], path.Dir(p.name))
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := to.Open(path.Dir(p.name))
	if err != nil {
		return err
	}
	defer dst.Close()
	c := copier{ctx: ctx, top: dst, made: map[fileID]string{}}
	return c.entry(int(src.Fd()), int(dst.Fd()), path.Base(p.name), path.Base(p.name))
}

// makeParents makes the directories above a kept path that the image has not, as they are
// on the system that runs.
func (k *keeper) makeParents(p keptPath, to *os.Root) error {
	for i, r := range p.name {
		if r != '/' {
			continue
		}
		name := p.name[:i]
		fi, err := to.Lstat(name)
		switch {
		case err == nil && fi.IsDir():
			continue
		case err == nil:
			return fmt.Errorf("/%s/%s is no directory in the image", p.in, name)
		case !errors.Is(err, fs.ErrNotExist):
			return err
		}
		if err := k.makeParent(p.in, name, to); err != nil {
			return err
		}
	}
	return nil
}

func (k *keeper) makeParent(in, name string, to *os.Root) error {
	src, err := openPlainDir(k.from[in], name)
	if err != nil {
		return err
	}
	defer src.Close()
	if err := to.Mkdir(name, 0o700); err != nil {
		return err
	}
	dst, err := to.Open(name)
	if err != nil {
		return err
	}
	defer dst.Close()
	return copyAttributes(int(src.Fd()), int(dst.Fd()), unix.S_IFDIR)
}

// fileID tells inodes apart.
type fileID struct{ dev, ino uint64 }

// copier copies one tree with owners, modes, extended attributes, times and hard links. A
// socket is left out: nobody listens to the copy.
type copier struct {
	ctx  context.Context //nolint:containedctx // lives as long as one copy
	top  *os.File
	made map[fileID]string // below top, of inodes with several names
}

// entry copies what name is in the directory src into dst. at is where that is below top.
func (c *copier) entry(src, dst int, name, at string) error {
	if err := c.ctx.Err(); err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Fstatat(src, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return atPath(at, err)
	}
	if st.Mode&unix.S_IFMT == unix.S_IFSOCK {
		return nil
	}
	id := fileID{st.Dev, st.Ino}
	if first, ok := c.made[id]; ok {
		return atPath(at, unix.Linkat(int(c.top.Fd()), first, dst, name, 0))
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR && st.Nlink > 1 {
		c.made[id] = at
	}
	return c.inode(src, dst, name, at, &st)
}

// atPath says where in the tree it went wrong.
func atPath(at string, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", at, err)
	}
	return nil
}

func (c *copier) inode(src, dst int, name, at string, st *unix.Stat_t) error {
	kind, flags := st.Mode&unix.S_IFMT, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC
	var target string
	var err error
	switch kind {
	case unix.S_IFDIR:
		flags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
		err = unix.Mkdirat(dst, name, 0o700)
	case unix.S_IFREG:
		flags = unix.O_NOFOLLOW | unix.O_CLOEXEC | unix.O_NONBLOCK
		err = unix.Mknodat(dst, name, unix.S_IFREG|0o600, 0)
	case unix.S_IFLNK:
		if target, err = readlinkat(src, name); err == nil {
			err = unix.Symlinkat(target, dst, name)
		}
	default:
		err = unix.Mknodat(dst, name, kind|0o600, int(st.Rdev))
	}
	if err != nil {
		return atPath(at, err)
	}
	from, err := openAt(src, name, flags)
	if err != nil {
		return atPath(at, err)
	}
	defer from.Close()
	if kind == unix.S_IFREG {
		flags |= unix.O_WRONLY
	}
	to, err := openAt(dst, name, flags)
	if err != nil {
		return atPath(at, err)
	}
	defer to.Close()
	switch kind {
	case unix.S_IFDIR:
		err = c.entries(from, to, at)
	case unix.S_IFREG:
		err = atPath(at, copyContent(from, to))
	}
	if err == nil {
		err = atPath(at, copyAttributes(int(from.Fd()), int(to.Fd()), kind))
	}
	return err
}

func openAt(dir int, name string, flags int) (*os.File, error) {
	fd, err := unix.Openat(dir, name, flags, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

func readlinkat(dir int, name string) (string, error) {
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(dir, name, buf)
	if err != nil {
		return "", err
	}
	return string(buf[:n]), nil
}

func (c *copier) entries(from, to *os.File, at string) error {
	names, err := from.Readdirnames(-1)
	if err != nil {
		return atPath(at, err)
	}
	for _, name := range names {
		err := c.entry(int(from.Fd()), int(to.Fd()), name, at+"/"+name)
		if errors.Is(err, fs.ErrNotExist) {
			continue // it went meanwhile
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// copyContent copies a regular file, by reference where the file system can.
func copyContent(from, to *os.File) error {
	if unix.IoctlFileClone(int(to.Fd()), int(from.Fd())) == nil {
		return nil
	}
	_, err := io.Copy(to, from)
	return err
}

// copyAttributes gives one inode what another has. The order matters: a new owner costs
// the set-id bits and the capabilities of a file.
func copyAttributes(from, to int, kind uint32) error {
	var st unix.Stat_t
	if err := unix.Fstatat(from, "", &st, unix.AT_EMPTY_PATH); err != nil {
		return err
	}
	if err := unix.Fchownat(to, "", int(st.Uid), int(st.Gid), unix.AT_EMPTY_PATH); err != nil {
		return fmt.Errorf("owner: %w", err)
	}
	src, dst := "/proc/self/fd/"+strconv.Itoa(from), "/proc/self/fd/"+strconv.Itoa(to)
	if err := copyXattrs(src, dst); err != nil {
		return err
	}
	if kind != unix.S_IFLNK {
		if err := unix.Chmod(dst, st.Mode&0o7777); err != nil {
			return fmt.Errorf("mode: %w", err)
		}
	}
	times := []unix.Timespec{{Nsec: unix.UTIME_OMIT}, st.Mtim}
	return unix.UtimesNanoAt(unix.AT_FDCWD, dst, times, 0)
}

// evmXattr is made by the kernel for one inode, and by nobody else.
const evmXattr = "security.evm"

// copyXattrs copies extended attributes.
func copyXattrs(src, dst string) error {
	list := make([]byte, 64<<10) // XATTR_LIST_MAX
	n, err := unix.Listxattr(src, list)
	if errors.Is(err, unix.ENOTSUP) || n == 0 {
		return nil
	}
	if err != nil {
		return fmt.Errorf("list extended attributes: %w", err)
	}
	value := make([]byte, 64<<10) // XATTR_SIZE_MAX
	for name := range strings.SplitSeq(strings.TrimSuffix(string(list[:n]), "\x00"), "\x00") {
		size, err := unix.Getxattr(src, name, value)
		if name == evmXattr || errors.Is(err, unix.ENODATA) {
			continue
		}
		if err == nil {
			err = unix.Setxattr(dst, name, value[:size], 0)
		}
		if err != nil {
			return fmt.Errorf("extended attribute %s: %w", name, err)
		}
	}
	return nil
}

package seal

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/tree"
	"github.com/bootc-go/bootc/internal/rootdir"
	"github.com/bootc-go/bootc/osimage"
	"github.com/bootc-go/bootc/selinux"
)

// ExportOptions say what Export adds to what is in the directory.
type ExportOptions struct {
	KernelInBoot bool // the kernel and the initramfs in /boot as well
	NoSELinux    bool // no labels, even if the image has a policy
}

// Export writes the root directory dir of an image as a tar archive, with the labels
// that the image's SELinux policy gives. What is mounted below dir is left out, and so is
// what is in /tmp, /var/tmp and /sysroot/ostree.
func Export(ctx context.Context, w io.Writer, dir string, o ExportOptions) error {
	if err := export(ctx, w, dir, o); err != nil {
		return fmt.Errorf("cannot export %s: %w", dir, err)
	}
	return nil
}

func export(ctx context.Context, w io.Writer, dir string, o ExportOptions) error {
	root, err := rootdir.Open(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	x := &exporter{ctx: ctx, root: root, out: tar.NewWriter(w), links: map[inode]string{}}
	if !o.NoSELinux {
		if x.labels, err = labels(ctx, root); err != nil {
			return err
		}
	}
	if err := walkExported(root, x.entry); err != nil {
		return err
	}
	if o.KernelInBoot {
		if err := x.kernel(); err != nil {
			return err
		}
	}
	return x.out.Close()
}

// walkExported calls fn for what is exported.
func walkExported(root *rootdir.Dir, fn func(*rootdir.Entry) error) error {
	return root.Walk(".", func(e *rootdir.Entry) error {
		switch e.Path {
		case "/tmp", "/var/tmp", "/sysroot/ostree":
			return fs.SkipDir
		}
		return fn(e)
	})
}

// labels is a tree of what is in root, with labels. It has nothing else of the files but
// their types; nil if there is no policy.
func labels(ctx context.Context, root *rootdir.Dir) (*tree.Node, error) {
	policy, err := selinux.Load(func(name string) ([]byte, bool, error) {
		data, err := root.ReadFile(strings.TrimPrefix(name, "/"), selinux.MaxFileSize)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, false, nil
		}
		return data, err == nil, err
	})
	if err != nil || policy == nil {
		return nil, err
	}
	top := tree.NewDir(0o755)
	err = walkExported(root, func(e *rootdir.Entry) error {
		n := &tree.Node{Mode: uint32(e.Stat.Mode)}
		i := strings.LastIndexByte(e.Path, '/')
		tree.Lookup(top, e.Path[:i]).SetChild(e.Name(), n)
		return ctx.Err()
	})
	if err == nil {
		err = policy.Relabel(top)
	}
	return top, err
}

type inode struct{ major, minor, ino uint64 }

// exporter writes files to an archive.
type exporter struct {
	ctx    context.Context //nolint:containedctx // lives as long as one call
	root   *rootdir.Dir
	out    *tar.Writer
	labels *tree.Node
	links  map[inode]string
}

func (x *exporter) entry(e *rootdir.Entry) error {
	h, err := x.header(e)
	if err != nil {
		return fmt.Errorf("%q: %w", e.Path, err)
	}
	if h.Typeflag != tar.TypeReg {
		return x.out.WriteHeader(h)
	}
	f, err := e.Open()
	if err != nil {
		return err
	}
	defer f.Close()
	if capability, err := getxattr(int(f.Fd()), "security.capability"); err != nil {
		return fmt.Errorf("%q: %w", e.Path, err)
	} else if capability != "" {
		h.PAXRecords["SCHILY.xattr.security.capability"] = capability
	}
	if err := x.out.WriteHeader(h); err != nil {
		return err
	}
	if _, err := io.CopyN(x.out, f, h.Size); err != nil {
		return fmt.Errorf("%q: %w", e.Path, err)
	}
	return x.ctx.Err()
}

// header describes e.
func (x *exporter) header(e *rootdir.Entry) (*tar.Header, error) {
	st := &e.Stat
	h := &tar.Header{
		Name: e.Path[1:], Mode: int64(st.Mode) & 0o7777, Uid: int(st.Uid), Gid: int(st.Gid),
		ModTime: time.Unix(st.Mtime.Sec, 0), PAXRecords: map[string]string{}, Format: tar.FormatPAX,
	}
	if x.labels != nil {
		if label, ok := tree.Lookup(x.labels, e.Path).Xattr("security.selinux"); ok {
			h.PAXRecords["SCHILY.xattr.security.selinux"] = string(label)
		}
	}
	var err error
	switch e.Type() {
	case unix.S_IFDIR:
		h.Typeflag, h.Name = tar.TypeDir, h.Name+"/"
	case unix.S_IFREG:
		x.regular(h, st)
	case unix.S_IFLNK:
		h.Typeflag = tar.TypeSymlink
		h.Linkname, err = e.ReadLink()
	case unix.S_IFCHR:
		h.Typeflag, h.Devmajor, h.Devminor = tar.TypeChar, int64(st.Rdev_major), int64(st.Rdev_minor)
	case unix.S_IFBLK:
		h.Typeflag, h.Devmajor, h.Devminor = tar.TypeBlock, int64(st.Rdev_major), int64(st.Rdev_minor)
	case unix.S_IFIFO:
		h.Typeflag = tar.TypeFifo
	default:
		err = errors.New("a tar cannot have a socket")
	}
	return h, err
}

// regular makes h a file, or a link to the file as it was met first.
func (x *exporter) regular(h *tar.Header, st *unix.Statx_t) {
	h.Typeflag, h.Size = tar.TypeReg, int64(st.Size)
	if st.Nlink < 2 {
		return
	}
	key := inode{uint64(st.Dev_major), uint64(st.Dev_minor), st.Ino}
	if first, ok := x.links[key]; ok {
		h.Typeflag, h.Size, h.Linkname = tar.TypeLink, 0, first
		return
	}
	x.links[key] = h.Name
}

// kernel adds the kernel and the initramfs as files of /boot.
func (x *exporter) kernel() error {
	k, err := osimage.Locate(x.root)
	if errors.Is(err, osimage.ErrNoKernel) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, name := range []string{"boot/", "boot/grub2/"} {
		if err := x.out.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: 0o755}); err != nil {
			return err
		}
	}
	if k.Type == osimage.UKI {
		return nil
	}
	if err := x.copy(k.Linux, "boot/vmlinuz-"+k.Version); err != nil {
		return err
	}
	return x.copy(k.Initrd, "boot/initramfs-"+k.Version+".img")
}

// copy adds the file called name once more, as to. One that is not there is left out.
func (x *exporter) copy(name, to string) error {
	f, err := x.root.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	h := &tar.Header{Typeflag: tar.TypeReg, Name: to, Mode: int64(st.Mode().Perm()), Size: st.Size(), ModTime: st.ModTime().Truncate(time.Second)}
	if err := x.out.WriteHeader(h); err != nil {
		return err
	}
	_, err = io.CopyN(x.out, f, h.Size)
	return err
}

// getxattr is the value of an attribute, "" if there is none.
func getxattr(fd int, name string) (string, error) {
	buf := make([]byte, 256)
	n, err := unix.Fgetxattr(fd, name, buf)
	if errors.Is(err, unix.ENODATA) || errors.Is(err, unix.ENOTSUP) {
		return "", nil
	}
	return string(buf[:max(n, 0)]), err
}

package seal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/internal/atomicfile"
	"github.com/bootc-go/bootc/internal/rootdir"
	"github.com/bootc-go/bootc/osimage"
)

// ErrUnified means that the kernel of an image is in a unified kernel image already.
var ErrUnified = errors.New("UKIs are not supported")

// Split moves the kernel and the initramfs of the image with the root directory dir to
// <output>/<version>/vmlinuz and initramfs.img. It does not follow links out of dir. If
// it ends with an error each of the two files is in one of the two places, whole.
func Split(dir, output string) error {
	if err := split(dir, output); err != nil {
		return fmt.Errorf("cannot split the kernel off: %w", err)
	}
	return nil
}

func split(dir, output string) error {
	root, err := rootdir.Open(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	k, err := bareKernel(root)
	if err != nil {
		return err
	}
	to := filepath.Join(output, k.Version)
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	r, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer r.Close()
	for _, name := range []string{k.Linux, k.Initrd} {
		st, err := r.Lstat(name)
		switch {
		case err != nil:
			return err
		case !st.Mode().IsRegular():
			return fmt.Errorf("/%s is no regular file", name)
		}
	}
	for _, name := range []string{k.Linux, k.Initrd} {
		if err := move(r, name, to); err != nil {
			return err
		}
	}
	return nil
}

// bareKernel is the kernel of an image that has no unified kernel image.
func bareKernel(root *rootdir.Dir) (osimage.Kernel, error) {
	k, err := osimage.Locate(root)
	if err == nil && k.Type == osimage.UKI {
		err = fmt.Errorf("%w: the image has /%s", ErrUnified, k.UKI)
	}
	return k, err
}

// move moves the file called name below r to the directory to.
func move(r *os.Root, name, to string) error {
	in, err := r.Open(name)
	if err != nil {
		return err
	}
	defer in.Close()
	parent, err := r.Open(filepath.Dir(name))
	if err != nil {
		return err
	}
	defer parent.Close()
	dir, err := os.Open(to)
	if err != nil {
		return err
	}
	defer dir.Close()
	base := filepath.Base(name)
	err = unix.Renameat(int(parent.Fd()), base, int(dir.Fd()), base)
	if !errors.Is(err, unix.EXDEV) {
		if err != nil {
			err = &os.PathError{Op: "rename", Path: "/" + name, Err: err}
		}
		return err
	}
	st, err := in.Stat()
	if err != nil {
		return err
	}
	err = atomicfile.Write(dir, base, st.Mode().Perm(), func(w io.Writer) error {
		_, err := io.Copy(w, in)
		return err
	})
	if err != nil {
		return err
	}
	return r.Remove(name)
}

package lint

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/bootc-go/bootc/install/config"
	"github.com/bootc-go/bootc/internal/initrd"
	"github.com/bootc-go/bootc/kargs/kargsd"
	"github.com/bootc-go/bootc/osimage"
	"github.com/bootc-go/bootc/selinux"
)

// maxText is how many bytes a file of text may have that is read.
const maxText = 1 << 20

// kernelRules are about what an image boots with.
func kernelRules() []Rule {
	return []Rule{
		{
			Name: "bootable", Type: Fatal, check: checkBootable,
			Description: "There must be a kernel with its initramfs in /usr/lib/modules/VERSION, or a unified kernel\n" +
				"image in /boot/EFI/Linux, and the directories /boot, /sysroot and /usr.",
		},
		{
			Name: "bootc-kargs", Type: Fatal, check: checkKargs,
			Description: "The files in /usr/lib/bootc/kargs.d must be valid.",
		},
		{
			Name: "initramfs", Type: Fatal, check: checkInitramfs,
			Description: "The initramfs must have the program that makes a deployment the root file system,\n" +
				"/usr/lib/bootc/initramfs-setup. An initramfs that is compressed with other than gzip,\n" +
				"zstd or xz is not looked into.",
		},
		{
			Name: "install-config", Type: Fatal, check: checkInstallConfig,
			Description: "The files bootc/install/*.toml must be valid.",
		},
		{
			Name: "kernel", Type: Fatal, check: checkKernel,
			Description: "There must be no more than one kernel: one directory of /usr/lib/modules with a vmlinuz,\n" +
				"and none if there is a unified kernel image.",
		},
		{
			Name: "selinux-policy", Type: Fatal, check: checkSELinux,
			Description: "The policy that /etc/selinux/config names must be there, for the files of a deployment get\n" +
				"their labels from it.",
		},
	}
}

// kernel is the kernel of the image, which is looked for once.
func (r *root) kernel() (osimage.Kernel, error) {
	r.once.Do(func() { r.found, r.notFound = osimage.FindKernel(r.Dir) })
	return r.found, r.notFound
}

// judge is err as a finding, nil if it is nil: a file of the image that cannot be read
// is one the host cannot read either.
func judge(err error) error {
	if err == nil {
		return nil
	}
	return found("%s", strings.ReplaceAll(err.Error(), "\n", "\n  "))
}

func checkKernel(r *root) error {
	_, err := r.kernel()
	if errors.Is(err, osimage.ErrTwoKernels) {
		return judge(err)
	}
	return nil
}

func checkBootable(r *root) error {
	var bad []error
	for _, name := range []string{"boot", "sysroot", "usr"} {
		if ok, err := r.isDir(name); err != nil || !ok {
			bad = append(bad, fmt.Errorf("there is no directory /%s", name))
		}
	}
	_, err := r.kernel()
	if err != nil && !errors.Is(err, osimage.ErrTwoKernels) {
		bad = append(bad, err)
	}
	return judge(errors.Join(bad...))
}

func checkKargs(r *root) error {
	_, err := kargsd.Load(r, r.o.Arch)
	return judge(err)
}

func checkInstallConfig(r *root) error {
	_, _, err := config.Load(r, r.o.Arch)
	return judge(err)
}

func checkSELinux(r *root) error {
	_, err := selinux.Load(func(name string) ([]byte, bool, error) {
		data, err := r.ReadPlainFile(strings.TrimPrefix(name, "/"), selinux.MaxFileSize)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, false, nil
		}
		return data, err == nil, err
	})
	return judge(err)
}

// setupRoot is the program that makes a deployment the root, as the initramfs has it.
const setupRoot = "usr/lib/bootc/initramfs-setup"

func checkInitramfs(r *root) error {
	k, err := r.kernel()
	if err != nil {
		return nil // other rules say so
	}
	name := k.Initrd
	if k.Type == osimage.UKI {
		name = k.UKI
	}
	f, err := r.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	var in io.Reader = f
	if k.Type == osimage.UKI {
		at, ok := f.(io.ReaderAt)
		if !ok {
			return errors.New("internal error: cannot be read at an offset")
		}
		if in, err = osimage.UKISection(at, ".initrd"); err != nil {
			return judge(err)
		}
	}
	switch has, err := initrd.Has(in, func(name string) bool { return name == setupRoot }); {
	case errors.Is(err, initrd.ErrUnknownFormat):
		return nil
	case err != nil:
		return found("/%s: %v", name, err)
	case !has:
		return found("/%s has no /%s: it cannot boot a deployment; make it anew after bootc is installed (dracut: the module bootc)", name, setupRoot)
	}
	return nil
}

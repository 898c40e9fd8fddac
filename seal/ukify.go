package seal

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/bootc-go/bootc/composefs/verity"
	"github.com/bootc-go/bootc/internal/rootdir"
	"github.com/bootc-go/bootc/kargs"
	"github.com/bootc-go/bootc/kargs/kargsd"
)

// UKI says what a unified kernel image is made of.
type UKI struct {
	Root         string // the root directory of the image
	KernelDir    string // where vmlinuz and initramfs.img are, if not in the image; its name is the version
	Arch         string // the GOARCH of the image
	ID           verity.Digest
	AllowMissing bool     // boot without fs-verity, too
	Kargs        []string // behind those of the image
}

// Args are the arguments for the program ukify, which must run in the directory Root.
func (u UKI) Args() ([]string, error) {
	args, err := u.args()
	if err != nil {
		return nil, fmt.Errorf("cannot make a unified kernel image of %s: %w", u.Root, err)
	}
	return args, nil
}

func (u UKI) args() ([]string, error) {
	root, err := rootdir.Open(u.Root)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	linux, initrd, version, err := u.kernel(root)
	if err != nil {
		return nil, err
	}
	line, err := kargsd.Load(root, u.Arch)
	if err != nil {
		return nil, err
	}
	line = line.With(kargs.Root{ID: u.ID, Optional: u.AllowMissing}.Arg())
	for _, k := range u.Kargs {
		line = line.With(kargs.Parse(k)...)
	}
	return []string{
		"build", "--linux", linux, "--initrd", initrd, "--uname", version,
		"--cmdline", line.String(), "--os-release", "@usr/lib/os-release",
	}, nil
}

// kernel finds the kernel: in the image by paths relative to its root.
func (u UKI) kernel(root *rootdir.Dir) (linux, initrd, version string, err error) {
	if u.KernelDir == "" {
		k, err := bareKernel(root)
		if err == nil {
			_, err = root.Stat(k.Initrd)
		}
		return k.Linux, k.Initrd, k.Version, err
	}
	dir, err := filepath.Abs(u.KernelDir)
	if err != nil {
		return "", "", "", err
	}
	linux, initrd = filepath.Join(dir, "vmlinuz"), filepath.Join(dir, "initramfs.img")
	for _, name := range []string{linux, initrd} {
		if _, err := os.Stat(name); err != nil {
			return "", "", "", err
		}
	}
	return linux, initrd, filepath.Base(dir), nil
}

package osimage

import (
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// noKernel is the error about an image without a kernel. Distributions whose kernels
// are files of /boot, such as Debian, are told how they get to their place.
func noKernel(fsys fs.FS) error {
	found, err := list(fsys, "boot", "")
	if err != nil {
		return err
	}
	for _, name := range found {
		version, ok := strings.CutPrefix(path.Base(name), "vmlinuz-")
		if st, err := fs.Stat(fsys, path.Join(modulesDir, version)); ok && err == nil && st.IsDir() {
			return fmt.Errorf("%w: /%s belongs at /%s; move it there when the image is built",
				ErrNoKernel, name, path.Join(modulesDir, version, "vmlinuz"))
		}
	}
	return fmt.Errorf("%w: there is neither a /%s/<version>/vmlinuz nor a /%s/*.efi; is it an OS image?",
		ErrNoKernel, modulesDir, ukiDir)
}

// initrdHint says how the initramfs of the kernel version gets to its place.
func initrdHint(fsys fs.FS, version string) string {
	place := path.Join("/", modulesDir, version, "initramfs.img")
	for _, name := range []string{"boot/initrd.img-" + version, "boot/initramfs-" + version + ".img"} {
		if _, err := fs.Stat(fsys, name); err == nil {
			return fmt.Sprintf("move /%s there when the image is built", name)
		}
	}
	return fmt.Sprintf("make it when the image is built: dracut --no-hostonly %s %s", place, version)
}

package install

import (
	"fmt"
	"io/fs"

	"github.com/bootc-go/bootc/bootloader"
	"github.com/bootc-go/bootc/install/config"
)

// loaderFiles tell that an image has a boot loader: any of the files does.
type loaderFiles struct {
	kind  config.Bootloader
	files []string
}

// loaders are the boot loaders for an architecture, the preferred first.
func loaders(arch string) []loaderFiles {
	efi, grub := "x64", []string{"usr/lib/grub/x86_64-efi", "usr/lib/grub/i386-pc"}
	if arch == "arm64" {
		efi, grub = "aa64", []string{"usr/lib/grub/arm64-efi"}
	}
	return []loaderFiles{
		{config.SystemdBoot, []string{"usr/lib/systemd/boot/efi/systemd-boot" + efi + ".efi"}},
		{config.GRUB, grub},
	}
}

// wantedLoader is the boot loader that the command line names, else the
// configuration, as far as it is known; "" if neither does.
func (o Options) wantedLoader() bootloader.Kind {
	if o.Loader == "" && o.Config != nil && o.Config.Bootloader != nil {
		return bootloader.Kind(*o.Config.Bootloader)
	}
	return bootloader.Kind(o.Loader)
}

// chooseLoader is the boot loader that is wanted, else the first that the image has.
func (in *installer) chooseLoader(fsys fs.FS) (bootloader.Kind, error) {
	if want := in.wantedLoader(); want != "" {
		return want, nil
	}
	for _, l := range loaders(in.Arch) {
		for _, f := range l.files {
			if _, err := fs.Stat(fsys, f); err == nil {
				return bootloader.Kind(l.kind), nil
			}
		}
	}
	return "", fmt.Errorf("%w: neither systemd-boot (Debian package systemd-boot-efi) nor GRUB (grub-efi-amd64-bin, grub-pc-bin)", ErrNoLoader)
}

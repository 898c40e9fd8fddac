package bootloader

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/bootc-go/bootc/bootloader/grubcfg"
)

// grubPlatform is a kind of firmware that GRUB is built for.
type grubPlatform struct {
	name    string
	debian  string // the package with its modules
	modules []string
}

// grubModules are all that GRUB gets: no others are looked for at boot.
func grubModules(firmware ...string) []string {
	return append([]string{
		"part_gpt", "part_msdos", "lvm", "mdraid09", "mdraid1x", "ext2", "xfs", "btrfs", "fat",
		"search", "search_fs_uuid", "normal", "configfile", "test", "loadenv",
		"linux", "chain", "gzio", "all_video", "serial", "terminal",
		"echo", "ls", "cat", "sleep", "reboot", "halt",
	}, firmware...)
}

func (o InstallOptions) grub(ctx context.Context) error {
	if o.Files.ESP == nil && len(o.BIOS) == 0 {
		return errors.New("there is neither an EFI system partition nor a BIOS boot partition")
	}
	if err := o.grubFiles(); err != nil {
		return err
	}
	if o.Files.ESP != nil {
		if err := o.grubEFI(ctx); err != nil {
			return err
		}
	}
	if len(o.BIOS) > 0 {
		return o.grubBIOS(ctx)
	}
	return nil
}

// grubFiles writes the file that GRUB's image goes on with.
func (o InstallOptions) grubFiles() error {
	return put(o.Files.Boot, "grub/"+grubFile, bytes.NewReader(grubcfg.Main(o.BootPath)))
}

func (o InstallOptions) grubEFI(ctx context.Context) error {
	arch, err := o.efiArch()
	if err != nil {
		return err
	}
	p := grubPlatform{"x86_64-efi", "grub-efi-amd64-bin", grubModules("efifwsetup")}
	if o.Arch == "arm64" {
		p.name, p.debian = "arm64-efi", "grub-efi-arm64-bin"
	}
	return o.makeImage(ctx, p, func(image []byte, _ string) error {
		for _, esp := range o.esps() {
			if err := put(esp, fallback(arch), bytes.NewReader(image)); err != nil {
				return err
			}
		}
		return nil
	})
}

func (o InstallOptions) grubBIOS(ctx context.Context) error {
	if o.Arch != "amd64" {
		return fmt.Errorf("%s has no BIOS", o.Arch)
	}
	p := grubPlatform{"i386-pc", "grub-pc-bin", grubModules("biosdisk")}
	return o.makeImage(ctx, p, func(image []byte, modules string) error {
		boot, err := os.ReadFile(filepath.Join(modules, "boot.img"))
		if err != nil {
			return err
		}
		for _, d := range o.BIOS {
			if err := d.embed(boot, image); err != nil {
				return err
			}
		}
		return nil
	})
}

// makeImage has grub-mkimage link GRUB's kernel and modules, and calls use with the
// image and the directory of its parts.
//
// The parts are the image's own, if it has them: GRUB is then what the image was
// tested with, whatever is installed where bootc runs. The program grub-mkimage, which
// only links, is the host's.
func (o InstallOptions) makeImage(ctx context.Context, p grubPlatform, use func(image []byte, modules string) error) error {
	temp, err := os.MkdirTemp("", "bootc-grub-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp) //nolint:errcheck // in the directory for temporary files
	modules, err := o.grubParts(p, temp)
	if err != nil {
		return err
	}
	config, image := filepath.Join(temp, "early.cfg"), filepath.Join(temp, "image")
	if _, err := writeTemp(config, bytes.NewReader(grubcfg.Embedded(o.RootUUID, o.BootPath))); err != nil {
		return err
	}
	args := append([]string{
		"--format=" + p.name, "--directory=" + modules, "--config=" + config,
		"--output=" + image, "--prefix=" + path.Join("/", o.BootPath, "grub"),
	}, p.modules...)
	if err := o.Run(ctx, "grub-mkimage", args...); err != nil {
		return fmt.Errorf("grub-mkimage for %s: %w", p.name, err)
	}
	data, err := os.ReadFile(image)
	if err != nil {
		return err
	}
	return use(data, modules)
}

// grubParts returns the directory of GRUB's kernel and modules: those of the image,
// unpacked below temp, or else those of the host.
func (o InstallOptions) grubParts(p grubPlatform, temp string) (string, error) {
	dir := path.Join("usr/lib/grub", p.name)
	if parts, err := fs.Sub(o.Image, dir); err == nil {
		if _, err := fs.Stat(parts, "moddep.lst"); err == nil {
			to := filepath.Join(temp, p.name)
			return to, copyFiles(to, parts)
		}
	}
	if _, err := os.Stat("/" + dir + "/moddep.lst"); err != nil {
		return "", fmt.Errorf("neither the image nor this system has /%s (Debian has it in %s): %w", dir, p.debian, err)
	}
	return "/" + dir, nil
}

// maxParts is how many bytes GRUB's parts for one platform have at the most. They are
// copied to where temporary files are, which is often memory.
const maxParts = 256 << 20

// copyFiles copies the regular files at the top of fsys into a new directory.
func copyFiles(to string, fsys fs.FS) error {
	entries, err := fs.ReadDir(fsys, ".")
	if err != nil {
		return err
	}
	if err := os.Mkdir(to, 0o700); err != nil {
		return err
	}
	left := int64(maxParts)
	for _, e := range entries {
		if !e.Type().IsRegular() {
			continue
		}
		from, err := fsys.Open(e.Name())
		if err != nil {
			return err
		}
		n, err := writeTemp(filepath.Join(to, e.Name()), io.LimitReader(from, left+1))
		if err := errors.Join(err, from.Close()); err != nil {
			return err
		}
		if left -= n; left < 0 {
			return fmt.Errorf("GRUB's parts in the image have more than %d bytes", maxParts)
		}
	}
	return nil
}

// writeTemp writes a new file that need not survive anything, and returns its size.
func writeTemp(name string, content io.Reader) (int64, error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return 0, err
	}
	n, err := io.Copy(f, content)
	return n, errors.Join(err, f.Close())
}

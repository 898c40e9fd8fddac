package bootloader

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/bootc-go/bootc/internal/atomicfile"
)

// InstallOptions say what Install puts where.
type InstallOptions struct {
	Kind  Kind
	Files Files
	Image fs.FS  // the OS image, whose own loader is installed
	Arch  string // as GOARCH has it

	// RootUUID is that of the file system that holds /boot, for GRUB, and BootPath
	// where in it /boot is: "/boot", or "" if it is a file system of its own, or
	// "/@/boot" in a subvolume of btrfs.
	RootUUID string
	BootPath string

	// Disks from which GRUB boots machines without UEFI, and ESPs besides Files.ESP from
	// which it boots those with it. One suffices; of a RAID any may be the last.
	BIOS    []BIOSDisk
	Mirrors []*os.File

	// Run starts a program of the host and waits for it. Only GRUB needs it.
	Run func(ctx context.Context, name string, args ...string) error
}

// Install puts the loader itself where firmware finds it: onto the ESP, which may be
// any directory, and with BIOS onto the disk, which the caller syncs. It writes no firmware variables: the
// loader takes the path that firmware tries by itself (EFI/BOOT). The menu comes later,
// from [Loader.Stage] and [Loader.Commit].
func Install(ctx context.Context, o InstallOptions) error {
	var err error
	switch o.Kind {
	case Systemd:
		err = o.systemd()
	case GRUBCC:
		err = o.grubCC()
	case GRUB:
		err = o.grub(ctx)
	case None:
	default:
		err = errors.New("there is none of that name")
	}
	if err == nil {
		err = o.settle()
	}
	if err != nil {
		return fmt.Errorf("cannot install the boot loader %s: %w", o.Kind, err)
	}
	return nil
}

// settle makes all durable, and on /boot visible to GRUB.
func (o InstallOptions) settle() error {
	for _, esp := range o.esps() {
		if err := espArea(Files{ESP: esp}, ".").sync(); err != nil {
			return err
		}
	}
	if o.Files.Boot == nil {
		return nil
	}
	return bootArea(o.Files).settle()
}

// esps are all ESPs.
func (o InstallOptions) esps() []*os.File {
	if o.Files.ESP == nil {
		return nil
	}
	return append([]*os.File{o.Files.ESP}, o.Mirrors...)
}

// efiArch is the architecture's name in files of UEFI.
func (o InstallOptions) efiArch() (string, error) {
	switch o.Arch {
	case "amd64":
		return "x64", nil
	case "arm64":
		return "aa64", nil
	}
	return "", fmt.Errorf("UEFI on %s is not supported", o.Arch)
}

// fallback is the path that firmware tries by itself.
func fallback(efiArch string) string { return "EFI/BOOT/BOOT" + strings.ToUpper(efiArch) + ".EFI" }

var errInstallNoESP = errors.New("it needs an EFI system partition, and there is none")

const (
	keysDir = "usr/lib/bootc/install/secureboot-keys"
	// What loader/loader.conf has if there is none.
	loaderConf = "timeout 5\n"
	// entriesSrel tells others that loader/entries has entries of Type #1.
	entriesSrel = "type1\n"
)

func (o InstallOptions) systemd() error {
	arch, err := o.efiArch()
	if err != nil {
		return err
	}
	name := "systemd-boot" + arch + ".efi"
	source := path.Join("usr/lib/systemd/boot/efi", name)
	if _, err := fs.Stat(o.Image, source+".signed"); err == nil {
		source += ".signed"
	}
	err = o.toESP(source, path.Join("EFI/systemd", name), fallback(arch))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the image lacks it (Debian has it in systemd-boot-efi): %w", err)
	}
	if err != nil {
		return err
	}
	if err := o.secureBootKeys(); err != nil {
		return err
	}
	return o.loaderFiles()
}

func (o InstallOptions) grubCC() error {
	arch, err := o.efiArch()
	if err != nil {
		return err
	}
	if err := o.toESP("usr/lib/grub-cc/grub-cc.efi", fallback(arch)); err != nil {
		return err
	}
	return o.loaderFiles()
}

// toESP copies a file of the image to the ESP, under each of the names.
func (o InstallOptions) toESP(source string, names ...string) error {
	if o.Files.ESP == nil {
		return errInstallNoESP
	}
	for _, name := range names {
		f, err := o.Image.Open(source)
		if err != nil {
			return err
		}
		err = put(o.Files.ESP, name, f)
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// loaderFiles writes what is beside the entries, and keeps what is there.
func (o InstallOptions) loaderFiles() error {
	for name, content := range map[string]string{"loader/loader.conf": loaderConf, "loader/entries.srel": entriesSrel} {
		if _, err := fs.Stat(os.DirFS(fdPath(o.Files.ESP)), name); err == nil {
			continue
		}
		if err := put(o.Files.ESP, name, strings.NewReader(content)); err != nil {
			return err
		}
	}
	return nil
}

// secureBootKeys offers the image's keys to systemd-boot, which enrolls them when the
// firmware is in setup mode and loader.conf allows it.
func (o InstallOptions) secureBootKeys() error {
	files, err := fs.Glob(o.Image, path.Join(keysDir, "*/*.auth"))
	if err != nil {
		return err
	}
	for _, f := range files {
		if err := o.toESP(f, "loader/keys"+strings.TrimPrefix(f, keysDir)); err != nil {
			return err
		}
	}
	return nil
}

// put writes a file below dir, with the directories that it needs.
func put(dir *os.File, name string, content io.Reader) error {
	r, err := area{dir: dir}.open()
	if err != nil {
		return err
	}
	defer r.Close()
	if err := r.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	return atomicfile.Write(dir, name, 0o644, func(w io.Writer) error {
		_, err := io.Copy(w, content)
		return err
	})
}

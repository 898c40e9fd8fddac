package bootloader

import (
	"context"
	"errors"
	"io"
	"io/fs"
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

	BIOS *BIOSDisk // for GRUB on machines without UEFI; nil if the disk need not boot there

	// Run starts a program of the host, in its first argument, and waits for it.
	Run func(ctx context.Context, name string, args ...string) error
}

// BIOSDisk is where a BIOS finds GRUB.
type BIOSDisk struct {
	Disk interface {
		io.ReaderAt
		io.WriterAt
	}
	FirstLBA int64 // of the BIOS boot partition, in sectors of 512 bytes
	Sectors  int64 // its size
}

// Install puts the loader itself where firmware finds it: onto the ESP, which may be
// any directory, and with BIOS onto the disk. It writes no firmware variables: the
// loader takes the path that firmware tries by itself (EFI/BOOT). The menu comes later,
// from [Loader.Stage] and [Loader.Commit].
func Install(ctx context.Context, o InstallOptions) error {
	return errors.New("cannot install the boot loader: not yet")
}

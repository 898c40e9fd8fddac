package install

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/bootc-go/bootc/bootloader"
	"github.com/bootc-go/bootc/install/disk"
	"github.com/bootc-go/bootc/internal/atomicfile"
	"github.com/bootc-go/bootc/internal/blockdev"
	"github.com/bootc-go/bootc/internal/mounts"
)

// loaderPlaces are where firmware looks for a boot loader, on the disks that the
// root lies on.
type loaderPlaces struct {
	mountedESP *os.File // as somebody mounted it in the target; nil if nobody did
	isBoot     bool     // it is mounted on boot

	esps  []*os.File // all, and first the one that gets kernels and menus
	views []*mounts.View
	noESP error // why those of some disks cannot be used

	// empty is set if no old system may boot afterwards: an ESP that nobody has mounted,
	// and that is thus not emptied, must have no other boot loader.
	empty bool

	bios  []bootloader.BIOSDisk
	files []*os.File // of those disks
}

func (l *loaderPlaces) close() {
	for _, v := range l.views {
		v.Close()
	}
	for _, f := range l.files {
		f.Close()
	}
	if l.mountedESP != nil {
		l.mountedESP.Close()
	}
}

// tell says to p what there is.
func (l *loaderPlaces) tell(p *place) {
	p.espIsBoot, p.noESP, p.bios = l.isBoot, l.noESP, l.bios
	if len(l.esps) > 0 {
		p.esp, p.mirrors = l.esps[0], l.esps[1:]
	}
}

func (l *loaderPlaces) sync() error {
	for _, esp := range l.esps {
		if err := atomicfile.SyncFS(esp); err != nil {
			return fmt.Errorf("%s: %w", esp.Name(), err)
		}
	}
	for _, f := range l.files {
		if err := f.Sync(); err != nil {
			return fmt.Errorf("boot sector: %w", err)
		}
	}
	return nil
}

// findLoaderPlaces finds the ESP that is mounted, and the ESPs and the BIOS boot
// partitions of all disks that the root lies on: a host whose root outlives a disk
// must boot without it.
func (t *target) findLoaderPlaces(ctx context.Context) error {
	mounted, err := t.findMountedESP(ctx)
	if err != nil {
		return err
	}
	dirs, err := disk.Disks(t.root)
	if err != nil {
		return err
	}
	t.loader.empty = t.Replace != ReplaceNothing
	return t.loader.look(blockdev.Disks{Root: "/"}, dirs, mounted)
}

// look adds what is on the disks. mounted is the device of the ESP that is mounted.
func (l *loaderPlaces) look(disks blockdev.Disks, dirs []string, mounted string) error {
	for _, dir := range dirs {
		parts, err := disks.Partitions(dir)
		if err != nil {
			l.noESP = errors.Join(l.noESP, err)
			continue
		}
		if err := l.addBIOS(disks, dir, parts); err != nil {
			return err
		}
		l.noESP = errors.Join(l.noESP, l.addESP(disks, dir, parts, mounted))
	}
	return nil
}

// findMountedESP takes the first FAT file system where ESPs are mounted.
func (t *target) findMountedESP(ctx context.Context) (source string, err error) {
	for _, name := range []string{"boot/efi", "efi", "boot"} {
		dir, err := t.openMount(name)
		if err != nil {
			return "", err
		}
		if dir == nil {
			continue
		}
		m, err := disk.Inspect(ctx, dir)
		if err == nil && m.Type == "vfat" {
			t.loader.mountedESP, t.loader.isBoot = dir, name == "boot"
			t.loader.esps = []*os.File{dir}
			return m.Source, nil
		}
		dir.Close()
		if err != nil {
			return "", err
		}
	}
	return "", nil
}

// addBIOS adds the disk if it has a partition for GRUB, which the kernel knows: the disk
// may be part of something larger, and an old partition table be left at its end.
func (l *loaderPlaces) addBIOS(disks blockdev.Disks, dir string, parts []blockdev.Partition) error {
	of := ofType(parts, blockdev.TypeBIOSBoot)
	if len(of) == 0 {
		return nil
	}
	if _, err := disks.Device(dir, of[0]); err != nil {
		return nil //nolint:nilerr // it is none
	}
	f, err := os.OpenFile(disks.Node(dir), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	l.files = append(l.files, f)
	l.bios = append(l.bios, bootloader.BIOSDisk{Disk: f, FirstLBA: of[0].Start / 512, Sectors: of[0].Size / 512})
	return nil
}

// addESP mounts the ESP of the disk, unless it is the one that is mounted.
func (l *loaderPlaces) addESP(disks blockdev.Disks, dir string, parts []blockdev.Partition, mounted string) error {
	of := ofType(parts, blockdev.TypeESP)
	var devices []string
	for _, p := range of {
		dev, err := disks.Device(dir, p)
		if err != nil {
			return err
		}
		if dev.Path == mounted {
			return nil
		}
		devices = append(devices, dev.Path)
	}
	switch len(devices) {
	case 0:
		return nil
	case 1:
	default:
		return fmt.Errorf("%s has several, %s and %s: mount the one that is meant on boot/efi of the target", filepath.Base(dir), devices[0], devices[1])
	}
	v, err := mounts.OpenDevice(devices[0], "vfat", nil, true)
	if err != nil {
		return fmt.Errorf("there is %s, but it cannot be mounted: %w", devices[0], errors.Unwrap(err))
	}
	l.views = append(l.views, v)
	if names, err := namesIn(v.Root); l.empty && (err != nil || len(names) > 0) {
		return cmp.Or(err, fmt.Errorf("there is %s, but with files of another system, which would boot still: mount it on boot/efi of the target, where it is emptied", devices[0]))
	}
	l.esps = append(l.esps, v.Root)
	return nil
}

func ofType(parts []blockdev.Partition, typ string) []blockdev.Partition {
	var of []blockdev.Partition
	for _, p := range parts {
		if p.Type == typ {
			of = append(of, p)
		}
	}
	return of
}

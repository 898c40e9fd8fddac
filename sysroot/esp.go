package sysroot

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bootc-go/bootc/internal/blockdev"
	"github.com/bootc-go/bootc/internal/mounts"
)

// espOptions are those with which an EFI system partition is mounted: no
// program of it is run, and nobody but root reads it.
var espOptions = []string{"fmask=0177", "dmask=0077"}

// espPlaces are where an EFI system partition is mounted, if it is.
var espPlaces = []string{"/efi", "/boot/efi", "/boot"}

var errNoESP = errors.New("no EFI system partition: neither the boot loader names one, nor has the disk of the root file system one, nor is one mounted at /efi, /boot/efi or /boot")

// openESP opens the EFI system partition where it is mounted, or else mounts it.
// There may be none: GRUB can do without, unless it starts UKIs.
func (h *Host) openESP(write bool) error {
	if !exists(filepath.Join(h.root, "sys/firmware/efi")) {
		return nil
	}
	dev, found, err := h.findESP()
	if err != nil {
		return fmt.Errorf("find the EFI system partition: %w", err)
	}
	m, mounted := h.mountedESP(dev, found)
	var v *mounts.View
	switch {
	case mounted:
		dev.Device = m.Device
		v, err = h.reuse(m, write)
	case found:
		v, err = mounts.OpenDevice(dev.Path, "vfat", espOptions, write)
	default:
		return nil
	}
	if err != nil {
		return err
	}
	h.views = append(h.views, v)
	h.Files.ESP, h.esp = v.Root, dev.Device
	return nil
}

// mountedESP is where the partition is mounted. If it was not found, because the
// disk has no GUID partition table, what is mounted where it belongs is it.
func (h *Host) mountedESP(dev blockdev.Device, found bool) (mounts.Mount, bool) {
	if found {
		return h.table.Of(dev.Device)
	}
	for _, place := range espPlaces {
		if m, ok := h.table.At(place); ok && m.FSType == "vfat" {
			return m, true
		}
	}
	return mounts.Mount{}, false
}

// reuse makes a view of what is mounted already.
func (h *Host) reuse(m mounts.Mount, write bool) (*mounts.View, error) {
	v, err := cloneView(filepath.Join(h.root, m.Path), write)
	if err != nil || !write {
		return v, err
	}
	if err := v.MakeWritable(); err != nil {
		v.Close()
		return nil, err
	}
	return v, nil
}

// findESP looks for the partition that the boot loader was started from, or else
// for one on the disks of the physical root.
func (h *Host) findESP() (blockdev.Device, bool, error) {
	d := blockdev.Disks{Root: h.root}
	uuid, err := loaderVariable(h.root, loaderPart)
	if err != nil {
		return blockdev.Device{}, false, err
	}
	near, err := h.rootDisks(d)
	if err != nil {
		return blockdev.Device{}, false, err
	}
	if uuid != "" {
		// What is wrong with a disk that may have nothing to do with it is no
		// reason to stop.
		dev, found, _ := d.Find(append(slices.Clip(near), d.All()...), func(p blockdev.Partition) bool { return p.UUID == strings.ToLower(uuid) })
		if found {
			return dev, true, nil
		}
	}
	return d.Find(near, func(p blockdev.Partition) bool { return p.Type == blockdev.TypeESP })
}

// rootDisks are the disks that the physical root lies on.
func (h *Host) rootDisks(d blockdev.Disks) ([]string, error) {
	m, ok := h.table.At("/sysroot")
	if !ok {
		return nil, nil
	}
	return d.UnderMount(m)
}

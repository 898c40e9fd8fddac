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
	candidates, err := h.findESPs()
	if err != nil {
		return fmt.Errorf("find the EFI system partition: %w", err)
	}
	// A disk of a RAID may be a new one, whose partition nobody has formatted yet.
	var errs []error
	for _, dev := range candidates {
		v, err := h.mountESP(dev, write)
		if err == nil {
			h.views = append(h.views, v)
			h.Files.ESP, h.esp = v.Root, dev.Device
			return nil
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// mountESP makes a view of the partition, which may be mounted already.
func (h *Host) mountESP(dev blockdev.Device, write bool) (*mounts.View, error) {
	if m, mounted := h.table.Of(dev.Device); mounted {
		return h.reuse(m, write)
	}
	return mounts.OpenDevice(dev.Path, "vfat", espOptions, write)
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

// findESPs looks for the partition that the boot loader was started from, or else for
// those on the disks of the physical root, what is mounted first. Where the disks have no
// GUID partition table, what is mounted where an ESP belongs is it.
func (h *Host) findESPs() ([]blockdev.Device, error) {
	d := blockdev.Disks{Root: h.root}
	uuid, err := loaderVariable(h.root, loaderPart)
	if err != nil {
		return nil, err
	}
	near, err := h.rootDisks(d)
	if err != nil {
		return nil, err
	}
	if uuid != "" {
		// What is wrong with a disk that may have nothing to do with it is no
		// reason to stop.
		dev, found, _ := d.Find(append(slices.Clip(near), d.All()...), func(p blockdev.Partition) bool { return p.UUID == strings.ToLower(uuid) })
		if found {
			return []blockdev.Device{dev}, nil
		}
	}
	all, err := d.FindEach(near, func(p blockdev.Partition) bool { return p.Type == blockdev.TypeESP })
	if err != nil || len(all) > 0 {
		isMounted := func(dev blockdev.Device) int {
			if _, ok := h.table.Of(dev.Device); ok {
				return 0
			}
			return 1
		}
		slices.SortStableFunc(all, func(a, b blockdev.Device) int { return isMounted(a) - isMounted(b) })
		return all, err
	}
	for _, place := range espPlaces {
		if m, ok := h.table.At(place); ok && m.FSType == "vfat" {
			return []blockdev.Device{{Device: m.Device}}, nil
		}
	}
	return nil, nil
}

// rootDisks are the disks that the physical root lies on.
func (h *Host) rootDisks(d blockdev.Disks) ([]string, error) {
	m, ok := h.table.At("/sysroot")
	if !ok {
		return nil, nil
	}
	return d.UnderMount(m)
}

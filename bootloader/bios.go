package bootloader

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// BIOSDisk is where a BIOS finds GRUB.
type BIOSDisk struct {
	Disk interface {
		io.ReaderAt
		io.WriterAt
	}
	FirstLBA int64 // of the BIOS boot partition, in sectors of 512 bytes
	Sectors  int64 // its size
}

const sectorSize = 512

// Places in GRUB's boot.img (grub-core/boot/i386/pc/boot.S) and at the end of the first
// sector of its core image (diskboot.S).
const (
	bootCodeSize   = 440  // what follows belongs to the partition table
	bootKernelLBA  = 0x5c // where the core image begins
	bootDriveCheck = 0x66 // a jump over code that distrusts the BIOS; on hard disks it is taken away

	coreRestLBA     = 0x1f4 // where the core image's second sector is
	coreRestSectors = 0x1fc
)

var bootSignature = [2]byte{0x55, 0xaa}

// embed writes GRUB's core image into the BIOS boot partition and then its boot.img
// into the code area of the first sector, whose rest it leaves alone.
func (d *BIOSDisk) embed(boot, core []byte) error {
	if len(boot) != sectorSize || [2]byte(boot[510:]) != bootSignature {
		return errors.New("boot.img is no boot sector")
	}
	sectors := int64(len(core)+sectorSize-1) / sectorSize
	switch {
	case sectors < 2 || int64(binary.LittleEndian.Uint16(core[coreRestSectors:])) != sectors-1:
		return errors.New("the core image does not begin with diskboot.img")
	case sectors > d.Sectors:
		return fmt.Errorf("GRUB's image has %d sectors, the BIOS boot partition %d", sectors, d.Sectors)
	case d.FirstLBA < 1:
		return fmt.Errorf("the BIOS boot partition cannot begin at sector %d", d.FirstLBA)
	}
	first := make([]byte, sectorSize)
	if _, err := d.Disk.ReadAt(first, 0); err != nil {
		return fmt.Errorf("first sector: %w", err)
	}
	if [2]byte(first[510:]) != bootSignature {
		return errors.New("the disk has no partition table")
	}
	image := make([]byte, sectors*sectorSize)
	copy(image, core)
	binary.LittleEndian.PutUint64(image[coreRestLBA:], uint64(d.FirstLBA)+1)
	if _, err := d.Disk.WriteAt(image, d.FirstLBA*sectorSize); err != nil {
		return fmt.Errorf("BIOS boot partition: %w", err)
	}

	copy(first[:bootCodeSize], boot)
	binary.LittleEndian.PutUint64(first[bootKernelLBA:], uint64(d.FirstLBA))
	copy(first[bootDriveCheck:], []byte{0x90, 0x90})
	if _, err := d.Disk.WriteAt(first, 0); err != nil {
		return fmt.Errorf("first sector: %w", err)
	}
	return nil
}

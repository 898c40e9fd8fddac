package blockdev

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// Types of partitions: of an EFI system partition, UEFI specification 2.10, table 5.7,
// and of one in which GRUB stands for machines without UEFI, GNU GRUB manual, 3.4.
const (
	TypeESP      = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
	TypeBIOSBoot = "21686148-6449-6e6f-744e-656564454649"
)

// A Partition is an entry of a GUID partition table. GUIDs are written in lower
// case, as in /dev/disk/by-partuuid.
type Partition struct {
	Number      int // counts from 1, and free entries too
	Type, UUID  string
	Start, Size int64 // in bytes
}

var errNoGPT = errors.New("no GUID partition table")

// The layout of UEFI specification 2.10, 5.3.2 and 5.3.3.
const (
	gptSignature  = "EFI PART"
	gptHeaderSize = 92
	gptEntrySize  = 128
	gptMaxTable   = 1 << 20 // the usual table has 16 KiB
)

// readGPT lists the partitions on a disk of the given size: those of the table
// at its beginning or, if that is damaged, of the copy at its end. Sectors have
// 512 or 4096 bytes; the table tells.
func readGPT(disk io.ReaderAt, size int64) ([]Partition, error) {
	var errs []error
	for _, sector := range []int64{512, 4096} {
		for _, at := range []int64{sector, size/sector*sector - sector} {
			parts, err := readTable(disk, sector, at)
			if err == nil {
				return parts, nil
			}
			if !errors.Is(err, errNoGPT) {
				errs = append(errs, err)
			}
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return nil, errNoGPT
}

// readTable reads the header at the offset at and the table that it names.
func readTable(disk io.ReaderAt, sector, at int64) ([]Partition, error) {
	if at < 0 {
		return nil, errNoGPT
	}
	h := make([]byte, sector)
	if _, err := disk.ReadAt(h, at); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, errNoGPT
		}
		return nil, fmt.Errorf("read the partition table: %w", err)
	}
	if string(h[:8]) != gptSignature {
		return nil, errNoGPT
	}
	u32 := func(off int) uint32 { return binary.LittleEndian.Uint32(h[off:]) }
	sum, length := u32(16), int64(u32(12))
	clear(h[16:20])
	if length < gptHeaderSize || length > sector || crc32.ChecksumIEEE(h[:length]) != sum {
		return nil, fmt.Errorf("partition table at %d: wrong checksum of the header", at)
	}
	lba, count, entry := binary.LittleEndian.Uint64(h[72:]), int64(u32(80)), int64(u32(84))
	if entry < gptEntrySize || entry > gptMaxTable || count > gptMaxTable/entry || lba > 1<<50 {
		return nil, fmt.Errorf("partition table at %d: %d entries of %d bytes", at, count, entry)
	}
	table := make([]byte, count*entry)
	if _, err := disk.ReadAt(table, int64(lba)*sector); err != nil {
		return nil, fmt.Errorf("read the partition table: %w", err)
	}
	if crc32.ChecksumIEEE(table) != u32(88) {
		return nil, fmt.Errorf("partition table at %d: wrong checksum of the entries", at)
	}
	return parseEntries(table, int(entry), sector), nil
}

func parseEntries(table []byte, size int, sector int64) []Partition {
	var parts []Partition
	for i := 0; (i+1)*size <= len(table); i++ {
		e := table[i*size:]
		if bytes.Equal(e[:16], make([]byte, 16)) {
			continue
		}
		first, last := int64(binary.LittleEndian.Uint64(e[32:])), int64(binary.LittleEndian.Uint64(e[40:]))
		parts = append(parts, Partition{
			Number: i + 1, Type: guid(e[:16]), UUID: guid(e[16:32]),
			Start: first * sector, Size: (last - first + 1) * sector,
		})
	}
	return parts
}

// guid writes a GUID, whose first three groups are little endian.
func guid(b []byte) string {
	le := binary.LittleEndian
	return fmt.Sprintf("%08x-%04x-%04x-%x-%x", le.Uint32(b), le.Uint16(b[4:]), le.Uint16(b[6:]), b[8:10], b[10:16])
}

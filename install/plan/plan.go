// Package plan lays out the disk of a new host. It is arithmetic only: nothing is
// read or written.
package plan

import (
	"fmt"
	"strings"

	"github.com/bootc-go/bootc/internal/blockdev"
)

const (
	mib = 1 << 20
	gib = 1 << 30

	// Align is what partitions begin and end at, in bytes.
	Align = mib

	biosBootSize = 1 * mib
	espSize      = 1 * gib
	bootSize     = 510 * mib
	// rootMin is what the largest of the file systems' own demands, 300 MiB of
	// XFS, leaves some room in. Whether the image fits shows when its size is
	// known.
	rootMin = 512 * mib
)

// Role is what a partition is for. It is also the partition's name on the disk.
type Role string

// The roles.
const (
	BIOSBoot Role = "BIOS-BOOT"
	ESP      Role = "EFI-SYSTEM"
	Boot     Role = "boot"
	Root     Role = "root"
)

// Types of partitions: https://uapi-group.org/specifications/specs/discoverable_partitions_specification/
const (
	typeRootAMD64 = "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709"
	typeRootARM64 = "B921B045-1DF0-41C3-AF44-4C6F280D3FAE"
	// The boot partition is mounted by the kernel's command line, and by nothing that
	// goes by its type.
	typeBoot = "0FC63DAF-8483-4772-8E79-3D69D8477DE4"
)

// Options are what a layout depends on.
type Options struct {
	DiskSize   int64  // in bytes
	SectorSize int64  // in bytes: 512 or 4096
	Arch       string // GOARCH
	RootSize   int64  // in bytes; 0 means what is left
	Boot       bool   // a partition of its own for /boot, for a root that no boot loader reads
}

// Plan is the layout of a disk: a GPT and what it says.
type Plan struct {
	SectorSize int64
	Partitions []Partition // in the order in which they lie on the disk
}

// Partition is one partition of a plan.
type Partition struct {
	Role        Role
	Number      int    // counted from 1
	Type        string // GUID
	Start, Size int64  // in bytes
}

// New returns the layout for a disk, or an error that says why there is none.
func New(o Options) (*Plan, error) {
	p, err := layout(o)
	if err != nil {
		return nil, fmt.Errorf("cannot lay out the disk: %w", err)
	}
	return p, nil
}

func layout(o Options) (*Plan, error) {
	if o.SectorSize != 512 && o.SectorSize != 4096 {
		return nil, fmt.Errorf("its sectors have %d bytes: only 512 and 4096 are supported", o.SectorSize)
	}
	p := &Plan{SectorSize: o.SectorSize}
	end := int64(Align)
	add := func(role Role, typ string, size int64) {
		p.Partitions = append(p.Partitions, Partition{Role: role, Number: len(p.Partitions) + 1, Type: typ, Start: end, Size: size})
		end += size
	}
	rootType := typeRootARM64
	switch o.Arch {
	case "amd64":
		rootType = typeRootAMD64
		add(BIOSBoot, strings.ToUpper(blockdev.TypeBIOSBoot), biosBootSize)
	case "arm64":
	default:
		return nil, fmt.Errorf("no layout is known for the architecture %s", o.Arch)
	}
	add(ESP, strings.ToUpper(blockdev.TypeESP), espSize)
	if o.Boot {
		add(Boot, typeBoot, bootSize)
	}
	size, err := rootSize(o, end)
	if err != nil {
		return nil, err
	}
	add(Root, rootType, size)
	return p, nil
}

// rootSize is the size of the root that begins at start.
func rootSize(o Options, start int64) (int64, error) {
	// A copy of the table, 128 entries of 128 bytes and a header, ends the disk.
	left := (o.DiskSize-16384-o.SectorSize)/Align*Align - start
	switch {
	case left < rootMin:
		return 0, fmt.Errorf("it has %s, but %s are the least: %s for the boot loaders, %s for the root", size(o.DiskSize), size(start+rootMin+Align), size(start), size(rootMin))
	case o.RootSize == 0:
		return left, nil
	case o.RootSize < rootMin:
		return 0, fmt.Errorf("a root of %s is too small: %s are the least", size(o.RootSize), size(rootMin))
	case o.RootSize > left:
		return 0, fmt.Errorf("a root of %s is too large: the disk has room for %s", size(o.RootSize), size(left))
	}
	return (o.RootSize + Align - 1) / Align * Align, nil
}

func size(n int64) string { return fmt.Sprintf("%d MiB", n/mib) }

// Find returns the partition for role, and whether the plan has one.
func (p *Plan) Find(role Role) (Partition, bool) {
	for _, part := range p.Partitions {
		if part.Role == role {
			return part, true
		}
	}
	return Partition{}, false
}

// Script is the plan as sfdisk(8) reads it. Identifiers are left to sfdisk, which
// draws them at random.
func (p *Plan) Script() string {
	var b strings.Builder
	b.WriteString("label: gpt\nunit: sectors\n")
	for _, part := range p.Partitions {
		fmt.Fprintf(&b, "start=%d, size=%d, type=%s, name=%q\n", part.Start/p.SectorSize, part.Size/p.SectorSize, part.Type, part.Role)
	}
	return b.String()
}

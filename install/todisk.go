package install

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"

	"github.com/bootc-go/bootc/bootloader"
	"github.com/bootc-go/bootc/install/config"
	"github.com/bootc-go/bootc/install/disk"
	"github.com/bootc-go/bootc/install/fat"
	"github.com/bootc-go/bootc/install/plan"
	"github.com/bootc-go/bootc/internal/mounts"
	"github.com/bootc-go/bootc/kargs"
)

// DiskOptions say which disk becomes the host's, and how it is divided.
type DiskOptions struct {
	Path       string // a block device, or with Loopback a regular file
	Loopback   bool
	Wipe       bool              // whatever it holds
	Filesystem config.Filesystem // of the root; "" leaves it to the configuration
	Block      config.BlockSetup // "" leaves it to the configuration
	RootSize   int64             // in bytes; 0 for all there is
	Host       string            // where /sys and /dev of this machine are; "" is "/"
}

// ToDisk makes a disk that boots the image. It gets a new partition table, with
// what BIOS and UEFI need both.
//
// Until the image was found, the disk is unused, empty or to be wiped, and large
// enough, nothing is changed. Whatever fails afterwards is an ErrHalfway.
func ToDisk(ctx context.Context, o Options, d DiskOptions) (*Result, error) {
	res, err := toDisk(ctx, o, d)
	if err != nil {
		return nil, fmt.Errorf("cannot install on %s: %w", d.Path, err)
	}
	return res, nil
}

func toDisk(ctx context.Context, o Options, d DiskOptions) (*Result, error) {
	if err := d.fromConfig(o.Config); err != nil {
		return nil, err
	}
	if o.encrypted = d.Block == config.TPM2LUKS; o.encrypted {
		if err := disk.CheckEncryption(ctx, cmp.Or(d.Host, "/")); err != nil {
			return nil, err
		}
	}
	target, err := disk.Open(ctx, d.Path, d.Loopback)
	if err != nil {
		return nil, err
	}
	defer target.Close() //nolint:errcheck // closed before, if all went well
	p, err := plan.New(plan.Options{DiskSize: target.Size(), SectorSize: target.SectorSize(), Arch: o.Arch, RootSize: d.RootSize, Boot: o.encrypted})
	if err != nil {
		return nil, err
	}
	if !d.Wipe {
		if err := target.CheckEmpty(ctx); err != nil {
			return nil, err
		}
	}
	if err := disk.NeedTools("sfdisk", "mkfs."+string(d.Filesystem)); err != nil {
		return nil, err
	}
	in, err := newInstaller(ctx, o)
	if err != nil {
		return nil, err
	}
	if err := target.CheckUnused(ctx); err != nil { // the registry may have taken its time
		return nil, err
	}
	j := &diskJob{installer: in, disk: target, plan: p, fstype: string(d.Filesystem)}
	res, err := j.run(ctx)
	if err == nil {
		err = target.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("%w; %w: the disk was %s, but it does not boot", err, ErrHalfway, j.done)
	}
	return res, nil
}

// fromConfig fills in what the command line left to the configuration, and refuses
// what cannot be done.
func (d *DiskOptions) fromConfig(c *config.Config) error {
	if c != nil && d.Filesystem == "" && c.RootFSType != nil {
		d.Filesystem = *c.RootFSType
	}
	if d.Filesystem == "" {
		return ErrNoFilesystem
	}
	block := c.BlockSetups()
	if d.Block == "" {
		if len(block) == 0 {
			return errors.New("the configuration allows no block setup")
		}
		d.Block = block[0]
	}
	switch {
	case !slices.Contains(block, d.Block):
		return fmt.Errorf("the configuration does not allow the block setup %s", d.Block)
	case d.Block == config.TPM2LUKS && d.Loopback:
		return errors.New("the block setup tpm2-luks makes a disk that no machine but this one opens: install on a disk of the machine, not into a file")
	}
	return nil
}

// diskJob is an installation on a disk.
type diskJob struct {
	*installer
	disk   *disk.Disk
	plan   *plan.Plan
	fstype string
	done   string // what has become of the disk
}

func (j *diskJob) run(ctx context.Context) (*Result, error) {
	j.done = "about to be partitioned"
	j.say("partitioning %s", j.disk.File().Name())
	if err := j.disk.Write(ctx, j.plan); err != nil {
		return nil, err
	}
	j.done = "partitioned"
	espPart, _ := j.plan.Find(plan.ESP)
	esp, err := disk.Memory(espPart.Size)
	if err != nil {
		return nil, err
	}
	defer esp.Close()
	res, err := j.makeRoot(ctx, esp.Root)
	if err != nil {
		return nil, err
	}
	return res, j.writeESP(ctx, espPart, esp.Root)
}

// makeRoot makes the root and installs into it. The files of the ESP go into esp.
func (j *diskJob) makeRoot(ctx context.Context, esp *os.File) (*Result, error) {
	rootPart, _ := j.plan.Find(plan.Root)
	part, err := j.disk.Partition(ctx, rootPart)
	if err != nil {
		return nil, err
	}
	defer part.Close()
	if j.encrypted {
		return j.encryptRoot(ctx, part, esp)
	}
	return j.fillRoot(ctx, part, esp, nil)
}

// fillRoot makes the root's file system on part and installs into it. The initramfs
// opens part by the kernel arguments open, if it has to.
func (j *diskJob) fillRoot(ctx context.Context, part *disk.Partition, esp *os.File, open kargs.Line) (*Result, error) {
	j.say("making %s for the root", j.fstype)
	uuid, err := part.MakeFilesystem(ctx, j.fstype, string(plan.Root))
	if err != nil {
		return nil, err
	}
	root, err := part.Mount(j.fstype)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	j.done = "partitioned and formatted"
	boot, err := j.openBoot(ctx, root.Root, uuid)
	if err != nil {
		return nil, err
	}
	defer boot.close()
	res, err := j.install(ctx, place{
		root: root.Root, boot: boot.dir, esp: esp, bios: j.bios(),
		args:         slices.Concat(kargs.Line{kargs.Arg("root=UUID=" + uuid), "rw"}, open, boot.args),
		discoverable: open == nil, // what discovers an encrypted root opens it itself
		rootUUID:     boot.uuid, bootPath: boot.path,
		mount: func() (*mounts.View, error) { return part.Mount(j.fstype) },
		clear: func() error { return nil }, // all is new
	})
	if err != nil {
		return nil, err
	}
	j.done = "partitioned and formatted, and the image is deployed"
	j.say("finishing the root")
	if err := boot.finish(); err != nil {
		return nil, err
	}
	if err := disk.Trim(root.Root); err != nil {
		return nil, err
	}
	return res, disk.Seal(root.Root)
}

// bios is where GRUB goes for machines without UEFI, which know only sectors of 512
// bytes.
func (j *diskJob) bios() []bootloader.BIOSDisk {
	p, ok := j.plan.Find(plan.BIOSBoot)
	if !ok || j.disk.SectorSize() != 512 {
		return nil
	}
	return []bootloader.BIOSDisk{{Disk: j.disk.File(), FirstLBA: p.Start / 512, Sectors: p.Size / 512}}
}

// writeESP makes the ESP's file system with the files below dir.
func (j *diskJob) writeESP(ctx context.Context, p plan.Partition, dir *os.File) error {
	j.say("writing the EFI system partition")
	part, err := j.disk.Partition(ctx, p)
	if err != nil {
		return err
	}
	defer part.Close()
	var id [4]byte
	rand.Read(id[:])
	files := os.DirFS("/proc/self/fd/" + strconv.Itoa(int(dir.Fd())))
	err = fat.Write(ctx, part, files, fat.Options{
		Size: p.Size, SectorSize: j.disk.SectorSize(), Start: p.Start,
		Label: string(plan.ESP), ID: binary.LittleEndian.Uint32(id[:]), Time: j.Clock(),
	})
	if err != nil {
		return err
	}
	return part.Sync()
}

package install

import (
	"context"
	"os"

	"github.com/bootc-go/bootc/install/disk"
	"github.com/bootc-go/bootc/install/plan"
	"github.com/bootc-go/bootc/internal/mounts"
	"github.com/bootc-go/bootc/kargs"
	"github.com/bootc-go/bootc/osimage"
)

// bootDir is /boot on a disk: a directory of the root, or a file system of its own.
type bootDir struct {
	dir  *os.File
	uuid string     // of the file system with it
	path string     // where it is there, for GRUB
	args kargs.Line // by which the host finds it

	part *disk.Partition // nil for a directory of the root
	view *mounts.View
}

// openBoot makes /boot, where the plan has it. The root, with that UUID, is mounted.
func (j *diskJob) openBoot(ctx context.Context, root *os.File, uuid string) (*bootDir, error) {
	dir, err := makeDir(root, "boot")
	if err != nil {
		return nil, err
	}
	p, ok := j.plan.Find(plan.Boot)
	if !ok {
		return &bootDir{dir: dir, uuid: uuid, path: "/boot"}, nil
	}
	dir.Close() // it stays as a place to mount on
	b := &bootDir{}
	if err := b.makeFilesystem(ctx, j, p); err != nil {
		b.close()
		return nil, err
	}
	return b, nil
}

func (b *bootDir) makeFilesystem(ctx context.Context, j *diskJob, p plan.Partition) (err error) {
	if b.part, err = j.disk.Partition(ctx, p); err != nil {
		return err
	}
	j.say("making %s for /boot", j.fstype)
	if b.uuid, err = b.part.MakeFilesystem(ctx, j.fstype, string(plan.Boot)); err != nil {
		return err
	}
	if b.view, err = b.part.Mount(j.fstype); err != nil {
		return err
	}
	b.dir = b.view.Root
	b.args = kargs.Line{mountBoot("UUID="+b.uuid, j.fstype)}
	return nil
}

// mountBoot has systemd mount /boot. It is not boot=, by which dracut's FIPS module
// finds it: initramfs-tools takes that for the name of a script and does not boot.
func mountBoot(source, fstype string) kargs.Arg {
	return kargs.Arg(osimage.MountExtra + "=" + source + ":/boot:" + fstype + ":ro")
}

// finish makes what is in it durable.
func (b *bootDir) finish() error {
	if b.view == nil {
		return b.dir.Close() // it is the root's, which does the rest
	}
	if err := disk.Trim(b.dir); err != nil {
		return err
	}
	return disk.Seal(b.dir)
}

func (b *bootDir) close() {
	if b.view != nil {
		b.view.Close()
	} else if b.dir != nil {
		b.dir.Close()
	}
	if b.part != nil {
		b.part.Close()
	}
}

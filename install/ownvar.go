package install

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/deploy"
	"github.com/bootc-go/bootc/install/config"
	"github.com/bootc-go/bootc/install/disk"
	"github.com/bootc-go/bootc/kargs"
	"github.com/bootc-go/bootc/osimage"
	"github.com/bootc-go/bootc/setuproot"
)

// ownVar is a file system of its own that is mounted on var of the target: the host's
// /var.
type ownVar struct {
	dir *os.File
	fs  disk.Mounted

	// keep is set if there are files that stay: those of the old system, which are the
	// host's only if an argument or the image says so.
	keep bool

	taken bool // what is in it is ours
}

// findVar looks whether var of the target is a file system of its own, and whether a
// host could have it at /var.
func (t *target) findVar(ctx context.Context) error {
	dir, err := t.openMount("var")
	if dir == nil || err != nil {
		return err
	}
	v := &ownVar{dir: dir}
	t.ownVar = v
	below, err := disk.MountsBelow(dir)
	if err != nil {
		return err
	}
	if t.Replace == ReplaceAlongside {
		names, err := namesIn(dir)
		if v.keep = len(names)+len(below) > 0; v.keep || err != nil {
			return err
		}
	}
	if len(below) > 0 {
		return fmt.Errorf("%s is a mount point: unmount it, and have the host mount it by its fstab", below[0])
	}
	if v.fs, err = disk.Inspect(ctx, dir); err != nil {
		return err
	}
	return v.check(t.mounted)
}

// subvolumeInode is the number of the root directory of every subvolume of a btrfs.
const subvolumeInode = 256

// check refuses what can hold no /var, or cannot be found by the host.
func (v *ownVar) check(root disk.Mounted) error {
	_, err := config.ParseFilesystem(v.fs.Type)
	switch {
	case err != nil:
		return fmt.Errorf("it cannot have its /var on what is mounted on var: %w", err)
	case v.fs.Type == string(config.Btrfs):
		var st unix.Stat_t
		if err := unix.Fstat(int(v.dir.Fd()), &st); err != nil {
			return fmt.Errorf("stat var: %w", err)
		}
		if st.Ino != subvolumeInode {
			return fmt.Errorf("the directory %s of a btrfs is mounted on var: mount a subvolume, or nothing", v.fs.Subtree)
		}
		if strings.ContainsAny(v.fs.Subtree, " \t\n\"\\:,") {
			return fmt.Errorf("the subvolume %q is mounted on var, whose name a kernel argument cannot have", v.fs.Subtree)
		}
	case v.fs.Device == root.Device:
		return errors.New("a directory of the root file system is mounted on var: unmount it")
	case v.fs.Subtree != "/":
		return fmt.Errorf("the directory %s of a file system is mounted on var: mount all of it, or nothing", v.fs.Subtree)
	}
	if err := unix.Faccessat(int(v.dir.Fd()), ".", unix.W_OK, 0); err != nil {
		return fmt.Errorf("the file system on var: %w", err)
	}
	return nil
}

// arg has systemd mount the file system; "" if it has no UUID.
func (v *ownVar) arg() kargs.Arg {
	if v == nil || v.keep || v.fs.UUID == "" {
		return ""
	}
	text := osimage.MountExtra + "=UUID=" + v.fs.UUID + ":/var:" + v.fs.Type
	if v.fs.Type == string(config.Btrfs) && v.fs.Subtree != "/" {
		text += ":subvol=" + v.fs.Subtree
	}
	return kargs.Arg(text)
}

// filled is the file system, if the image's /var goes there; else nil.
func (v *ownVar) filled() *os.File {
	if v == nil || v.keep {
		return nil
	}
	return v.dir
}

// checkVarEarly is checkVar where the image's files are here, in a container of it.
func (in *installer) checkVarEarly(p place) (err error) {
	if in.Files == nil || in.Config == nil || p.ownVar == nil || p.ownVar.keep {
		return nil
	}
	img, err := osimage.Inspect(in.Files, in.Arch)
	if err != nil {
		return err
	}
	if in.fstab, err = readText(in.Files, "etc/fstab"); err != nil {
		return err
	}
	return in.checkVar(in.Files, img, p)
}

// checkVar refuses an image that would not mount the /var that it has on a file system
// of its own. The initramfs must leave that to systemd, and systemd must know of it.
func (in *installer) checkVar(files fs.FS, img *osimage.Image, p place) error {
	if p.ownVar == nil {
		return nil
	}
	line, uki := in.commandLine(p, img.Kargs), img.Kernel.Type == osimage.UKI
	if uki {
		kernel, err := img.Kernel.WithAddons(files, in.Addons)
		if err != nil {
			return err
		}
		line = deploy.Cmdline(files, &osimage.Image{Kernel: kernel})
	}
	mounts := setuproot.MountsVar(line, in.fstab)
	switch {
	case p.ownVar.keep && !mounts:
		in.say("warning: there are files on the file system of var, which stay as they are: the new host does not mount it, and has its /var on the root file system; --karg %s=UUID=…:/var:… would make it that one", osimage.MountExtra)
		return nil
	case mounts && setuproot.MountsVar(nil, in.fstab):
		return nil
	case mounts:
		return osimage.CheckMountExtra(files, "/var", "a line for /var in /etc/fstab of the image does without")
	case uki:
		return fmt.Errorf("a file system of its own is mounted on var, and the image has a unified kernel image, which takes no argument: build %s=LABEL=…:/var:%s into it, or into an addon for --uki-addon, or a line for /var into /etc/fstab", osimage.MountExtra, p.ownVar.fs.Type)
	case p.ownVar.fs.UUID == "":
		return fmt.Errorf("the file system on var has no UUID: say with --karg %s=…:/var:%s how the host finds it", osimage.MountExtra, p.ownVar.fs.Type)
	}
	return fmt.Errorf("the configuration or --karg-delete removes the argument %s, by which the host mounts /var", osimage.MountExtra)
}

// maxText bounds configuration files of an image, in bytes.
const maxText = 1 << 20

// readText reads a file; one that is missing is empty.
func readText(fsys fs.FS, name string) (string, error) {
	f, err := fsys.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxText))
	if err != nil {
		return "", fmt.Errorf("/%s of the image: %w", name, err)
	}
	return string(data), nil
}

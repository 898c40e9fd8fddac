package setuproot

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/mount"
	"github.com/bootc-go/bootc/composefs/verity"
	"github.com/bootc-go/bootc/kargs"
)

// mountImage mounts the image of the deployment as the root of the tree. Its source
// tells the running system which deployment it is. A transient root has its upper
// layer in the same overlay: a second one above would be too deep a stack for some
// kernels.
func (a *assembly) mountImage(root kargs.Root, transient bool) error {
	repository, err := openDir(a.physical, "composefs")
	if err != nil {
		return advise(fmt.Errorf("no composefs repository on the root file system: %w", err), hintDisk)
	}
	defer repository.Close()
	image, err := openImage(repository, root)
	if err != nil {
		return err
	}
	defer image.Close()
	objects, err := openDir(repository, "objects")
	if err != nil {
		return fmt.Errorf("no objects in the composefs repository: %w", err)
	}
	defer objects.Close()
	o := mount.Options{
		Image: image, Objects: objects, Source: "composefs:" + root.ID.String(),
		RequireVerity: !root.Optional, TempDir: a.scratch,
	}
	if transient {
		upper, err := a.newLayer(nil, rootOwner)
		if err != nil {
			return err
		}
		defer upper.close()
		o.Source = "transient:composefs=" + root.ID.String()
		o.Upper, o.Work, o.ReadWrite = upper.upper, upper.work, true
	}
	a.root, err = mount.Mount(o)
	if err != nil {
		return advise(err, mountHint(err))
	}
	return attach(a.root, unix.AT_FDCWD, a.scratch+rootName)
}

func mountHint(err error) string {
	switch {
	case errors.Is(err, unix.ENODEV):
		return hintModules
	case errors.Is(err, mount.ErrUnsupported):
		return hintVerity
	}
	return hintRepair
}

// openImage opens the image and makes sure that it is the one, as far as the kernel
// can tell and the command line wants to know.
func openImage(repository *os.File, root kargs.Root) (*os.File, error) {
	link := "images/" + root.ID.String()
	image, err := openIn(repository, link, unix.O_RDONLY|unix.O_NONBLOCK)
	switch {
	case errors.Is(err, unix.ENOENT):
		return nil, missingImage(repository, link, root.ID)
	case errors.Is(err, unix.EOPNOTSUPP):
		return nil, fmt.Errorf("image %s has fs-verity, which this kernel lacks: %w", root.ID, err)
	case err != nil:
		return nil, fmt.Errorf("image %s: %w", root.ID, err)
	}
	if err := checkImage(image, root); err != nil {
		image.Close()
		return nil, err
	}
	return image, nil
}

// missingImage says whether the image is not there or has lost its content.
func missingImage(repository *os.File, link string, id verity.Digest) error {
	var st unix.Stat_t
	if err := unix.Fstatat(int(repository.Fd()), link, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("the repository has no image %s: this deployment was deleted, or is on another disk", id)
	}
	return advise(fmt.Errorf("the image's object composefs/objects/%s is missing", id.ObjectPath()), hintRepair)
}

func checkImage(image *os.File, root kargs.Root) error {
	got, err := verity.Measure(image)
	switch {
	case err == nil && got == root.ID:
		return nil
	case err == nil:
		return advise(fmt.Errorf("image %s is damaged or forged: its digest is %s", root.ID, got), hintRepair)
	case root.Optional && (errors.Is(err, verity.ErrNotEnabled) || errors.Is(err, verity.ErrNotSupported)):
		return nil
	}
	return advise(fmt.Errorf("image %s must have fs-verity: %w", root.ID, err), hintVerity)
}

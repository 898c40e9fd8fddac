package setuproot

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/kargs"
)

// UsrOptions say what OverlayUsr does, and where.
type UsrOptions struct {
	Sysroot  string     // where the root file system of the disk is mounted
	Usr      string     // "/usr" of the deployment
	Run      string     // "/run"
	Root     kargs.Root // the deployment that runs
	ReadOnly bool       // who wants to write remounts it, in a mount namespace of his own
}

// OverlayUsr mounts over Usr the same files, to which can be written; what is written
// is in memory, and gone when it is unmounted.
//
// It mounts the image once more, with an upper layer. An overlay over the one that is
// there would be the third file system in a stack, and many kernels allow two.
func OverlayUsr(o UsrOptions) (err error) {
	a, err := newAssembly(o.Sysroot, o.Run)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.close()) }()
	if err := a.mountImage(o.Root, true); err != nil {
		return err
	}
	usr, err := openDir(a.root, "usr")
	if err != nil {
		return fmt.Errorf("/usr in the image: %w", err)
	}
	defer usr.Close()
	tree, err := clone(usr, 0)
	if err != nil {
		return err
	}
	defer tree.Close()
	if err := setReadOnly(tree, o.ReadOnly); err != nil {
		return err
	}
	return attach(tree, unix.AT_FDCWD, o.Usr)
}

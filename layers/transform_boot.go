package layers

import (
	"io"

	"github.com/bootc-go/bootc/composefs/tree"
	"github.com/bootc-go/bootc/selinux"
)

// TransformForBoot makes of a tree that TransformForOCI returned the one whose
// image id a deployment has: /boot and /sysroot, which must exist, become
// empty, and all files get the labels of the SELinux policy in the tree, or
// none if there is no policy. A kernel image in /boot can therefore contain the
// id. A tree whose boot files composefs-rs would not understand is refused
// here as there; that there is a kernel at all is not checked.
//
// The function open returns the content of a regular file that is not inline.
// The tree is changed in place, and its link counts are right afterwards if they
// were before; after an error it is of no use.
func TransformForBoot(root *tree.Node, open func(*tree.Node) (io.ReadCloser, error)) error {
	r := treeReader{root: root, open: open}
	if err := checkBootFiles(r); err != nil {
		return err
	}
	usr, err := requireDirectory(root, "usr")
	if err != nil {
		return err
	}
	for _, name := range []string{"boot", "sysroot"} {
		if err := empty(root, name, usr.Mtime); err != nil {
			return err
		}
	}
	return label(r)
}

func label(r treeReader) error {
	policy, err := selinux.Load(r.read)
	if err != nil {
		return err
	}
	if policy == nil {
		selinux.Strip(r.root)
		return nil
	}
	return policy.Relabel(r.root)
}

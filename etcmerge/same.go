package etcmerge

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/tree"
	"github.com/bootc-go/bootc/composefs/verity"
)

// The label says what the policy calls a file; a host that starts with another
// policy gives every file of /etc another one.
const labelXattr = "security.selinux"

// evmXattr is made of an inode's number and a key of the host, so that a copy
// cannot have that of the original.
const evmXattr = "security.evm"

// derived says whether an extended attribute is the work of the policy or the
// kernel and tells nothing of what the administrator wants.
func derived(name string) bool {
	return name == labelXattr || name == evmXattr || name == "security.ima"
}

// differs returns the aspects in which two inodes differ for an administrator:
// times and derived attributes are none. The entries of directories do not
// count.
func differs(a, b *tree.Node) tree.Aspect {
	var what tree.Aspect
	add := func(differ bool, aspect tree.Aspect) {
		if differ {
			what |= aspect
		}
	}
	add(a.Type() != b.Type(), tree.TypeAspect)
	add(a.Perm() != b.Perm() && !a.IsSymlink() && !b.IsSymlink(), tree.ModeAspect)
	add(a.UID != b.UID || a.GID != b.GID, tree.OwnerAspect)
	add(!slices.EqualFunc(chosen(a), chosen(b), sameXattr), tree.XattrsAspect)
	if a.Type() == b.Type() {
		add(a.IsRegular() && !sameContent(a.File, b.File), tree.ContentAspect)
		add(a.Target != b.Target, tree.TargetAspect)
		add(a.Rdev != b.Rdev && isDevice(a), tree.DeviceAspect)
	}
	return what
}

const attributeAspects = tree.ModeAspect | tree.OwnerAspect | tree.XattrsAspect

func isDevice(n *tree.Node) bool { return n.Type() == unix.S_IFBLK || n.Type() == unix.S_IFCHR }

// chosen are the extended attributes that are not derived.
func chosen(n *tree.Node) []tree.Xattr {
	if !slices.ContainsFunc(n.Xattrs, func(x tree.Xattr) bool { return derived(x.Name) }) {
		return n.Xattrs
	}
	return slices.DeleteFunc(slices.Clone(n.Xattrs), func(x tree.Xattr) bool { return derived(x.Name) })
}

func sameXattr(a, b tree.Xattr) bool { return a.Name == b.Name && bytes.Equal(a.Value, b.Value) }

// sameContent compares contents, one of which may be known by its digest only.
func sameContent(a, b *tree.File) bool {
	switch {
	case size(a) != size(b):
		return false
	case size(a) == 0:
		return true
	case a.Inline != nil && b.Inline != nil:
		return bytes.Equal(a.Inline, b.Inline)
	case a.Inline != nil:
		return verity.Sum(b.Digest.Algorithm(), a.Inline) == b.Digest
	case b.Inline != nil:
		return verity.Sum(a.Digest.Algorithm(), b.Inline) == a.Digest
	}
	return a.Digest == b.Digest
}

func size(f *tree.File) uint64 {
	if f == nil {
		return 0
	}
	return f.Size
}

func isDir(n *tree.Node) bool { return n != nil && n.IsDir() }

func isRegular(n *tree.Node) bool { return n != nil && n.IsRegular() }

// comparable checks that what differs in the trees can be told: that every
// content is there or has a digest, and that all digests are of one kind.
func comparable(roots ...*tree.Node) error {
	var alg verity.Algorithm
	for _, root := range roots {
		if !isDir(root) {
			return errors.New("internal error: /etc is no directory")
		}
		err := tree.Walk(root, func(path string, n *tree.Node) error {
			if !n.IsRegular() || n.Size() == 0 || n.File.Inline != nil {
				return nil
			}
			switch a := n.File.Digest.Algorithm(); {
			case a == 0:
				return fmt.Errorf("internal error: no digest of %s", show(relative(path)))
			case alg != 0 && a != alg:
				return fmt.Errorf("internal error: the digest of %s is %s, others are %s", show(relative(path)), a, alg)
			default:
				alg = a
				return nil
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

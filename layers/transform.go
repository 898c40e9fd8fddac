package layers

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/tree"
)

// XattrFilter says which extended attributes an image keeps.
type XattrFilter uint8

// The filters that composefs-rs knows. All images of bootc are made with the
// first one.
const (
	AllowlistOnly  XattrFilter = iota // security.capability only
	KeepUserXattrs                    // and user.*
)

// String returns the filter's name in composefs-rs.
func (f XattrFilter) String() string {
	if f == KeepUserXattrs {
		return "keep-user-xattrs"
	}
	return "allowlist-only"
}

func (f XattrFilter) keeps(name string) bool {
	return name == "security.capability" || f == KeepUserXattrs && strings.HasPrefix(name, "user.")
}

// TransformForOCI makes of the merged layers of an OCI image, or of a directory
// with the same content, the tree whose EROFS image is the plain image of a
// composefs repository. It makes the two equal, whatever a container runtime
// left behind: the root directory becomes like /usr, /run becomes empty, and
// extended attributes that f does not keep go. A tree without /usr, or with a
// /run that is no directory, is refused. The tree is changed in place, and its
// link counts are right afterwards if they were before; after an error it is of no
// use. docs/explanation/image-id.md has the reasons.
func TransformForOCI(root *tree.Node, f XattrFilter) error {
	usr, err := requireDirectory(root, "usr")
	if err != nil {
		return err
	}
	root.Mode = unix.S_IFDIR | usr.Perm()
	root.UID, root.GID, root.Mtime = usr.UID, usr.GID, usr.Mtime
	root.Xattrs = slices.Clone(usr.Xattrs)
	if run := root.Child("run"); run != nil {
		if err := empty(root, "run", usr.Mtime); err != nil {
			return err
		}
	}
	filterXattrs(root, f)
	return nil
}

// empty removes all that is in the directory called name.
func empty(root *tree.Node, name string, mtime tree.Time) error {
	dir, err := requireDirectory(root, name)
	if err != nil {
		return err
	}
	tree.RemoveTree(dir)
	dir.Mtime = mtime
	return nil
}

func requireDirectory(root *tree.Node, name string) (*tree.Node, error) {
	dir, err := findDirectory(root, name)
	if err == nil && dir == nil {
		err = fmt.Errorf("the image has no directory /%s", name)
	}
	return dir, err
}

// filterXattrs makes new lists, because lists may be shared.
func filterXattrs(n *tree.Node, f XattrFilter) {
	var kept []tree.Xattr
	for _, x := range n.Xattrs {
		if f.keeps(x.Name) {
			kept = append(kept, x)
		}
	}
	n.Xattrs = kept
	for _, child := range n.Children() {
		filterXattrs(child, f)
	}
}

package layers

import (
	"errors"
	"io"

	"github.com/bootc-go/bootc/composefs/tree"
)

// XattrFilter says which extended attributes an image keeps.
type XattrFilter uint8

// The filters that composefs-rs knows, by its names for them.
const (
	AllowlistOnly  XattrFilter = iota // security.capability only
	KeepUserXattrs                    // and user.*
)

// TransformForOCI makes of the merged layers of an OCI image the tree whose
// EROFS image is the plain image of a composefs repository.
func TransformForOCI(root *tree.Node, f XattrFilter) error {
	return errors.New("layers: not written yet")
}

// TransformForBoot makes of a tree that TransformForOCI returned the one whose
// image id a deployment has. The function open returns the content of a
// regular file that is not inline.
func TransformForBoot(root *tree.Node, open func(*tree.Node) (io.ReadCloser, error)) error {
	return errors.New("layers: not written yet")
}

// Package seal finishes an OS image while it is built: it computes the id that the
// image's deployment will have from its root directory, has a unified kernel image made
// that names this id, and packs the directory for other installers
// (docs/howto/build-an-image.md).
package seal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"github.com/bootc-go/bootc/composefs/erofs"
	"github.com/bootc-go/bootc/composefs/tree"
	"github.com/bootc-go/bootc/composefs/tree/scan"
	"github.com/bootc-go/bootc/composefs/verity"
	"github.com/bootc-go/bootc/layers"
)

// Options say how a directory becomes a tree.
type Options struct {
	// ExactTimes keeps the fractions of seconds in times. Tools that build images leave
	// them out of the layers that they write, but not out of the directories that they
	// show while they build.
	ExactTimes bool
}

// Tree is the file system of the deployment that the image has of which dir is the root
// directory: what a pull makes of its layers.
func Tree(ctx context.Context, dir string, o Options) (*tree.Node, error) {
	root, err := scan.Scan(ctx, dir, scan.Options{Algorithm: verity.SHA512, KeepHardlinks: true})
	if err != nil {
		return nil, err
	}
	if !o.ExactTimes {
		_ = tree.Walk(root, func(_ string, n *tree.Node) error {
			n.Mtime.Nsec = 0
			return nil
		})
	}
	open := Opener(dir, root)
	if err := layers.TransformForOCI(root, layers.AllowlistOnly); err != nil {
		return nil, fmt.Errorf("cannot make an image of %s: %w", dir, err)
	}
	if err := layers.TransformForBoot(root, open); err != nil {
		return nil, fmt.Errorf("cannot make a bootable image of %s: %w", dir, err)
	}
	tree.SetLinks(root)
	return root, nil
}

// ID is the id of the deployment with the file system root.
func ID(root *tree.Node) (verity.Digest, error) {
	return erofs.Digest(root, erofs.Options{Algorithm: verity.SHA512, Version: 1})
}

// Opener opens the files of the tree root, as [scan.Scan] read it from dir, where they
// were found. It must be asked for before the tree is changed, and used once before
// files are removed from it.
func Opener(dir string, root *tree.Node) func(*tree.Node) (io.ReadCloser, error) {
	var once sync.Once
	paths := map[*tree.Node]string{}
	return func(n *tree.Node) (io.ReadCloser, error) {
		once.Do(func() {
			_ = tree.Walk(root, func(path string, n *tree.Node) error {
				if n.IsRegular() {
					paths[n] = strings.TrimPrefix(path, "/")
				}
				return nil
			})
		})
		path, ok := paths[n]
		if !ok {
			return nil, errors.New("internal error: a file without a path")
		}
		return os.OpenInRoot(dir, path)
	}
}

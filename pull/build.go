package pull

import (
	"context"
	"fmt"
	"io"

	"golang.org/x/sync/errgroup"

	"github.com/bootc-go/bootc/composefs/oci"
	"github.com/bootc-go/bootc/composefs/repo"
	"github.com/bootc-go/bootc/composefs/tree"
	"github.com/bootc-go/bootc/internal/progress"
	"github.com/bootc-go/bootc/layers"
)

// xattrsKey is what composefs/oci calls a filter.
func xattrsKey(f layers.XattrFilter) oci.Xattrs {
	if f == layers.KeepUserXattrs {
		return oci.KeepUserXattrs
	}
	return oci.AllowlistOnly
}

// wanted finds the images that are here, and says which must be made.
func (a *applier) wanted() (plain, boot bool) {
	a.image, _ = a.plan.Images.Image()
	if a.opts.Bootable {
		a.bootImage, _ = a.plan.Images.BootImage(xattrsKey(a.opts.Xattrs))
	}
	return a.image.IsZero() && !a.opts.NoPlain, a.opts.Bootable && a.bootImage.IsZero()
}

// makeImages stores the EROFS images that are wanted and not here. They get no
// names: the layers have none yet, perhaps. A disk that is busy making gigabytes
// durable leaves the processor free meanwhile.
func (a *applier) makeImages(ctx context.Context, merged *merging) error {
	plain, boot := a.wanted()
	if !plain && !boot {
		return nil
	}
	a.opts.Progress.Report(progress.Event{Kind: progress.Started, Task: "image", Text: "image"})
	filter := a.opts.Xattrs
	if plain {
		filter = layers.AllowlistOnly
	}
	root, err := merged.wait()
	if err == nil {
		err = layers.TransformForOCI(root, filter)
	}
	if err != nil {
		return err
	}
	if err := a.storeImages(ctx, root, filter, plain, boot); err != nil {
		return err
	}
	a.opts.Progress.Report(progress.Event{Kind: progress.Done, Task: "image", Text: "image"})
	return nil
}

// storeImages stores the images that are wanted, both at once if there are two:
// on an update this is most of the work, and each of them keeps one processor
// busy.
func (a *applier) storeImages(ctx context.Context, root *tree.Node, filter layers.XattrFilter, plain, boot bool) error {
	bootRoot := root
	if plain && boot {
		bootRoot = tree.Clone(root) // the boot image's tree is changed
	}
	var work errgroup.Group
	if plain {
		work.Go(func() (err error) {
			a.image, err = a.im.PutImage(root)
			return err
		})
	}
	im := a.repo.NewImporter()
	if boot {
		work.Go(func() error {
			if err := a.storeBootImage(ctx, im, bootRoot, filter); err != nil {
				return fmt.Errorf("boot image: %w", err)
			}
			return nil
		})
	}
	err := work.Wait()
	a.countNew(im.Stats())
	return err
}

// storeBootImage stores the boot image of the tree of the plain image, which it
// changes. A tree that was made with another filter does not serve.
func (a *applier) storeBootImage(ctx context.Context, im *repo.Importer, root *tree.Node, filter layers.XattrFilter) (err error) {
	if filter != a.opts.Xattrs {
		if root, err = merge(ctx, a.repo, a.layers, a.opts.Xattrs); err != nil {
			return err
		}
	}
	if err := layers.TransformForBoot(root, content(a.repo)); err != nil {
		return err
	}
	a.bootImage, err = im.PutImage(root)
	return err
}

// merge returns the tree of the plain image.
func merge(ctx context.Context, r *repo.Repo, ls []oci.Layer, f layers.XattrFilter) (*tree.Node, error) {
	root, err := layers.Merge(ctx, r, ls)
	if err != nil {
		return nil, err
	}
	return root, layers.TransformForOCI(root, f)
}

// content returns a function that opens the content of a file.
func content(r *repo.Repo) func(*tree.Node) (io.ReadCloser, error) {
	return func(n *tree.Node) (io.ReadCloser, error) { return r.OpenObject(n.File.Digest) }
}

// Tree returns the tree whose EROFS image is the plain image of img or, if
// bootable is set, its boot image. It reads the layers, not the images.
func Tree(ctx context.Context, r *repo.Repo, img *oci.Image, bootable bool, f layers.XattrFilter) (*tree.Node, error) {
	if !img.IsContainer() {
		return nil, fmt.Errorf("image %s: is an artifact and has no file system", img.ManifestDigest)
	}
	root, err := merge(ctx, r, img.Layers, f)
	if err == nil && bootable {
		err = layers.TransformForBoot(root, content(r))
	}
	if err != nil {
		return nil, fmt.Errorf("image %s: %w", img.ManifestDigest, err)
	}
	return root, nil
}

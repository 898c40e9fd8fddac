package pull

import (
	"context"
	"fmt"
	"io"

	"golang.org/x/sync/errgroup"

	"github.com/bootc-go/bootc/composefs/oci"
	"github.com/bootc-go/bootc/composefs/repo"
	"github.com/bootc-go/bootc/composefs/tree"
	"github.com/bootc-go/bootc/composefs/verity"
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

// makeImages makes the EROFS images that are wanted and not here. It calls named,
// which waits until the layers have their names, before it publishes anything;
// a disk that is busy making gigabytes durable leaves the processor free to merge
// them meanwhile.
func (a *applier) makeImages(ctx context.Context, named func() error, merged *merging) (err error) {
	plain, boot := a.wanted()
	if !plain && !boot {
		return named()
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
	if nameErr := named(); err == nil {
		err = nameErr
	}
	if err != nil {
		return err
	}
	if err := a.writeImages(ctx, root, filter, plain, boot); err != nil {
		return err
	}
	a.opts.Progress.Report(progress.Event{Kind: progress.Done, Task: "image", Text: "image"})
	return nil
}

// writeImages writes the images that are wanted, both at once if there are two:
// on an update this is most of the work, and each of them keeps one processor
// busy.
func (a *applier) writeImages(ctx context.Context, root *tree.Node, filter layers.XattrFilter, plain, boot bool) error {
	known, err := a.repo.Images()
	if err != nil {
		return err
	}
	bootRoot := root
	if plain && boot {
		bootRoot = tree.Clone(root) // the boot image's tree is changed
	}
	var work errgroup.Group
	if plain {
		work.Go(func() (err error) {
			a.image, err = a.repo.WriteImage(root, "")
			return err
		})
	}
	if boot {
		work.Go(func() error {
			if err := a.makeBootImage(ctx, bootRoot, filter); err != nil {
				return fmt.Errorf("boot image: %w", err)
			}
			return nil
		})
	}
	if err := work.Wait(); err != nil {
		return err
	}
	return a.countImages(known)
}

// countImages counts the images that were not among the known ones.
func (a *applier) countImages(known []repo.Link) error {
	counted := make(map[verity.Digest]bool, len(known))
	for _, l := range known {
		counted[l.Digest] = true
	}
	for _, d := range []verity.Digest{a.image, a.bootImage} {
		if d.IsZero() || counted[d] {
			continue
		}
		counted[d] = true
		size, err := a.objectSize(d)
		if err != nil {
			return err
		}
		a.stats.ObjectsNew++
		a.stats.BytesNew += size
	}
	return nil
}

func (a *applier) objectSize(d verity.Digest) (int64, error) {
	f, err := a.repo.OpenObject(d)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return fi.Size(), nil
}

// makeBootImage makes the boot image of the tree of the plain image, which it
// changes. A tree that was made with another filter does not serve.
func (a *applier) makeBootImage(ctx context.Context, root *tree.Node, filter layers.XattrFilter) (err error) {
	if filter != a.opts.Xattrs {
		if root, err = merge(ctx, a.repo, a.layers, a.opts.Xattrs); err != nil {
			return err
		}
	}
	if err := layers.TransformForBoot(root, content(a.repo)); err != nil {
		return err
	}
	a.bootImage, err = a.repo.WriteImage(root, "")
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

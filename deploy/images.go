package deploy

import (
	"context"
	"fmt"
	"io"
	"io/fs"

	"github.com/opencontainers/go-digest"

	"github.com/bootc-go/bootc/composefs/erofs"
	"github.com/bootc-go/bootc/composefs/oci"
	"github.com/bootc-go/bootc/composefs/repo"
	"github.com/bootc-go/bootc/composefs/tree"
	"github.com/bootc-go/bootc/composefs/treefs"
	"github.com/bootc-go/bootc/composefs/verity"
	"github.com/bootc-go/bootc/etcmerge"
	"github.com/bootc-go/bootc/layers"
	"github.com/bootc-go/bootc/osimage"
	"github.com/bootc-go/bootc/pull"
)

// tagPrefix begins the tags of deployed images in the repository; the digest of the
// manifest follows.
const tagPrefix = "localhost/bootc-"

func tagOf(manifest digest.Digest) string { return tagPrefix + manifest.String() }

// bootTree reads the boot image of a deployment: what it has as /, but for /boot.
func bootTree(r *repo.Repo, id verity.Digest) (*tree.Node, error) {
	f, _, err := r.OpenImage(id.String())
	if err != nil {
		return nil, err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return nil, err
	}
	root, err := erofs.Read(f, fi.Size())
	if err != nil {
		return nil, fmt.Errorf("image %s: %w", id, err)
	}
	return root, nil
}

// objects opens the contents of an image's files.
func objects(r *repo.Repo) etcmerge.Opener {
	return func(_ string, n *tree.Node) (io.ReadCloser, error) { return r.OpenObject(n.File.Digest) }
}

// etcOf is the /etc of a boot image, as etcmerge wants it.
func etcOf(r *repo.Repo, root *tree.Node) (*tree.Node, error) {
	etc := tree.Lookup(root, "etc")
	if etc == nil || !etc.IsDir() {
		return nil, fmt.Errorf("%w: it has no directory /etc", osimage.ErrNotBootable)
	}
	return etc, etcmerge.LoadAccounts(etc, objects(r))
}

// osOf looks at a pulled image as an operating system. The layers are read, for a
// boot image has nothing in /boot, where unified kernels are.
func (s *Sysroot) osOf(ctx context.Context, r *repo.Repo, manifest digest.Digest) (*osimage.Image, fs.FS, error) {
	os, _, fsys, err := s.osTreeOf(ctx, r, manifest)
	return os, fsys, err
}

// osTreeOf is osOf with the tree behind the file system.
func (s *Sysroot) osTreeOf(ctx context.Context, r *repo.Repo, manifest digest.Digest) (*osimage.Image, *tree.Node, fs.FS, error) {
	img, err := oci.Open(r, manifest)
	if err != nil {
		return nil, nil, nil, err
	}
	root, err := pull.Tree(ctx, r, img, false, layers.AllowlistOnly)
	if err != nil {
		return nil, nil, nil, err
	}
	fsys := treefs.New(root, r.OpenObject)
	os, err := osimage.Inspect(fsys, s.sys.Arch)
	return os, root, fsys, err
}

// pullImage fetches what is missing of the image, and tags it.
func (s *Sysroot) pullImage(ctx context.Context, r *repo.Repo, plan *pull.Plan, parallel int) (*pull.Result, error) {
	return pull.Apply(ctx, r, plan, pull.Options{
		Tag: tagOf(plan.ManifestDigest), Bootable: true, NoPlain: true,
		Parallel: parallel, Progress: s.sys.Progress,
	})
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/bootc-go/bootc/boundimage"
	"github.com/bootc-go/bootc/composefs/oci"
	"github.com/bootc-go/bootc/composefs/repo"
	"github.com/bootc-go/bootc/composefs/tree"
	"github.com/bootc-go/bootc/composefs/treefs"
	"github.com/bootc-go/bootc/composefs/verity"
	"github.com/bootc-go/bootc/conform"
	"github.com/bootc-go/bootc/etcmerge"
	"github.com/bootc-go/bootc/image"
	"github.com/bootc-go/bootc/layers"
	"github.com/bootc-go/bootc/osimage"
	"github.com/bootc-go/bootc/pull"
)

// bootLabel is the label by which images say that they are meant for this.
const bootLabel = "containers.bootc"

// bootFaults collects what keeps an image from booting, or may.
type bootFaults struct {
	digest string
	list   []conform.Finding
}

func (b *bootFaults) add(code string, severity conform.Severity, page, text string) {
	b.list = append(b.list, conform.Finding{
		Code: conform.Code(code), Severity: severity, Section: "bootc: docs/reference/" + page,
		Document: "image", Digest: b.digest, Text: text,
	})
}

// refuse adds an error for each that err is joined of.
func (b *bootFaults) refuse(code, page string, err error) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			b.refuse(code, page, e)
		}
		return
	}
	b.add(code, conform.Error, page, oneLine(err))
}

// boots says what bootc would have against booting the image im of a layout. It does all
// that an upgrade does up to the point where the host comes into play, with the same
// code, in a repository of its own. The error is that it could not.
func (v *validation) boots(ctx context.Context, layout string, im conform.Image) ([]conform.Finding, error) {
	b := &bootFaults{digest: im.Descriptor.Digest.String()}
	if value := im.Labels[bootLabel]; value == "" {
		b.add("boot-label", conform.Warning, "os-image.md", "there is no label "+bootLabel+"=1, so that the image may not be meant to boot")
	}
	if im.Indexes > 1 {
		b.add("boot-nested-index", conform.Error, "os-image.md", "an index leads to it by way of another index, which bootc does not follow")
	}
	dir, err := os.MkdirTemp(v.work, "boot-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // it is temporary
	ref, err := view(filepath.Join(dir, "view"), layout, im)
	if err != nil {
		return nil, fmt.Errorf("cannot check whether the image can boot: %w", err)
	}
	r, _, err := repo.Init(ctx, filepath.Join(dir, "repo"), repo.Config{Algorithm: verity.SHA512, Insecure: true})
	if err != nil {
		return nil, fmt.Errorf("cannot check whether the image can boot: %w", err)
	}
	defer r.Close() //nolint:errcheck // it is temporary
	err = v.assemble(ctx, b, r, ref, im, dir)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return b.list, err
}

// assemble pulls the image into r, and looks at what becomes of it.
func (v *validation) assemble(ctx context.Context, b *bootFaults, r *repo.Repo, ref image.Reference, im conform.Image, dir string) error {
	policy, err := acceptAll(dir)
	if err != nil {
		return err
	}
	img, err := image.Open(ctx, ref, image.Options{
		PolicyPath: policy, OS: im.Platform.OS, Arch: im.Platform.Architecture, Variant: im.Platform.Variant, UserAgent: userAgent(),
	})
	if err != nil {
		b.refuse("boot-image", "os-image.md", err)
		return nil
	}
	defer img.Close() //nolint:errcheck // only read from
	plan, err := pull.NewPlan(ctx, r, img)
	if err != nil {
		return err
	}
	if _, err := pull.Apply(ctx, r, plan, pull.Options{Tag: "validate", Bootable: true, NoPlain: true}); err != nil {
		b.refuse("boot-tree", "layers.md", errors.Unwrap(err))
		return nil
	}
	stored, err := oci.Open(r, img.ManifestDigest)
	if err != nil {
		return err
	}
	root, err := pull.Tree(ctx, r, stored, false, layers.AllowlistOnly)
	if err != nil {
		return err
	}
	b.system(r, root, im.Platform.Architecture)
	return b.xattrs(r, stored)
}

// system looks at the tree as at an operating system.
func (b *bootFaults) system(r *repo.Repo, root *tree.Node, arch string) {
	fsys := treefs.New(root, r.OpenObject)
	os, err := osimage.Inspect(fsys, arch)
	if err != nil {
		b.refuse("boot-system", "os-image.md", err)
	} else if os.OS == (osimage.OSRelease{}) {
		b.add("boot-os-release", conform.Warning, "os-image.md", "/usr/lib/os-release is missing or says nothing, so that the boot menu has no name for the image")
	}
	if etc := tree.Lookup(root, "etc"); etc == nil || !etc.IsDir() {
		b.add("boot-etc", conform.Error, "os-image.md", "there is no directory /etc")
	} else if err := etcmerge.LoadAccounts(etc, func(_ string, n *tree.Node) (io.ReadCloser, error) { return r.OpenObject(n.File.Digest) }); err != nil {
		b.refuse("boot-etc", "os-image.md", err)
	}
	bound, err := boundimage.Load(fsys)
	if err != nil {
		b.refuse("boot-bound-images", "os-image.md", errors.Unwrap(err))
	}
	for _, im := range bound {
		if _, err := image.Parse(im.Ref); err != nil {
			b.refuse("boot-bound-images", "os-image.md", fmt.Errorf("/usr/lib/bootc/bound-images.d/%s: %w", im.Name, err))
		}
	}
}

// xattrs tells which extended attributes of the layers a deployment does not have.
func (b *bootFaults) xattrs(r *repo.Repo, img *oci.Image) error {
	count := map[string]int{}
	for _, l := range img.Layers {
		if err := countXattrs(r, l, count); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(count)) {
		text := fmt.Sprintf("%s, which %d entries have, does not come along: a deployment has security.capability alone", name, count[name])
		if name == "security.selinux" {
			text = fmt.Sprintf("security.selinux, which %d entries have, does not come along: the labels of a deployment are those of the policy in the image", count[name])
		}
		b.add("boot-xattr", conform.Info, "layers.md", text)
	}
	return nil
}

// countXattrs counts by name the attributes of a layer that are not kept.
func countXattrs(r *repo.Repo, l oci.Layer, count map[string]int) error {
	s, err := oci.OpenLayer(r, l.ID)
	if err != nil {
		return err
	}
	defer s.Close() //nolint:errcheck // only read from
	for e, err := range layers.Entries(s) {
		if err != nil {
			return err
		}
		if e.Node == nil {
			continue
		}
		for _, x := range e.Node.Xattrs {
			if x.Name != "security.capability" && (len(count) < 100 || count[x.Name] > 0) {
				count[x.Name]++
			}
		}
	}
	return nil
}

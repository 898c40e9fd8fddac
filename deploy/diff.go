package deploy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/bootc-go/bootc/bootloader"
	"github.com/bootc-go/bootc/composefs/oci"
	"github.com/bootc-go/bootc/composefs/repo"
	"github.com/bootc-go/bootc/composefs/tree"
	"github.com/bootc-go/bootc/composefs/treefs"
	"github.com/bootc-go/bootc/composefs/verity"
	"github.com/bootc-go/bootc/image"
	"github.com/bootc-go/bootc/kargs"
	"github.com/bootc-go/bootc/layers"
	"github.com/bootc-go/bootc/osimage"
	"github.com/bootc-go/bootc/pkgdb"
	"github.com/bootc-go/bootc/pull"
)

// Diff is how two systems differ, each of which is a deployment or an image.
type Diff struct {
	From Side `json:"from"`
	To   Side `json:"to"`

	// Packages is nil if the packages of a side could not be read, see Warnings.
	Packages        *pkgdb.Diff `json:"packages"`
	Kernel          KernelDiff  `json:"kernel"`
	KernelArguments ListDiff    `json:"kernelArguments"` // of the images, unless both sides are deployments
	EtcDefaults     PathDiff    `json:"etcDefaults"`     // of the images' /etc, whatever the host's has
	BoundImages     ListDiff    `json:"boundImages"`     // container images that come with it
	Files           FileSummary `json:"files"`           // all that a deployment has, /etc included
	Warnings        []string    `json:"warnings,omitempty"`

	// SoftReboot is nil unless the first side runs and the other is a deployment, or the
	// one that is to be.
	SoftReboot *SoftReboot `json:"softReboot"`

	changes []tree.Change
}

// Side is one of the two.
type Side struct {
	Name       string        `json:"name"` // as it was asked for
	Deployment string        `json:"deployment,omitempty"`
	Digest     digest.Digest `json:"digest,omitempty"` // of the manifest
	Image      string        `json:"image,omitempty"`
	Version    string        `json:"version,omitempty"`
}

// KernelDiff says whether another kernel starts.
type KernelDiff struct {
	From             *Kernel `json:"from"` // nil if the side has none
	To               *Kernel `json:"to"`
	Changed          bool    `json:"changed"`          // kernel or, of a unified kernel image, anything
	InitramfsChanged bool    `json:"initramfsChanged"` // of a unified kernel image as Changed
}

// Kernel is the kernel of a side.
type Kernel struct {
	Version string           `json:"version,omitempty"` // a unified kernel image's is not known
	Type    osimage.BootType `json:"type" enum:"Bls,Uki"`
	Digest  string           `json:"digest"` // of kernel and initramfs, hex SHA-256
	Bytes   int64            `json:"bytes"`
}

// ListDiff is how two lists differ.
type ListDiff struct {
	Added   []string `json:"added"`
	Removed []string `json:"removed"`
}

// Empty says whether they do not.
func (d ListDiff) Empty() bool { return len(d.Added)+len(d.Removed) == 0 }

// PathDiff is which paths differ.
type PathDiff struct {
	ListDiff
	Changed []string `json:"changed"`
}

// FileSummary counts what differs but for times: files, directories and the rest.
type FileSummary struct {
	Added        int   `json:"added"`
	Removed      int   `json:"removed"`
	Changed      int   `json:"changed"`
	BytesAdded   int64 `json:"bytesAdded"`   // in files that are new or have other content
	BytesRemoved int64 `json:"bytesRemoved"` // in files that go or had other content
}

// SoftReboot says whether user space alone can start anew.
type SoftReboot struct {
	Possible bool   `json:"possible"`
	Obstacle string `json:"obstacle,omitempty"`
}

// Changes are the paths that differ, but for times, in the order of a walk.
func (d *Diff) Changes() []tree.Change { return d.changes }

// Empty says whether the sides are the same system.
func (d *Diff) Empty() bool {
	return len(d.changes) == 0 && d.KernelArguments.Empty() && !d.Kernel.Changed && !d.Kernel.InitramfsChanged
}

// DiffOptions say how Diff goes about it.
type DiffOptions struct {
	// Scratch is an empty directory for what images have that are not here.
	Scratch string
}

// Diff compares two systems: deployments, by the names that Find knows, images in the
// repository, by their tags or by the digests of their manifests, or images elsewhere,
// by references. Of the latter the layers that are not here are fetched into the
// scratch directory. Nothing else is changed.
func (s *Sysroot) Diff(ctx context.Context, from, to string, o DiffOptions) (*Diff, error) {
	d, err := s.diff(ctx, from, to, o)
	if err != nil {
		return nil, fmt.Errorf("cannot compare %s with %s: %w", from, to, err)
	}
	return d, nil
}

func (s *Sysroot) diff(ctx context.Context, from, to string, o DiffOptions) (*Diff, error) {
	r, err := s.scratch(ctx, o.Scratch)
	if err != nil {
		return nil, err
	}
	defer r.Close() //nolint:errcheck // nothing of it is kept
	m, err := s.menus()
	if err != nil {
		return nil, err
	}
	a, err := s.side(ctx, r, m, from)
	if err != nil {
		return nil, err
	}
	b, err := s.side(ctx, r, m, to)
	if err != nil {
		return nil, err
	}
	d := compareSides(a, b)
	if id, err := verity.ParseHex(b.Deployment); err == nil && a.Deployment == s.sys.Booted.ID.String() && a.boots {
		d.SoftReboot = softReboot(s.SoftRebootable(id))
	}
	return d, nil
}

// softReboot is what SoftRebootable says.
func softReboot(err error) *SoftReboot {
	if err == nil {
		return &SoftReboot{Possible: true}
	}
	return &SoftReboot{Obstacle: strings.TrimPrefix(err.Error(), ErrNoSoftReboot.Error()+": ")}
}

// scratch is the repository, for trying things out.
func (s *Sysroot) scratch(ctx context.Context, dir string) (*repo.Repo, error) {
	r, err := s.repository(ctx)
	if err != nil {
		return nil, err
	}
	return r.Scratch(dir)
}

// side is a system to be compared.
type side struct {
	Side
	root    *tree.Node // as it is deployed
	fsys    fs.FS      // the same
	os      *osimage.Image
	osTree  *tree.Node // what os was found in
	options kargs.Line
	boots   bool // options are those of a deployment
}

// side finds what is called name.
func (s *Sysroot) side(ctx context.Context, r *repo.Repo, m menus, name string) (*side, error) {
	id, err := s.find(m, name)
	if err == nil {
		e, ok := byID(m.all(), id)
		if !ok {
			e = bootloader.Entry{ID: id}
		}
		return s.deployedSide(ctx, r, e, name)
	}
	if name == "booted" || name == "staged" || name == "rollback" {
		return nil, err
	}
	manifest, err := oci.ResolveTag(r, name)
	if err != nil {
		manifest, err = digest.Parse(name)
	}
	if err == nil {
		return s.imageSide(ctx, r, manifest, name)
	}
	ref, err := image.Parse(name)
	if err != nil {
		return nil, fmt.Errorf("%w, and no tag: %w", ErrNotFound, err)
	}
	manifest, err = s.dryPull(ctx, r, ref)
	if err != nil {
		return nil, err
	}
	return s.imageSide(ctx, r, manifest, name)
}

// dryPull makes a Scratch have an image from elsewhere.
func (s *Sysroot) dryPull(ctx context.Context, r *repo.Repo, ref image.Reference) (digest.Digest, error) {
	u, err := s.look(ctx, r, Target{Ref: ref})
	if err != nil {
		return "", err
	}
	defer u.Close() //nolint:errcheck // nothing more is read
	_, err = s.pullImage(ctx, r, u.Plan, 0)
	return u.ManifestDigest, err
}

// deployedSide is a deployment. Of a damaged one less is known.
func (s *Sysroot) deployedSide(ctx context.Context, r *repo.Repo, e bootloader.Entry, name string) (*side, error) {
	root, err := bootTree(r, e.ID)
	if err != nil {
		return nil, err
	}
	o, err := s.origin(e.ID)
	if err != nil {
		s.warn("%v", err)
	}
	d := &side{
		Side: Side{Name: name, Deployment: e.ID.String(), Digest: o.manifest, Version: o.version},
		root: root, fsys: treefs.New(root, r.OpenObject), options: e.Options, boots: true,
	}
	if !o.target.Ref.IsZero() {
		d.Image = o.target.name()
	}
	fsys := d.fsys
	d.osTree = root
	d.os, err = osimage.Inspect(fsys, s.sys.Arch)
	if err != nil && o.manifest != "" { // unified kernel images are where a deployment has nothing
		d.os, d.osTree, fsys, err = s.osTreeOf(ctx, r, o.manifest)
	}
	if err == nil && d.os.Kernel.Type == osimage.UKI {
		if d.options = o.cmdline; len(d.options) == 0 {
			d.options, err = ukiCmdline(fsys, d.os.Kernel.UKI)
		}
	}
	if err != nil {
		s.warn("%s: %v", name, err)
	}
	return d, nil
}

// imageSide is an image in the repository. It need not be one that boots.
func (s *Sysroot) imageSide(ctx context.Context, r *repo.Repo, manifest digest.Digest, name string) (*side, error) {
	img, err := oci.Open(r, manifest)
	if err != nil {
		return nil, err
	}
	d := &side{Side: Side{Name: name, Digest: manifest}}
	if config, err := parseConfig(img.ConfigJSON); err == nil {
		d.Version = versionOf(config)
	}
	if d.root, err = pull.Tree(ctx, r, img, true, layers.AllowlistOnly); err != nil {
		return nil, err
	}
	d.fsys = treefs.New(d.root, r.OpenObject)
	d.os, d.osTree, _, err = s.osTreeOf(ctx, r, manifest)
	switch {
	case errors.Is(err, osimage.ErrNotBootable):
		s.warn("%s: %v", name, err)
	case err != nil:
		return nil, err
	default:
		d.options = d.os.Kargs
	}
	return d, nil
}

// compareSides finds all differences.
func compareSides(a, b *side) *Diff {
	d := &Diff{From: a.Side, To: b.Side}
	for c := range tree.Diff(a.root, b.root) {
		if c.Kind != tree.Changed || c.What&^(tree.MtimeAspect|tree.LinksAspect) != 0 {
			d.changes = append(d.changes, c)
		}
	}
	d.summarize()
	d.comparePackages(a, b)
	d.compareKernels(a, b)
	old, new := a.options, b.options
	if a.boots != b.boots {
		old, new = imageArguments(a), imageArguments(b)
	}
	d.KernelArguments = compareLists(rootless(old), rootless(new))
	d.BoundImages = compareLists(a.bound(d), b.bound(d))
	return d
}

// rootless is the line without what names the deployment.
func rootless(l kargs.Line) kargs.Line {
	return l.WithoutKey("composefs").WithoutKey("composefs.digest")
}

// bound are the images that the side is bound to.
func (x *side) bound(d *Diff) []string {
	names, err := boundTo(x.fsys)
	if err != nil {
		d.Warnings = append(d.Warnings, fmt.Sprintf("%s: %v", x.Name, err))
	}
	return names
}

func imageArguments(x *side) kargs.Line {
	if x.os == nil {
		return nil
	}
	return x.os.Kargs
}

// summarize counts the changed paths, and lists those in /etc.
func (d *Diff) summarize() {
	d.EtcDefaults = PathDiff{ListDiff{[]string{}, []string{}}, []string{}}
	for _, c := range d.changes {
		list := &d.EtcDefaults.Changed
		switch c.Kind {
		case tree.Added:
			d.Files.Added++
			list = &d.EtcDefaults.Added
		case tree.Removed:
			d.Files.Removed++
			list = &d.EtcDefaults.Removed
		case tree.Changed:
			d.Files.Changed++
		}
		if c.Kind != tree.Changed || c.What&(tree.ContentAspect|tree.TypeAspect) != 0 {
			d.Files.BytesAdded += fileSize(c.New)
			d.Files.BytesRemoved += fileSize(c.Old)
		}
		if path, ok := strings.CutPrefix(c.Path, "/etc/"); ok {
			*list = append(*list, path)
		}
	}
}

func fileSize(n *tree.Node) int64 {
	if n == nil || !n.IsRegular() {
		return 0
	}
	return int64(n.Size())
}

// comparePackages lists the packages of both sides.
func (d *Diff) comparePackages(a, b *side) {
	before, err := pkgdb.Read(a.fsys)
	if err != nil {
		d.Warnings = append(d.Warnings, fmt.Sprintf("%s: %v", a.Name, err))
	}
	after, err2 := pkgdb.Read(b.fsys)
	if err2 != nil {
		d.Warnings = append(d.Warnings, fmt.Sprintf("%s: %v", b.Name, err2))
	}
	if err == nil && err2 == nil {
		d.Packages = pkgdb.NewDiff(before, after)
	}
}

func (d *Diff) compareKernels(a, b *side) {
	d.Kernel.From, d.Kernel.To = a.kernel(), b.kernel()
	from, to := d.Kernel.From, d.Kernel.To
	if from == nil || to == nil || from.Type != to.Type {
		d.Kernel.Changed = from != to
		d.Kernel.InitramfsChanged = d.Kernel.Changed
		return
	}
	if from.Type == osimage.UKI {
		d.Kernel.Changed = from.Digest != to.Digest
		d.Kernel.InitramfsChanged = d.Kernel.Changed
		return
	}
	k, l := a.os.Kernel, b.os.Kernel
	d.Kernel.Changed = k.Version != l.Version || contentDigest(a.osTree, k.Linux) != contentDigest(b.osTree, l.Linux)
	d.Kernel.InitramfsChanged = contentDigest(a.osTree, k.Initrd) != contentDigest(b.osTree, l.Initrd)
}

func (x *side) kernel() *Kernel {
	if x.os == nil {
		return nil
	}
	k := x.os.Kernel
	return &Kernel{k.Version, k.Type, k.Digest, k.Size}
}

// contentDigest is that of a file's content, be it in the tree or in an object.
func contentDigest(root *tree.Node, path string) verity.Digest {
	n := tree.Lookup(root, path)
	switch {
	case n == nil || n.File == nil:
		return verity.Digest{}
	case n.File.Digest.IsZero():
		return verity.Sum(verity.SHA512, n.File.Inline)
	}
	return n.File.Digest
}

// compareLists says what one list has more often than the other.
func compareLists[S ~string](a, b []S) ListDiff {
	more := func(a, b []S) []string {
		out, left := []string{}, slices.Clone(b)
		for _, s := range a {
			if i := slices.Index(left, s); i >= 0 {
				left = slices.Delete(left, i, i+1)
			} else {
				out = append(out, string(s))
			}
		}
		return out
	}
	return ListDiff{Added: more(b, a), Removed: more(a, b)}
}

// side is the deployment that is to be.
func (st *staging) side() (*side, error) {
	root, err := bootTree(st.repo, st.id)
	if err != nil {
		return nil, err
	}
	x := &side{
		Side: Side{
			Name: "update", Deployment: st.id.String(),
			Digest: st.u.ManifestDigest, Image: st.u.Target.name(), Version: st.u.Version,
		},
		root: root, fsys: treefs.New(root, st.repo.OpenObject),
		os: st.os, osTree: st.osTree, boots: true,
		options: st.next.Options,
	}
	switch {
	case st.os != nil && st.os.Kernel.Type == osimage.UKI:
		if x.options = st.origin.cmdline; len(x.options) == 0 {
			x.options, err = ukiCmdline(st.fsys, st.os.Kernel.UKI)
		}
	case st.id == st.booted.ID:
		x.options = st.booted.Options
	}
	return x, err
}

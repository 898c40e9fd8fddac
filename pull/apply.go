package pull

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/bootc-go/bootc/composefs/erofs"
	"github.com/bootc-go/bootc/composefs/oci"
	"github.com/bootc-go/bootc/composefs/repo"
	"github.com/bootc-go/bootc/composefs/verity"
	"github.com/bootc-go/bootc/internal/progress"
	"github.com/bootc-go/bootc/layers"
)

// Options say what a pull is to bring about, and how.
type Options struct {
	Tag      string             // names the image afterwards; without a tag the next GC removes it
	Bootable bool               // make the boot image as well
	NoPlain  bool               // make no plain image: a host that boots the other has no use for it
	Xattrs   layers.XattrFilter // of the boot image; the plain image always has the default
	Parallel int                // layers fetched at once; 0 means DefaultParallel
	Progress progress.Func

	// ErofsVersion is the version of the EROFS images; nil means what the
	// repository records. Nothing else is accepted: a config refers to images of
	// version 0 and of version 1 by the same names, so they cannot be told apart.
	ErofsVersion *erofs.Version

	// Checkpoint is the time after which layers that are complete get their names
	// while others are still on their way; 0 means DefaultCheckpoint.
	Checkpoint time.Duration
}

// Result says what a pull brought about.
type Result struct {
	ManifestDigest digest.Digest
	ConfigDigest   digest.Digest
	ManifestStream verity.Digest
	ConfigStream   verity.Digest
	Layers         []oci.Layer   // bottom first
	Image          verity.Digest // the plain EROFS image; zero if Options.NoPlain and there was none
	BootImage      verity.Digest // zero unless Options.Bootable
	Stats          Stats
}

// Stats count what a pull cost. Objects are all that was stored: files, and
// what describes them.
type Stats struct {
	LayersFetched int
	LayersReused  int   // were here, or the same as another layer of the image
	BytesFetched  int64 // of layers, compressed
	ObjectsNew    int64
	BytesNew      int64 // of new objects
	ObjectsReused int64 // met in fetched layers, and here already
	BytesReused   int64
}

// Apply does what plan found missing. If it fails, no new name stands for the
// image; the layers that were complete stay and are not fetched again by the
// next pull, unless garbage is collected first.
func Apply(ctx context.Context, r *repo.Repo, plan *Plan, o Options) (*Result, error) {
	a := &applier{repo: r, plan: plan, opts: o, im: r.NewImporter()}
	res, err := a.apply(ctx)
	if err != nil {
		return nil, fmt.Errorf("cannot pull %s: %w", nameOf(plan.Ref), err)
	}
	return res, nil
}

// applier is one call of Apply.
type applier struct {
	repo *repo.Repo
	plan *Plan
	opts Options
	im   *repo.Importer // for the plain image and the documents

	layers           []oci.Layer
	arrived          []chan struct{} // closed when the layer with that index was fetched
	fetched          []verity.Digest // what it is then
	image, bootImage verity.Digest
	stats            Stats
}

// apply publishes names in the order in which they depend on each other: layers,
// EROFS images, config, manifest, tag. Whatever the instant at which the power
// fails, a name that can be seen is backed by durable content; only the tag
// keeps anything from being collected, and it comes last.
func (a *applier) apply(ctx context.Context) (*Result, error) {
	if err := a.check(); err != nil {
		return nil, err
	}
	merged := a.startMerge(ctx)
	defer merged.stop()
	named, err := a.fetch(ctx)
	if err != nil {
		return nil, err
	}
	err = a.makeImages(ctx, merged)
	if nameErr := named(); err == nil {
		err = nameErr
	}
	if err != nil {
		return nil, err
	}
	img, err := a.store(ctx)
	if err != nil {
		return nil, err
	}
	if err := a.tag(); err != nil {
		return nil, err
	}
	return a.result(img), nil
}

// check refuses what could only fail after gigabytes were fetched.
func (a *applier) check() error {
	if a.repo.ReadOnly() {
		return repo.ErrReadOnly
	}
	if err := a.checkVersion(); err != nil {
		return err
	}
	if err := a.checkDocuments(); err != nil {
		return err
	}
	if a.opts.Tag != "" {
		return oci.CheckTag(a.opts.Tag)
	}
	return nil
}

func (a *applier) checkVersion() error {
	has := a.repo.ErofsVersion()
	if has > int(erofs.V1) {
		return fmt.Errorf("the repository wants images of version %d, which this program does not write", has)
	}
	if want := a.opts.ErofsVersion; want != nil && int(*want) != has {
		return fmt.Errorf("the repository records images of version %d and cannot have others beside them: version %d was asked for", has, *want)
	}
	return nil
}

// checkDocuments refuses a manifest or a config that oci.Write would refuse.
func (a *applier) checkDocuments() error {
	m, err := oci.ParseManifest(a.plan.img.Manifest)
	if err != nil {
		return err
	}
	_, err = oci.LayerIDs(m, a.plan.img.Config)
	return err
}

// store writes the manifest and the config, unless they are here and say all
// that they should.
func (a *applier) store(ctx context.Context) (*oci.Image, error) {
	if a.plan.Stored && a.refersToImages() {
		return oci.Open(a.repo, a.plan.ManifestDigest)
	}
	streams := make(map[digest.Digest]verity.Digest, len(a.layers))
	for _, l := range a.layers {
		streams[l.ID] = l.Stream
	}
	return oci.Write(ctx, a.repo, a.im, oci.Parts{
		Manifest:       a.plan.img.Manifest,
		Config:         a.plan.img.Config,
		ManifestDigest: a.plan.ManifestDigest,
		Layers:         streams,
		Image:          a.image,
		BootImage:      a.bootImage,
		Xattrs:         xattrsKey(a.opts.Xattrs),
	})
}

// refersToImages reports whether the stored config refers to the images that
// this pull is to bring about.
func (a *applier) refersToImages() bool {
	plain, _ := a.plan.Images.Image()
	boot, _ := a.plan.Images.BootImage(xattrsKey(a.opts.Xattrs))
	return plain == a.image && (!a.opts.Bootable || boot == a.bootImage)
}

// tag tags the image, unless the tag names it already.
func (a *applier) tag() error {
	if a.opts.Tag == "" {
		return nil
	}
	now, err := oci.ResolveTag(a.repo, a.opts.Tag)
	if err == nil && now == a.plan.ManifestDigest {
		return nil
	}
	if err != nil && !errors.Is(err, oci.ErrNotFound) {
		return err
	}
	return oci.Tag(a.repo, a.plan.ManifestDigest, a.opts.Tag)
}

// countNew counts what an importer stored that is not for layers.
func (a *applier) countNew(s repo.ImportStats) {
	a.stats.ObjectsNew += s.Objects
	a.stats.BytesNew += s.Bytes
}

func (a *applier) result(img *oci.Image) *Result {
	a.countNew(a.im.Stats())
	return &Result{
		ManifestDigest: img.ManifestDigest,
		ConfigDigest:   img.ConfigDigest,
		ManifestStream: img.ManifestStream,
		ConfigStream:   img.ConfigStream,
		Layers:         a.layers,
		Image:          a.image,
		BootImage:      a.bootImage,
		Stats:          a.stats,
	}
}

package pull

import (
	"context"
	"fmt"
	"runtime"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/bootc-go/bootc/composefs/oci"
	"github.com/bootc-go/bootc/composefs/repo"
	"github.com/bootc-go/bootc/composefs/verity"
	"github.com/bootc-go/bootc/image"
)

// Plan is what there is and what is missing for an image to be in a repository.
type Plan struct {
	Ref            image.Reference
	ManifestDigest digest.Digest
	ConfigDigest   digest.Digest

	// Stored says that the repository has the manifest and the config, and that
	// they refer to the layers below.
	Stored bool

	Layers []Layer    // bottom first
	Images oci.Images // EROFS images of this image that the repository has

	img *image.Image
}

// Layer is a layer of an image, and what the repository has of it.
type Layer struct {
	Digest digest.Digest // of the blob
	DiffID digest.Digest // of the tar inside; it names the layer in the repository
	Size   int64         // of the blob in bytes, -1 if the source does not say

	// Stream is the splitstream of the layer; zero if the repository has none,
	// or one whose objects are not all there.
	Stream verity.Digest

	// First is the index of the lowest layer with the same DiffID, most often
	// the layer's own. Only that one is ever fetched.
	First int
}

// Present reports whether the repository has the layer.
func (l Layer) Present() bool { return !l.Stream.IsZero() }

// NewPlan finds out what is missing in r of the image img. It changes nothing.
func NewPlan(ctx context.Context, r *repo.Repo, img *image.Image) (*Plan, error) {
	p := &Plan{
		Ref:            img.Ref,
		ManifestDigest: img.ManifestDigest,
		ConfigDigest:   img.ConfigDigest,
		Layers:         planLayers(img.Layers),
		img:            img,
	}
	if err := p.look(ctx, r); err != nil {
		return nil, fmt.Errorf("cannot plan the pull of %s: %w", nameOf(img.Ref), err)
	}
	return p, nil
}

// nameOf is a reference as users write it: without the transport if that is the
// usual one.
func nameOf(ref image.Reference) string {
	if ref.Transport() == "registry" {
		return ref.Name()
	}
	return ref.String()
}

// Fetch lists the layers that must be fetched, by their indices, and how many
// bytes that will be; layers whose size is not known count nothing.
func (p *Plan) Fetch() (indices []int, bytes int64) {
	for i, l := range p.Layers {
		if l.First == i && !l.Present() {
			indices = append(indices, i)
			bytes += max(l.Size, 0)
		}
	}
	return indices, bytes
}

// planLayers copies what the plan needs of an image's layers.
func planLayers(of []image.Layer) []Layer {
	first := map[digest.Digest]int{}
	ls := make([]Layer, len(of))
	for i, l := range of {
		if _, ok := first[l.DiffID]; !ok {
			first[l.DiffID] = i
		}
		ls[i] = Layer{Digest: l.Digest, DiffID: l.DiffID, Size: l.Size, First: first[l.DiffID]}
	}
	return ls
}

// look fills in what the repository has.
func (p *Plan) look(ctx context.Context, r *repo.Repo) error {
	if err := p.lookForLayers(ctx, r); err != nil {
		return err
	}
	if err := p.lookForImages(r); err != nil {
		return err
	}
	return p.lookForManifest(r)
}

// lookForLayers finds the layers' streams. A layer counts only if every object
// is there, and the directories of objects are read once for all layers.
func (p *Plan) lookForLayers(ctx context.Context, r *repo.Repo) error {
	objects := make([][]verity.Digest, len(p.Layers)) // of the layers found
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i := range p.Layers {
		if p.Layers[i].First != i {
			continue
		}
		g.Go(func() (err error) {
			if err := ctx.Err(); err != nil {
				return err
			}
			p.Layers[i].Stream, objects[i], err = lookupLayer(r, p.Layers[i].DiffID)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if err := p.dropIncomplete(r, objects); err != nil {
		return err
	}
	for i, l := range p.Layers {
		p.Layers[i].Stream = p.Layers[l.First].Stream
	}
	return nil
}

// lookupLayer returns a layer's splitstream and the objects that it needs, or
// nothing if the repository has no such layer. A splitstream that cannot be read
// is none: the layer will be fetched again.
func lookupLayer(r *repo.Repo, diffID digest.Digest) (verity.Digest, []verity.Digest, error) {
	if err := diffID.Validate(); err != nil {
		return verity.Digest{}, nil, err
	}
	s, err := oci.OpenLayer(r, diffID)
	if err != nil {
		return verity.Digest{}, nil, nil
	}
	defer s.Close() //nolint:errcheck // nothing was written
	return s.Digest(), s.ObjectRefs(), nil
}

// dropIncomplete forgets the layers of which objects are missing.
func (p *Plan) dropIncomplete(r *repo.Repo, objects [][]verity.Digest) error {
	var all []verity.Digest
	for _, of := range objects {
		all = append(all, of...)
	}
	missing, err := r.Missing(all)
	if err != nil || len(missing) == 0 {
		return err
	}
	gone := make(map[verity.Digest]bool, len(missing))
	for _, d := range missing {
		gone[d] = true
	}
	for i, of := range objects {
		for _, d := range of {
			if gone[d] {
				p.Layers[i].Stream = verity.Digest{}
			}
		}
	}
	return nil
}

// lookForImages finds the EROFS images that were made of the image's layers,
// even if they were made for another manifest with the same config.
func (p *Plan) lookForImages(r *repo.Repo) error {
	p.Images = oci.Images{}
	config, err := oci.LookupConfig(r, p.ConfigDigest)
	if config == nil {
		return err
	}
	for key, d := range config.Images {
		ok, err := r.HasImage(d)
		if err != nil {
			return err
		}
		if ok {
			p.Images[key] = d
		}
	}
	return nil
}

// lookForManifest finds out whether the image itself is stored, with these very
// layers.
func (p *Plan) lookForManifest(r *repo.Repo) error {
	stored, err := oci.Open(r, p.ManifestDigest)
	if err != nil {
		return nil //nolint:nilerr // missing or damaged: it will be written
	}
	for i, l := range p.Layers {
		if !l.Present() || stored.Layers[i].Stream != l.Stream {
			return nil
		}
	}
	p.Stored = true
	return nil
}

// StoredConfig returns the function by which image.Open takes a config from r
// instead of fetching it.
func StoredConfig(r *repo.Repo) func(digest.Digest) ([]byte, bool) {
	return func(d digest.Digest) ([]byte, bool) {
		config, err := oci.LookupConfig(r, d)
		if err != nil || config == nil {
			return nil, false
		}
		return config.JSON, true
	}
}

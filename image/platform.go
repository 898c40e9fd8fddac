package image

import (
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/image/v5/types"
)

// maxOffers is how many platforms a message lists.
const maxOffers = 16

// choose picks the image for the wanted platform out of an index, as
// containers' tools do: the best variant, zstd before gzip.
func choose(d *document, data []byte, ref Reference, o Options, sys *types.SystemContext) (v1.Descriptor, error) {
	list, err := manifest.ListFromBlob(data, d.MediaType)
	if err != nil {
		return v1.Descriptor{}, &failure{class: class{ErrCorrupt, false}, cause: err, text: "the index cannot be read: " + err.Error()}
	}
	want, err := list.ChooseInstance(sys)
	if err != nil {
		return v1.Descriptor{}, d.noPlatform(ref, o)
	}
	i := slices.IndexFunc(d.Manifests, func(m v1.Descriptor) bool { return m.Digest == want })
	if i < 0 {
		return v1.Descriptor{}, d.noPlatform(ref, o)
	}
	return d.Manifests[i], checkChild(d.Manifests[i])
}

// checkChild refuses an entry of an index that can be no manifest of an image.
func checkChild(m v1.Descriptor) error {
	if err := checkDescriptor(m); err != nil {
		return err.in("index")
	}
	if isIndexType(m.MediaType) {
		return unsupported("the index leads to another index (%s)", short(m.Digest))
	}
	if m.Size > maxDocument {
		return unsupported("the manifest has %s bytes, more than %s", comma(m.Size), comma(maxDocument))
	}
	return nil
}

func (d *document) noPlatform(ref Reference, o Options) error {
	return &failure{class: class{ErrNoPlatform, false}, text: fmt.Sprintf("no image for %s in %s; it offers %s", o.platform(), ref.human(), d.offers())}
}

// platform is what is wanted, for messages.
func (o Options) platform() string {
	return platformName(v1.Platform{OS: o.os(), Architecture: o.arch(), Variant: o.Variant})
}

func platformName(p v1.Platform) string {
	name := p.OS + "/" + p.Architecture
	if p.Variant != "" {
		name += "/" + p.Variant
	}
	return name
}

// offers lists the platforms of an index. Attestations and the like, which
// builders file under "unknown/unknown", are none.
func (d *document) offers() string {
	var names []string
	for _, m := range d.Manifests {
		if m.Platform == nil || m.Platform.Architecture == "unknown" {
			continue
		}
		if name := platformName(*m.Platform); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	switch n := len(names); {
	case n == 0:
		return "no platform at all"
	case n > maxOffers:
		return fmt.Sprintf("%s and %d more", strings.Join(names[:maxOffers], ", "), n-maxOffers)
	}
	return strings.Join(names, ", ")
}

// checkPlatform refuses an image whose configuration says that it is for
// another machine. One that does not say passes.
func checkPlatform(c *v1.Image, ref Reference, o Options) error {
	p := c.Platform
	if o.AnyPlatform || (p.OS == "" || p.OS == o.os()) && (p.Architecture == "" || p.Architecture == o.arch()) &&
		(o.Variant == "" || p.Variant == "" || p.Variant == o.Variant) {
		return nil
	}
	return &failure{class: class{ErrNoPlatform, false}, text: fmt.Sprintf("no image for %s in %s; it is for %s", o.platform(), ref.human(), platformName(p))}
}

// checkDigest verifies a document against the digest that names it.
func checkDigest(what string, data []byte, want digest.Digest) error {
	if err := want.Validate(); err != nil {
		return err
	}
	if got := want.Algorithm().FromBytes(data); got != want {
		return &failure{class: class{ErrCorrupt, false}, text: fmt.Sprintf("%s has the digest %s, not %s", what, short(got), short(want))}
	}
	return nil
}

package oci

import (
	"fmt"

	"github.com/opencontainers/go-digest"

	"github.com/bootc-go/bootc/composefs/repo"
)

// Entry is one line of the list of tagged images; its JSON is that of cfsctl oci
// images --json.
type Entry struct {
	Name           string        `json:"name"`
	ManifestDigest digest.Digest `json:"manifest_digest"`
	IsContainer    bool          `json:"is_container"`
	Architecture   string        `json:"architecture"` // empty for an artifact
	OS             string        `json:"os"`           // empty for an artifact
	Created        *string       `json:"created"`      // as the config has it
	LayerCount     int           `json:"layer_count"`
	ReferrerCount  int           `json:"referrer_count"`
}

// List describes every tagged image in byte order of the tags. An image that
// cannot be read is left out of the list and its error is in damaged, so that
// one broken image does not hide the others.
func List(r *repo.Repo) (entries []Entry, damaged []error, err error) {
	refs, err := Refs(r)
	if err != nil {
		return nil, nil, err
	}
	entries = []Entry{}
	for _, ref := range refs {
		e, err := entryOf(r, ref)
		if err != nil {
			damaged = append(damaged, fmt.Errorf("tag %s: %w", ref.Tag, err))
			continue
		}
		entries = append(entries, e)
	}
	return entries, damaged, nil
}

func entryOf(r *repo.Repo, ref Ref) (Entry, error) {
	img, err := Open(r, ref.Manifest)
	if err != nil {
		return Entry{}, err
	}
	referrers, err := Referrers(r, ref.Manifest)
	if err != nil {
		return Entry{}, err
	}
	e := Entry{
		Name:           ref.Tag,
		ManifestDigest: ref.Manifest,
		IsContainer:    img.IsContainer(),
		LayerCount:     len(img.Manifest.Layers),
		ReferrerCount:  len(referrers),
	}
	if c := img.Config; c != nil {
		e.Architecture, e.OS, e.Created = c.Architecture, c.OS, c.Created
	}
	return e, nil
}

// Referrers lists the manifests, signatures for instance, that were recorded as
// referring to subject and are here.
func Referrers(r *repo.Repo, subject digest.Digest) ([]digest.Digest, error) {
	links, err := r.StreamRefs(referrersRef(subject))
	if err != nil {
		return nil, err
	}
	found := []digest.Digest{}
	for _, l := range links {
		d, err := manifestOf(l.Target)
		if err != nil {
			continue // Fsck's business
		}
		if _, ok, err := r.LookupStream(ManifestName(d)); err != nil {
			return nil, err
		} else if ok {
			found = append(found, d)
		}
	}
	return found, nil
}

// Inspection is all that is known of an image; its JSON is that of cfsctl oci
// inspect.
type Inspection struct {
	Manifest  string          `json:"manifest"` // the document itself
	Config    string          `json:"config"`   // the document itself
	Referrers []digest.Digest `json:"referrers"`
	Erofs     *string         `json:"composefs_erofs"`      // the plain image's ID, if it was made
	BootErofs *string         `json:"composefs_boot_erofs"` // the usual boot image's ID, if it was made
}

// Inspect describes an image.
func Inspect(r *repo.Repo, img *Image) (*Inspection, error) {
	referrers, err := Referrers(r, img.ManifestDigest)
	if err != nil {
		return nil, fmt.Errorf("image %s: %w", img.ManifestDigest, err)
	}
	in := &Inspection{
		Manifest:  string(img.ManifestJSON),
		Config:    string(img.ConfigJSON),
		Referrers: referrers,
	}
	if d, ok := img.Image(); ok {
		in.Erofs = new(d.String())
	}
	if d, ok := img.BootImage(AllowlistOnly); ok {
		in.BootErofs = new(d.String())
	}
	return in, nil
}

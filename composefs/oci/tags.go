package oci

import (
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/bootc-go/bootc/composefs/repo"
)

// Ref is a tag and the manifest that it names.
type Ref struct {
	Tag      string
	Manifest digest.Digest
}

// Refs lists the tags in byte order. A link that does not lead to a manifest is
// no tag and is left out; Fsck reports it.
func Refs(r *repo.Repo) ([]Ref, error) {
	links, err := r.StreamRefs(tagDir)
	if err != nil {
		return nil, fmt.Errorf("cannot list the tags: %w", err)
	}
	var refs []Ref
	for _, l := range links {
		name := strings.TrimPrefix(l.Name, tagDir+"/")
		if d, err := manifestOf(l.Target); err == nil {
			refs = append(refs, Ref{Tag: DecodeTag(name), Manifest: d})
		}
	}
	slices.SortFunc(refs, func(a, b Ref) int { return strings.Compare(a.Tag, b.Tag) })
	return refs, nil
}

// ResolveTag returns the digest of the manifest that tag names; the error is
// ErrNotFound if there is no such tag.
func ResolveTag(r *repo.Repo, tag string) (digest.Digest, error) {
	if err := CheckTag(tag); err != nil {
		return "", err
	}
	target, ok, err := r.StreamRef(tagRef(tag))
	if err == nil && !ok {
		err = ErrNotFound
	}
	if err != nil {
		return "", fmt.Errorf("tag %s: %w", tag, err)
	}
	return manifestOf(target)
}

// OpenTag opens the image that tag names.
func OpenTag(r *repo.Repo, tag string) (*Image, error) {
	d, err := ResolveTag(r, tag)
	if err != nil {
		return nil, err
	}
	return Open(r, d)
}

// Tag makes tag name the manifest d, which the repository must have. The image
// is kept from then on, and what the tag named before is not, unless another
// tag names it.
func Tag(r *repo.Repo, d digest.Digest, tag string) error {
	if err := CheckTag(tag); err != nil {
		return err
	}
	_, ok, err := r.LookupStream(ManifestName(d))
	if err == nil && !ok {
		err = ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("cannot tag %s as %s: %w", d, tag, err)
	}
	if err := r.SetStreamRef(tagRef(tag), ManifestName(d)); err != nil {
		return fmt.Errorf("cannot tag %s as %s: %w", d, tag, err)
	}
	return nil
}

// Untag removes a tag. The image's data stays until the next collection of
// garbage.
func Untag(r *repo.Repo, tag string) error {
	if err := CheckTag(tag); err != nil {
		return err
	}
	ok, err := r.RemoveStreamRef(tagRef(tag))
	if err == nil && !ok {
		err = ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("cannot remove tag %s: %w", tag, err)
	}
	return nil
}

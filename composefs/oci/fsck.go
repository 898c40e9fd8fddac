package oci

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/bootc-go/bootc/composefs/repo"
	"github.com/bootc-go/bootc/composefs/verity"
)

// Report is the outcome of Fsck.
type Report struct {
	Repo            *repo.FsckReport // of all that lies below the images
	ImagesChecked   int
	ImagesCorrupted int
	Findings        []Finding
}

// Finding is one kind of damage to one image.
type Finding struct {
	Kind   string // "layer-stream-missing", …
	Tag    string
	Digest string // of the document or layer; may be empty
	Detail string // for the reader; may be empty
}

// String is the finding as cfsctl prints it.
func (f Finding) String() string {
	s := "fsck: " + f.Kind + ": " + f.Tag
	if f.Digest != "" {
		s += ": " + f.Digest
	}
	if f.Detail != "" {
		s += ": " + f.Detail
	}
	return s
}

// OK reports whether nothing was found.
func (r *Report) OK() bool { return r.Repo.OK() && len(r.Findings) == 0 }

// String is the report as cfsctl oci fsck prints it.
func (r *Report) String() string {
	var b strings.Builder
	b.WriteString(r.Repo.String())
	fmt.Fprintf(&b, "oci images: %d/%d ok\n", r.ImagesChecked-r.ImagesCorrupted, r.ImagesChecked)
	if len(r.Findings) > 0 {
		fmt.Fprintf(&b, "oci errors: %d\n", len(r.Findings))
	}
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "  - %s\n", f)
	}
	return b.String()
}

// MarshalJSON is the report as cfsctl oci fsck --json prints it.
func (r *Report) MarshalJSON() ([]byte, error) {
	found := make([]string, len(r.Findings))
	for i, f := range r.Findings {
		found[i] = f.String()
	}
	return json.Marshal(struct {
		OK              bool             `json:"ok"`
		ImagesChecked   int              `json:"images_checked"`
		ImagesCorrupted int              `json:"images_corrupted"`
		Errors          []string         `json:"errors"`
		Repo            *repo.FsckReport `json:"repo"`
	}{r.OK(), r.ImagesChecked, r.ImagesCorrupted, found, r.Repo})
}

// Fsck checks the repository, and then of the image called tag, or of every
// tagged image if tag is empty, that manifest, config and layers have the
// digests that name them, and that all they refer to is there. It reports all
// damage and changes nothing.
func Fsck(ctx context.Context, r *repo.Repo, tag string) (*Report, error) {
	below, err := r.Fsck(ctx, repo.FsckOptions{})
	if err != nil {
		return nil, err
	}
	links, err := tagLinks(r, tag)
	if err != nil {
		return nil, err
	}
	c := &checker{repo: r, report: &Report{Repo: below}}
	if c.layers, err = readLayers(ctx, r, links); err != nil {
		return nil, err
	}
	for _, l := range links {
		c.checkTag(l)
	}
	return c.report, nil
}

// tagLinks lists what stands below streams/refs/oci, in byte order: all of it,
// or what tag names.
func tagLinks(r *repo.Repo, tag string) ([]repo.Ref, error) {
	if tag == "" {
		return r.StreamRefs(tagDir)
	}
	if err := CheckTag(tag); err != nil {
		return nil, err
	}
	target, ok, err := r.StreamRef(tagRef(tag))
	if err == nil && !ok {
		err = fmt.Errorf("tag %s: %w", tag, ErrNotFound)
	}
	return []repo.Ref{{Name: tagRef(tag), Target: target}}, err
}

// checker checks the tags of a repository.
type checker struct {
	repo   *repo.Repo
	report *Report
	layers map[verity.Digest]layerState // of all images whose config can be read

	tag      string // being checked
	findings int    // of that tag
}

func (c *checker) found(kind, digest string, detail any) {
	f := Finding{Kind: kind, Tag: c.tag, Digest: digest}
	if detail != nil {
		f.Detail = fmt.Sprint(detail)
	}
	c.report.Findings = append(c.report.Findings, f)
	c.findings++
}

func (c *checker) checkTag(l repo.Ref) {
	c.tag = DecodeTag(strings.TrimPrefix(l.Name, tagDir+"/"))
	c.findings = 0
	c.report.ImagesChecked++
	switch d, err := manifestOf(l.Target); {
	case CheckTag(c.tag) != nil:
		c.found("invalid-ref-name", "", CheckTag(c.tag))
	case err != nil:
		c.found("ref-resolve-failed", "", err)
	default:
		c.checkImage(d)
	}
	if c.findings > 0 {
		c.report.ImagesCorrupted++
	}
}

func (c *checker) checkImage(d digest.Digest) {
	refs, manifest := c.checkManifest(d)
	if manifest == nil {
		return
	}
	config := c.checkConfig(manifest, refs)
	if config == nil {
		return
	}
	ids, err := LayerIDs(manifest, config.data)
	if err != nil {
		c.found("config-parse-failed", "", err)
		return
	}
	if !manifest.IsContainer() {
		c.checkBlobs(ids, refs)
		return
	}
	for _, id := range ids {
		c.checkLayer(id, config.refs)
	}
	c.checkImages(config.refs)
}

func (c *checker) checkManifest(d digest.Digest) (map[string]verity.Digest, *Manifest) {
	stream, ok, err := c.repo.LookupStream(ManifestName(d))
	if err == nil && !ok {
		err = ErrNotFound
	}
	if err != nil {
		c.found("manifest-read-failed", "", err)
		return nil, nil
	}
	doc := c.read("manifest", stream, ContentTypeManifest, d)
	if doc == nil {
		return nil, nil
	}
	m, err := ParseManifest(doc.data)
	if err != nil {
		c.found("manifest-parse-failed", "", err)
		return nil, nil
	}
	return doc.refs, m
}

func (c *checker) checkConfig(m *Manifest, refs map[string]verity.Digest) *stored {
	d := m.Config.Digest
	stream, ok := refs[configKey(d)]
	if !ok {
		c.found("config-ref-missing", string(d), nil)
		return nil
	}
	if _, ok, err := c.repo.LookupStream(ConfigName(d)); err != nil {
		c.found("config-read-failed", "", err)
	} else if !ok {
		c.found("config-stream-missing", string(d), nil)
	}
	return c.read("config", stream, ContentTypeConfig, d)
}

// read reads a document; it returns nil if there is something to be found.
func (c *checker) read(what string, stream verity.Digest, contentType uint64, d digest.Digest) *stored {
	doc, err := readDocument(c.repo, stream, contentType, d)
	if mismatch := (*MismatchError)(nil); errors.As(err, &mismatch) {
		c.found(what+"-digest-mismatch", "", fmt.Sprintf("expected %s, got %s", mismatch.Want, mismatch.Got))
		return nil
	}
	if err != nil {
		c.found(what+"-read-failed", "", err)
		return nil
	}
	return doc
}

// checkImages checks that the EROFS images are there; the repository's own
// check has read them.
func (c *checker) checkImages(refs map[string]verity.Digest) {
	images := imagesOf(refs)
	for _, key := range slices.Sorted(maps.Keys(images)) {
		d := images[key]
		ok, err := c.repo.HasImage(d)
		if err == nil && !ok {
			err = ErrNotFound
		}
		if err != nil {
			c.found("erofs-image-missing", d.String(), fmt.Sprintf("%s: %v", key, err))
		}
	}
}

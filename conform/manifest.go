package conform

import (
	"context"
	"strings"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bootc-go/bootc/layers"
)

// Check checks what the descriptor top describes, an index or a manifest, and all that
// it leads to. The error is only that the context is over.
func Check(ctx context.Context, src Source, top v1.Descriptor, o Options) (*Report, error) {
	c := newChecker(ctx, src, o)
	d := descriptor{Descriptor: top, at: place{document: "reference"}, ok: true}
	c.visit(d, 0, false)
	return c.report()
}

// visit checks the manifest or index that d describes, unless it was already. portable
// says that d is of an index, of which media types are asked for.
func (c *checker) visit(d descriptor, depth int, inIndex bool) *Image {
	switch {
	case !d.ok || c.ctx.Err() != nil || c.visited[d.Digest]:
		return nil
	case depth > maxNesting:
		c.add("limit-nesting", d.at, "indexes are nested deeper than %d", maxNesting)
		return nil
	case c.manifests >= maxManifests:
		c.add("limit-manifests", place{document: d.at.document, digest: d.at.digest}, "more than %d manifests", maxManifests)
		return nil
	}
	if inIndex && !isKnownManifest(d.MediaType) && d.MediaType != "" {
		c.add("index-manifest-media-type", d.at.key("mediaType"), "%q is neither an image manifest nor an index", shorten(d.MediaType))
	}
	switch {
	case isIndex(d.MediaType):
		c.visited[d.Digest] = true
		c.manifests++
		c.index(d, depth)
	case isManifest(d.MediaType):
		c.visited[d.Digest] = true
		c.manifests++
		return c.manifest(d, depth)
	default:
		c.opaque(d)
	}
	return nil
}

// head checks what manifests and indexes have alike. kind is "manifest" or "index".
func (c *checker) head(n *node, p place, kind, want, docker, section string) {
	if v := c.child(n, p, "schemaVersion", number, section); v != nil && v.text != "2" || !has(n, p, "schemaVersion") {
		c.add(Code(kind+"-schema-version"), p.key("schemaVersion"), "the schemaVersion is not 2")
	}
	t, ok := c.str(n, p, "mediaType", section)
	at := p.key("mediaType")
	switch {
	case ok && t == docker:
		c.add(Code(kind+"-media-type"), at, "it is of docker's format, not of OCI's")
	case ok && t != want:
		c.add(Code(kind+"-media-type"), at, "the mediaType is %q, not %q", shorten(t), want)
	case !has(n, p, "mediaType"):
		c.add(Code(kind+"-media-type-missing"), p, "there is no mediaType")
	}
	if a, ok := c.str(n, p, "artifactType", section); ok && !mediaType.MatchString(a) {
		c.add(Code(kind+"-artifact-type"), p.key("artifactType"), "%q is no media type of RFC 6838", shorten(a))
	}
	if s := c.child(n, p, "subject", object, section); s != nil {
		c.descriptor(s, p.key("subject"), false)
	}
	c.annotations(n, p, "annotations", false)
}

// manifest checks a manifest. It returns the image, nil if it is none.
func (c *checker) manifest(d descriptor, depth int) *Image {
	p := place{document: "manifest", digest: d.Digest.String()}
	data, ok := c.read(d)
	if !ok {
		return nil
	}
	n := c.document(data, p, "json-syntax")
	if n == nil {
		return nil
	}
	c.head(n, p, "manifest", v1.MediaTypeImageManifest, dockerManifest, inManifest)
	if has(n, p, "manifests") {
		c.add("manifest-ambiguous", p, "a manifest cannot list manifests: it could be read as an index")
	}
	config, ok := c.configDescriptor(n, p)
	stack := c.layerDescriptors(n, p, ok && isConfig(config.MediaType))
	if !ok {
		return nil
	}
	c.artifactType(n, p, d, config)
	if !isConfig(config.MediaType) {
		c.artifact(config, stack)
		return nil
	}
	if c.layout {
		depth--
	}
	return c.image(d, config, stack, depth)
}

func (c *checker) configDescriptor(n *node, p place) (descriptor, bool) {
	if !has(n, p, "config") {
		c.add("manifest-config-missing", p, "there is no config")
		return descriptor{}, false
	}
	v := c.child(n, p, "config", object, inManifest)
	if v == nil {
		return descriptor{}, false
	}
	return c.descriptor(v, p.key("config"), false), true
}

// layerDescriptors checks the list of layers, whose types matter if it is an image's.
func (c *checker) layerDescriptors(n *node, p place, image bool) []descriptor {
	v := c.child(n, p, "layers", array, inManifest)
	if v == nil && has(n, p, "layers") {
		return nil
	}
	if v == nil || len(v.items) == 0 {
		c.add("manifest-layers-empty", p.key("layers"), "there are no layers")
		return nil
	}
	docker := strings.HasPrefix(n.get("mediaType").string(), "application/vnd.docker.")
	var stack []descriptor
	for i, item := range v.items {
		at := p.key("layers").index(i)
		if item.kind != object {
			c.addFor(inManifest, "json-type", at, "a layer is %s %s, not a descriptor", article(item.kind), item.kind)
			stack = append(stack, descriptor{at: at})
			continue
		}
		d := c.descriptor(item, at, false)
		if image {
			c.layerType(d, docker)
		}
		stack = append(stack, d)
	}
	return stack
}

// layerKind is what is known of the media type of a layer.
type layerKind struct {
	compression      layers.Compression
	nondistributable bool
	docker           bool
}

// layerKinds are the media types of file system layers.
var layerKinds = map[string]layerKind{
	v1.MediaTypeImageLayer:                                         {compression: layers.Uncompressed},
	v1.MediaTypeImageLayerGzip:                                     {compression: layers.Gzip},
	v1.MediaTypeImageLayerZstd:                                     {compression: layers.Zstd},
	"application/vnd.oci.image.layer.nondistributable.v1.tar":      {compression: layers.Uncompressed, nondistributable: true},
	"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip": {compression: layers.Gzip, nondistributable: true},
	"application/vnd.oci.image.layer.nondistributable.v1.tar+zstd": {compression: layers.Zstd, nondistributable: true},
	"application/vnd.docker.image.rootfs.diff.tar":                 {compression: layers.Uncompressed, docker: true},
	"application/vnd.docker.image.rootfs.diff.tar.gzip":            {compression: layers.Gzip, docker: true},
	"application/vnd.docker.image.rootfs.diff.tar.zstd":            {compression: layers.Zstd, docker: true},
	"application/vnd.docker.image.rootfs.foreign.diff.tar":         {compression: layers.Uncompressed, docker: true, nondistributable: true},
	"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip":    {compression: layers.Gzip, docker: true, nondistributable: true},
}

func (c *checker) layerType(d descriptor, docker bool) {
	k, known := layerKinds[d.MediaType]
	at := d.at.key("mediaType")
	switch {
	case d.MediaType == "": // reported
	case !known || k.docker && !docker:
		c.add("manifest-layer-media-type", at, "%q is none of the layers that everybody can read", shorten(d.MediaType))
	case k.nondistributable:
		c.add("manifest-layer-nondistributable", at, "layers that may not be distributed are deprecated")
	}
}

// artifactType checks the type of an artifact, where there must be one and where the
// descriptor that led here says another.
func (c *checker) artifactType(n *node, p place, d, config descriptor) {
	own := n.get("artifactType").string()
	if config.MediaType == v1.MediaTypeEmptyJSON && own == "" {
		c.add("manifest-artifact-type-missing", p, "the config is empty, so that there must be an artifactType")
	}
	if d.ArtifactType != "" && d.ArtifactType != own && d.ArtifactType != config.MediaType {
		c.add("descriptor-artifact-type-differ", d.at.key("artifactType"), "the manifest is of type %q", shorten(config.MediaType))
	}
	if config.MediaType != "" && !isConfig(config.MediaType) && own == "" && config.MediaType != v1.MediaTypeEmptyJSON {
		c.add("manifest-config-media-type", p.key("config").key("mediaType"), "%q is no image configuration", shorten(config.MediaType))
	}
}

// artifact verifies the content of what is no image.
func (c *checker) artifact(config descriptor, stack []descriptor) {
	c.opaque(config)
	for _, l := range stack {
		c.opaque(l)
	}
}

// image checks the configuration and the layers of an image, to which so many indexes
// led.
func (c *checker) image(d, config descriptor, stack []descriptor, indexes int) *Image {
	cfg := c.config(config, len(stack))
	im := Image{Descriptor: d.Descriptor, Platform: cfg.platform, Indexes: indexes, Layers: len(stack), Labels: cfg.labels}
	if c.o.Platform != nil && cfg.read && !matches(c.o.Platform, cfg.platform) {
		return &im
	}
	for i, l := range stack {
		want := ""
		if len(cfg.diffIDs) == len(stack) {
			want = cfg.diffIDs[i]
		}
		c.layer(l, want, nth(i, len(stack)))
	}
	c.images = append(c.images, im)
	return &im
}

// string is the text of a string; of anything else it is "".
func (n *node) string() string {
	if n == nil || n.kind != text {
		return ""
	}
	return n.text
}

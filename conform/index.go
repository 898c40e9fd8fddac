package conform

import v1 "github.com/opencontainers/image-spec/specs-go/v1"

// index checks an index, and what it lists.
func (c *checker) index(d descriptor, depth int) {
	p := place{document: "index", digest: d.Digest.String()}
	data, ok := c.read(d)
	if !ok {
		return
	}
	if n := c.document(data, p, "json-syntax"); n != nil {
		c.indexDocument(n, p, depth, func(descriptor) bool { return true })
	}
}

// indexDocument checks an index that was read, and those of its manifests that are
// wanted. depth is how many indexes led to it; that of a layout is not counted.
func (c *checker) indexDocument(n *node, p place, depth int, wanted func(descriptor) bool) {
	c.head(n, p, "index", v1.MediaTypeImageIndex, dockerList, inIndex)
	if has(n, p, "config") || has(n, p, "layers") {
		c.add("manifest-ambiguous", p, "an index cannot have layers: it could be read as a manifest")
	}
	if !has(n, p, "manifests") {
		c.add("index-manifests-missing", p, "there is no list of manifests")
		return
	}
	v := c.child(n, p, "manifests", array, inIndex)
	if v == nil {
		return
	}
	e := entries{checker: c, layout: p.document == indexFile, depth: depth, platforms: map[string]bool{}, names: map[string]bool{}}
	for i, item := range v.items {
		at := p.key("manifests").index(i)
		if item.kind != object {
			c.addFor(inIndex, "json-type", at, "a manifest is %s %s, not a descriptor", article(item.kind), item.kind)
			continue
		}
		e.entry(item, at, wanted)
	}
}

// entries are those of one index.
type entries struct {
	*checker
	layout    bool // of a layout's index.json
	depth     int
	platforms map[string]bool
	names     map[string]bool
}

func (e *entries) entry(n *node, at place, wanted func(descriptor) bool) {
	d := e.descriptor(n, at, e.layout)
	var says *v1.Platform
	if v := e.child(n, at, "platform", object, inIndex); v != nil {
		says = e.indexPlatform(v, at.key("platform"))
		d.Platform = says
	}
	if name := d.Annotations[keyRef]; e.layout && name != "" {
		if e.names[name] {
			e.add("layout-ref-twice", at, "%q names another entry, too", shorten(name))
		}
		e.names[name] = true
	}
	if !wanted(d) || says != nil && !matches(e.o.Platform, *says) {
		return
	}
	if im := e.visit(d, e.depth+1, true); im != nil {
		e.compare(im, says, at)
	}
}

// indexPlatform checks the platform of an entry.
func (e *entries) indexPlatform(n *node, p place) *v1.Platform {
	is := e.platform(n, p, inIndex)
	if !has(n, p, "architecture") || n.get("architecture").string() == "" && n.get("architecture").kind == text {
		e.add("index-platform-architecture", p, "the platform has no architecture")
	}
	if !has(n, p, "os") || n.get("os").string() == "" && n.get("os").kind == text {
		e.add("index-platform-os", p, "the platform has no os")
	}
	if has(n, p, "features") {
		e.add("index-platform-features", p.key("features"), "this property is reserved")
	}
	name := platformName(is)
	if e.platforms[name] && is.Architecture != unknown && len(is.OSFeatures) == 0 && is.OSVersion == "" && !e.layout {
		e.add("index-platform-twice", p, "there is another entry for %s; the first that fits counts", name)
	}
	e.platforms[name] = true
	return &is
}

// unknown is what builders call the platform of attestations, which have none.
const unknown = "unknown"

// compare compares what the index says of the image's platform with what it says
// itself.
func (e *entries) compare(im *Image, says *v1.Platform, at place) {
	if says == nil {
		e.add("index-platform-missing", at, "the platform of the image is not told")
		return
	}
	is := im.Platform
	differ := func(a, b string) bool { return a != "" && b != "" && a != b }
	if differ(is.OS, says.OS) || differ(is.Architecture, says.Architecture) {
		e.add("index-platform-differs", at.key("platform"), "the index says %s, the image %s", platformName(*says), platformName(is))
	}
}

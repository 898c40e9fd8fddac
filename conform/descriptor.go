package conform

import (
	_ "crypto/sha256" // the digests that are verified
	_ "crypto/sha512" // likewise
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// descriptor is a descriptor that was checked.
type descriptor struct {
	v1.Descriptor
	at   place
	node *node
	ok   bool // digest and size are there, and can be followed
}

// emptyDigest is that of "{}", the content of the empty media type.
const emptyDigest = digest.Digest("sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a")

// descriptor checks the descriptor n, which is at p, but not what it describes.
func (c *checker) descriptor(n *node, p place, refAllowed bool) descriptor {
	d := descriptor{at: p, node: n}
	typeOK := c.descriptorType(&d)
	digestOK := c.descriptorDigest(&d)
	sizeOK := c.descriptorSize(&d)
	d.ok = digestOK && sizeOK
	if digestOK {
		c.referenced[d.Digest] = true
	}
	c.descriptorURLs(&d)
	d.Annotations = c.annotations(n, p, "annotations", refAllowed)
	c.descriptorData(&d)
	if a, ok := c.str(n, p, "artifactType", inDescriptor); ok {
		if mediaType.MatchString(a) {
			d.ArtifactType = a
		} else {
			c.add("descriptor-artifact-type", p.key("artifactType"), "%q is no media type of RFC 6838", shorten(a))
		}
	}
	if typeOK && digestOK && d.MediaType == v1.MediaTypeEmptyJSON && (d.Digest != emptyDigest || d.Size != 2) {
		c.add("descriptor-empty", p, "the media type is that of the empty object {}, the content is not")
	}
	return d
}

func (c *checker) descriptorType(d *descriptor) bool {
	if !has(d.node, d.at, "mediaType") {
		c.add("descriptor-media-type-missing", d.at, "the descriptor has no mediaType")
		return false
	}
	t, ok := c.str(d.node, d.at, "mediaType", inDescriptor)
	if !ok {
		return false
	}
	if !mediaType.MatchString(t) {
		c.add("descriptor-media-type", d.at.key("mediaType"), "%q is no media type of RFC 6838", shorten(t))
		return false
	}
	d.MediaType = t
	return true
}

func (c *checker) descriptorDigest(d *descriptor) bool {
	if !has(d.node, d.at, "digest") {
		c.add("descriptor-digest-missing", d.at, "the descriptor has no digest")
		return false
	}
	s, ok := c.str(d.node, d.at, "digest", inDescriptor)
	if !ok || !c.digest(s, d.at.key("digest"), "descriptor-digest", "descriptor-digest-encoding") {
		return false
	}
	d.Digest = digest.Digest(s)
	return true
}

// digest checks the form of a digest. wrong is the code for one that does not fit the
// grammar.
func (c *checker) digest(s string, p place, wrong, encoding Code) bool {
	if !digestGrammar.MatchString(s) {
		c.add(wrong, p, "%q does not fit the grammar of digests", shorten(s))
		return false
	}
	algorithm, encoded, _ := strings.Cut(s, ":")
	if !named(algorithm, encoded) {
		c.add(encoding, p, "%q is not what %s is written like", shorten(encoded), algorithm)
		return false
	}
	switch algorithm {
	case "sha256":
	case "sha512", "blake3":
		c.add("descriptor-digest-algorithm", p, "the algorithm is %s; sha256 is what everybody has", algorithm)
	default:
		c.add("descriptor-digest-algorithm", p, "the algorithm %q is not registered; sha256 is what everybody has", shorten(algorithm))
	}
	return true
}

// named reports whether encoded is as the algorithm writes it.
func named(algorithm, encoded string) bool {
	switch algorithm {
	case "sha256", "blake3":
		return hex64.MatchString(encoded)
	case "sha512":
		return hex128.MatchString(encoded)
	}
	return true
}

func (c *checker) descriptorSize(d *descriptor) bool {
	if !has(d.node, d.at, "size") {
		c.add("descriptor-size-missing", d.at, "the descriptor has no size")
		return false
	}
	v := c.child(d.node, d.at, "size", number, inDescriptor)
	if v == nil {
		return false
	}
	size, ok := v.integer()
	switch {
	case !ok:
		c.addFor(inDescriptor, "json-type", d.at.key("size"), "%s is no integer of 64 bits", shorten(v.text))
	case size < 0:
		c.add("descriptor-size-negative", d.at.key("size"), "the size is %d", size)
	}
	d.Size = size
	return ok && size >= 0
}

func (c *checker) descriptorURLs(d *descriptor) {
	d.URLs = c.strs(d.node, d.at, "urls", inDescriptor)
	for i, u := range d.URLs {
		at := d.at.key("urls").index(i)
		switch {
		case !isURI(u):
			c.add("descriptor-url", at, "%q is no URI of RFC 3986", shorten(u))
		case !hasWebScheme(u):
			c.add("descriptor-url-scheme", at, "%q is neither http nor https", shorten(u))
		}
	}
}

// descriptorData checks embedded content. What it must equal is known by its digest.
func (c *checker) descriptorData(d *descriptor) {
	s, ok := c.str(d.node, d.at, "data", inDescriptor)
	if !ok {
		return
	}
	at := d.at.key("data")
	data, ok := isBase64(s)
	if !ok {
		c.add("descriptor-data", at, "the embedded content is not in base 64")
		return
	}
	d.Data = data
	if d.ok && (int64(len(data)) != d.Size || d.Digest.Algorithm().Available() && d.Digest.Algorithm().FromBytes(data) != d.Digest) {
		c.add("descriptor-data-content", at, "the embedded content is not what the descriptor describes")
	}
}

// knownTypes are the media types of manifests, docker's apart.
var knownTypes = []string{v1.MediaTypeImageManifest, v1.MediaTypeImageIndex}

// The media types of docker, whose documents are like those of OCI.
const (
	dockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	dockerList     = "application/vnd.docker.distribution.manifest.list.v2+json"
	dockerConfig   = "application/vnd.docker.container.image.v1+json"
)

func isManifest(t string) bool { return t == v1.MediaTypeImageManifest || t == dockerManifest }
func isIndex(t string) bool    { return t == v1.MediaTypeImageIndex || t == dockerList }
func isConfig(t string) bool   { return t == v1.MediaTypeImageConfig || t == dockerConfig }

// isKnownManifest reports whether the media type is one that portable indexes have.
func isKnownManifest(t string) bool { return slices.Contains(knownTypes, t) }

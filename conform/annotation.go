package conform

import (
	"slices"
	"strings"
)

const (
	reserved  = "org.opencontainers."
	keyPrefix = "org.opencontainers.image."
	keyRef    = keyPrefix + "ref.name"
	keyBase   = keyPrefix + "base."
)

// reservedKeys are the keys below the reserved prefix that OCI specifications define:
// annotations.md, conversion.md of the image specification, and the distribution
// specification.
var reservedKeys = strings.Fields(`
	image.created image.authors image.url image.documentation image.source image.version
	image.revision image.vendor image.licenses image.ref.name image.title image.description
	image.base.digest image.base.name
	image.os image.architecture image.variant image.os.version image.os.features image.author
	image.stopSignal image.exposedPorts
	referrers.filtersApplied`)

// isAnnotations reports whether an object at p is one of annotations, in which a name
// that stands twice has a rule of its own.
func isAnnotations(p place) bool {
	last := p.path[strings.LastIndexByte(p.path, '.')+1:]
	return last == "annotations" || p.document == "config" && p.path == "config.Labels"
}

// annotations checks a map of annotations, or of labels, and returns it.
func (c *checker) annotations(n *node, p place, name string, refAllowed bool) map[string]string {
	section := inAnnotations
	m := c.child(n, p, name, object, section)
	if m == nil {
		return nil
	}
	p = p.key(name)
	values := map[string]string{}
	for _, a := range m.members {
		at := p.key(a.name)
		if _, twice := values[a.name]; twice {
			c.add("annotation-key-twice", at, "the key stands twice")
			continue
		}
		values[a.name] = a.value.text
		if a.value.kind != text {
			c.add("annotation-value", at, "the value is %s %s, not a string", article(a.value.kind), a.value.kind)
			continue
		}
		c.annotation(a.name, a.value.text, at, refAllowed)
	}
	c.basePair(values, p)
	return values
}

func (c *checker) annotation(key, value string, at place, refAllowed bool) {
	if rest, ok := strings.CutPrefix(key, reserved); ok && !slices.Contains(reservedKeys, rest) {
		c.add("annotation-key-reserved", at, "the prefix org.opencontainers is reserved, and no specification defines this key")
		return
	}
	if !strings.Contains(strings.Trim(key, "."), ".") {
		c.add("annotation-key-domain", at, "the key is not in reverse domain notation")
	}
	if name, ok := strings.CutPrefix(key, keyPrefix); ok && value != "" {
		c.predefined(name, value, at, refAllowed)
	}
}

// predefined checks the values of the keys that the specification defines, by what
// follows their prefix.
func (c *checker) predefined(name, value string, at place, refAllowed bool) {
	short := shorten(value)
	switch {
	case name == "created" && !isTime(value):
		c.add("annotation-created", at, "%q is no date and time of RFC 3339", short)
	case (name == "url" || name == "documentation" || name == "source") && !isURI(value):
		c.add("annotation-url", at, "%q is no URL", short)
	case name == "licenses" && !isLicense(value):
		c.add("annotation-licenses", at, "%q is no license expression of SPDX", short)
	case name == "ref.name" && !refAllowed:
		c.add("annotation-ref-name-place", at, "it counts only on descriptors of a layout's index.json")
	case name == "ref.name" && !refName.MatchString(value):
		c.add("annotation-ref-name", at, "%q does not fit the grammar of names", short)
	case name == "base.digest" && !digestGrammar.MatchString(value):
		c.add("annotation-base-digest", at, "%q is no digest", short)
	case name == "base.name" && !qualified.MatchString(value):
		c.add("annotation-base-name", at, "%q is no reference with its registry", short)
	}
}

// basePair checks that the base is named by its digest as well.
func (c *checker) basePair(values map[string]string, p place) {
	_, name := values[keyBase+"name"]
	_, digest := values[keyBase+"digest"]
	if name && !digest {
		c.add("annotation-base-pair", p.key(keyBase+"name"), "%sdigest is missing beside it", keyBase)
	}
}

package conform

import (
	"regexp"
	"slices"
	"strings"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// The values of GOARCH and GOOS (https://go.dev/doc/install/source#environment).
var (
	architectures = strings.Fields("386 amd64 arm arm64 loong64 mips mips64 mips64le mipsle ppc64 ppc64le riscv64 s390x wasm")
	systems       = strings.Fields("aix android darwin dragonfly freebsd illumos ios js linux netbsd openbsd plan9 solaris wasip1 windows")
)

// variants are those of image-index.md, "Platform Variants".
var variants = map[string]*regexp.Regexp{
	"arm":     regexp.MustCompile(`^v[678]$`),
	"arm64":   regexp.MustCompile(`^v[89](?:\.[0-9])?$`),
	"ppc64le": regexp.MustCompile(`^power(?:8|9|[1-9][0-9])$`),
	"riscv64": regexp.MustCompile(`^rva[0-9]{2}u64$`),
	"amd64":   regexp.MustCompile(`^v[1-4]$`),
}

// platform reads the fields that an index and a configuration have alike, and checks
// their values. That a field is there is for the caller to check.
func (c *checker) platform(n *node, p place, section string) v1.Platform {
	var out v1.Platform
	var arch, os, variant bool
	out.Architecture, arch = c.str(n, p, "architecture", section)
	out.OS, os = c.str(n, p, "os", section)
	out.Variant, variant = c.str(n, p, "variant", section)
	out.OSVersion, _ = c.str(n, p, "os.version", section)
	out.OSFeatures = c.strs(n, p, "os.features", section)
	if arch && out.Architecture != "" && !slices.Contains(architectures, out.Architecture) {
		c.addFor(section, "platform-architecture", p.key("architecture"), "%q is no value of GOARCH", shorten(out.Architecture))
	}
	if os && out.OS != "" && !slices.Contains(systems, out.OS) {
		c.addFor(section, "platform-os", p.key("os"), "%q is no value of GOOS", shorten(out.OS))
	}
	if form := variants[out.Architecture]; variant && out.Variant != "" && out.Architecture != "" && (form == nil || !form.MatchString(out.Variant)) {
		c.add("platform-variant", p.key("variant"), "%q is no variant of %s in the specification's table", shorten(out.Variant), shorten(out.Architecture))
	}
	for i, f := range out.OSFeatures {
		if out.OS == "windows" && f != "win32k" {
			c.addFor(section, "platform-os-features", p.key("os.features").index(i), "%q is no feature of windows that the specification names", shorten(f))
		}
	}
	return out
}

// matches reports whether the platform is that which is asked for.
func matches(want *v1.Platform, is v1.Platform) bool {
	same := func(a, b string) bool { return a == "" || a == b }
	return want == nil || same(want.OS, is.OS) && same(want.Architecture, is.Architecture) && same(want.Variant, is.Variant)
}

// platformName is the platform for messages: "linux/arm64/v8".
func platformName(p v1.Platform) string {
	name := shorten(p.OS) + "/" + shorten(p.Architecture)
	if p.Variant != "" {
		name += "/" + shorten(p.Variant)
	}
	return name
}

package conform

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

func check(t *testing.T, fsys fs.FS, o Options) *Report {
	t.Helper()
	r, err := Layout(t.Context(), fsys, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestValid(t *testing.T) {
	t.Parallel()
	r := check(t, valid().write(t), Options{})
	if len(r.Findings) > 0 {
		t.Errorf("%+v", r.Findings)
	}
	if len(r.Images) != 1 || r.Images[0].Layers != 3 || r.Images[0].Labels["containers.bootc"] != "1" || r.Images[0].Platform.Architecture != "amd64" {
		t.Errorf("%+v", r.Images)
	}
}

// The sections of the specification, written by hand.
const (
	sLayout      = "image-layout.md: Content"
	sLayoutFile  = "image-layout.md: oci-layout file"
	sBlobs       = "image-layout.md: Blobs"
	sIndexFile   = "image-layout.md: index.json file"
	sDescriptor  = "descriptor.md: Properties"
	sDigests     = "descriptor.md: Digests"
	sAlgorithms  = "descriptor.md: Registered algorithms"
	sIndex       = "image-index.md: Image Index Property Descriptions"
	sVariants    = "image-index.md: Platform Variants"
	sManifest    = "manifest.md: Image Manifest Property Descriptions"
	sEmpty       = "manifest.md: Guidance for an Empty Descriptor"
	sConfig      = "config.md: Properties"
	sDiffID      = "config.md: Layer DiffID"
	sAnnotations = "annotations.md: Rules"
	sKeys        = "annotations.md: Pre-Defined Annotation Keys"
	sFormat      = "layer.md: Distributable Format"
	sGzip        = "layer.md: +gzip Media Types"
	sZstd        = "layer.md: +zstd Media Types"
	sFileTypes   = "layer.md: File Types"
	sAttributes  = "layer.md: File Attributes"
	sHardlinks   = "layer.md: Hardlinks"
	sPopulate    = "layer.md: Populate Initial Filesystem"
	sWhiteouts   = "layer.md: Whiteouts"
	sOpaque      = "layer.md: Opaque Whiteout"
	sNondist     = "layer.md: Non-Distributable Layers"
	sJSON        = "considerations.md: JSON"
)

const (
	sha256a = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	empty   = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
)

// planted is a violation in an image that is otherwise valid.
type planted struct {
	name     string
	plant    func(f *fixture)
	code     Code
	severity Severity
	section  string
	path     string // of the finding; "" is not looked at
}

// sub is a member that is an object.
func sub(o obj, name string) obj {
	m, _ := o[name].(obj)
	return m
}

// items are those of a member that is an array.
func items(o obj, name string) []any {
	a, _ := o[name].([]any)
	return a
}

func (f *fixture) cfg() obj { return sub(f.config, "config") }

func annotate(key string, value any) func(*fixture) {
	return func(f *fixture) {
		a := sub(f.manifest, "annotations")
		a[key] = value
		clear(a)
	}
}

func inEntry(name string, value any) func(*fixture) {
	return func(f *fixture) { f.entry[name] = value }
}

func inManifestOf(name string, value any) func(*fixture) {
	return func(f *fixture) { f.manifest[name] = value }
}

func inConfigOf(name string, value any) func(*fixture) {
	return func(f *fixture) { f.config[name] = value }
}

func inExecution(name string, value any) func(*fixture) {
	return func(f *fixture) { f.cfg()[name] = value }
}

func inRootfs(change func(obj)) func(*fixture) {
	return func(f *fixture) { f.config["rootfs"] = change }
}

func inPlatform(name string, value any) func(*fixture) {
	return func(f *fixture) {
		p := sub(f.entry, "platform")
		p[name] = value
		clear(p)
	}
}

func inLayerDesc(name string, value any) func(*fixture) {
	return func(f *fixture) { f.layers[0].desc = obj{name: value} }
}

func with(headers ...tar.Header) func(*fixture) {
	return func(f *fixture) { f.layers[0].entries = append(f.layers[0].entries, headers...) }
}

// lostLayer gives a layer another digest, and leaves its blob out.
func lostLayer(digest any) func(*fixture) {
	return func(f *fixture) { f.layers[0].desc, f.layers[0].noBlob = obj{"digest": digest}, true }
}

// dropLayers leaves out the blobs of all layers.
func (f *fixture) dropLayers() {
	for _, l := range f.layers {
		l.noBlob = true
	}
}

// clearFiles removes all but the file that makes a directory a layout.
func clearFiles(m fstest.MapFS) {
	maps.DeleteFunc(m, func(name string, _ *fstest.MapFile) bool { return name != "oci-layout" })
}

func inFiles(change func(fstest.MapFS)) func(*fixture) {
	return func(f *fixture) { f.files = change }
}

var plants = []planted{
	// image-layout.md
	{"no oci-layout", inFiles(func(m fstest.MapFS) { delete(m, "oci-layout") }), "layout-marker-missing", Error, sLayout, ""},
	{"oci-layout is no JSON", inFiles(func(m fstest.MapFS) { m["oci-layout"].Data = []byte("1.0.0") }), "layout-marker-json", Error, sLayout, ""},
	{"oci-layout is an array", inFiles(func(m fstest.MapFS) { m["oci-layout"].Data = []byte("[]") }), "layout-marker-json", Error, sLayout, ""},
	{"no version", func(f *fixture) { f.marker = obj{"x": 1} }, "layout-version-missing", Error, sLayout, ""},
	{"another version", func(f *fixture) { f.marker["imageLayoutVersion"] = "2.0.0" }, "layout-version", Error, sLayoutFile, "imageLayoutVersion"},
	{"a version that is no string", func(f *fixture) { f.marker["imageLayoutVersion"] = 1 }, "json-type", Error, sLayoutFile, "imageLayoutVersion"},
	{"a blob that nothing leads to", func(f *fixture) { f.extra["blobs/sha256/"+empty[7:]] = "{}" }, "layout-blob-unreferenced", Info, sBlobs, "blobs/sha256/" + empty[7:]},
	{"a blob with the content of another", inFiles(func(m fstest.MapFS) {
		for _, f := range m {
			if bytes.HasPrefix(f.Data, []byte("\x1f\x8b")) {
				f.Data[20] ^= 1
			}
		}
	}), "layout-blob-content", Error, sBlobs, ""},
	{"no index.json", func(f *fixture) {
		f.files = func(m fstest.MapFS) {
			clearFiles(m)
			m["blobs"] = &fstest.MapFile{Mode: fs.ModeDir | 0o755}
		}
	}, "layout-index-missing", Error, sLayout, ""},
	{"no directory of blobs", func(f *fixture) {
		f.index["manifests"] = []any{}
		f.files = func(m fstest.MapFS) {
			index := m["index.json"]
			clearFiles(m)
			m["index.json"] = index
		}
	}, "layout-blobs-missing", Error, sLayout, ""},
	{"a blob with upper case in its name", func(f *fixture) { f.extra["blobs/sha256/"+strings.Repeat("A", 64)] = "" }, "layout-blob-name", Error, sBlobs, ""},
	{"a blob with a name that no digest has", func(f *fixture) { f.extra["blobs/sha256/a.tmp"] = "" }, "layout-blob-name", Error, sBlobs, "blobs/sha256/a.tmp"},
	{"a directory that no algorithm is called", func(f *fixture) { f.extra["blobs/SHA256/"+strings.Repeat("a", 64)] = "" }, "layout-blob-name", Error, sBlobs, "blobs/SHA256"},
	{"a file among the algorithms", func(f *fixture) { f.extra["blobs/README"] = "" }, "layout-blob-name", Error, sBlobs, "blobs/README"},
	{"a layer that is not there", lostLayer(sha256a), "layout-blob-absent", Warning, sBlobs, ""},
	{"one name for two", func(f *fixture) {
		f.index["manifests"] = func(m []any) []any { return append(m, m[0]) }
	}, "layout-ref-twice", Info, sIndexFile, "manifests[1]"},

	// descriptor.md
	{"no mediaType", inLayerDesc("mediaType", absent{}), "descriptor-media-type-missing", Error, sDescriptor, "layers[0]"},
	{"a mediaType without a subtype", inLayerDesc("mediaType", "gzip"), "descriptor-media-type", Error, sDescriptor, ""},
	{"a mediaType with parameters", inLayerDesc("mediaType", "application/gzip; q=1"), "descriptor-media-type", Error, sDescriptor, ""},
	{"a mediaType that is a number", inLayerDesc("mediaType", 1), "json-type", Error, sDescriptor, "layers[0].mediaType"},
	{"no digest", lostLayer(absent{}), "descriptor-digest-missing", Error, sDescriptor, "layers[0]"},
	{"a digest without an algorithm", lostLayer(strings.Repeat("a", 64)), "descriptor-digest", Error, sDigests, "layers[0].digest"},
	{"a digest with a bad character", lostLayer("sha256:a/b"), "descriptor-digest", Error, sDigests, ""},
	{"a digest in upper case", lostLayer("sha256:" + strings.Repeat("A", 64)), "descriptor-digest-encoding", Error, sAlgorithms, ""},
	{"a short sha512", lostLayer("sha512:" + strings.Repeat("a", 64)), "descriptor-digest-encoding", Error, sAlgorithms, ""},
	{"sha512", func(f *fixture) { f.layers[0].sha512 = true }, "descriptor-digest-algorithm", Warning, sAlgorithms, ""},
	{"no size", inLayerDesc("size", absent{}), "descriptor-size-missing", Error, sDescriptor, "layers[0]"},
	{"a negative size", inLayerDesc("size", -1), "descriptor-size-negative", Error, sDescriptor, "layers[0].size"},
	{"a size with a fraction", inLayerDesc("size", 1.5), "json-type", Error, sDescriptor, "layers[0].size"},
	{"a size of 65 bits", func(f *fixture) {
		f.manifestText = func(s string) string { return strings.Replace(s, `"size":`, `"size":36893488147419103232,"was":`, 1) }
	}, "json-type", Error, sDescriptor, "config.size"},
	{"a size in a string", inLayerDesc("size", "1"), "json-type", Error, sDescriptor, "layers[0].size"},
	{"too large a size", inLayerDesc("size", 1<<20), "descriptor-size-content", Error, sDescriptor, ""},
	{"too small a size", inLayerDesc("size", 10), "descriptor-size-content", Error, sDescriptor, ""},
	{"a URL with a blank", inLayerDesc("urls", []any{"https://a/b c"}), "descriptor-url", Error, sDescriptor, "layers[0].urls[0]"},
	{"a relative URL", inLayerDesc("urls", []any{"https://a/b", "/b"}), "descriptor-url", Error, sDescriptor, "layers[0].urls[1]"},
	{"a URL of another scheme", inLayerDesc("urls", []any{"ftp://a/b"}), "descriptor-url-scheme", Warning, sDescriptor, ""},
	{"data that are not in base 64", inLayerDesc("data", "***"), "descriptor-data", Error, sDescriptor, "layers[0].data"},
	{"data of something else", inLayerDesc("data", "e30="), "descriptor-data-content", Error, sDescriptor, "layers[0].data"},
	{"an artifactType that is none", inEntry("artifactType", "x"), "descriptor-artifact-type", Error, sDescriptor, "manifests[0].artifactType"},
	{"another artifactType than the manifest's", inEntry("artifactType", "application/x"), "descriptor-artifact-type-differ", Warning, sDescriptor, ""},
	{"an empty type with content", func(f *fixture) {
		f.manifest["subject"] = obj{"mediaType": "application/vnd.oci.empty.v1+json", "digest": sha256a, "size": 2}
	}, "descriptor-empty", Warning, sEmpty, "subject"},

	// image-index.md
	{"no schemaVersion in the index", func(f *fixture) { f.index["schemaVersion"] = absent{} }, "index-schema-version", Error, sIndex, ""},
	{"another schemaVersion in the index", func(f *fixture) { f.index["schemaVersion"] = 1 }, "index-schema-version", Error, sIndex, ""},
	{"no mediaType in the index", func(f *fixture) { f.index["mediaType"] = absent{} }, "index-media-type-missing", Warning, sIndex, ""},
	{"another mediaType in the index", func(f *fixture) { f.index["mediaType"] = "application/json" }, "index-media-type", Error, sIndex, "mediaType"},
	{"an artifactType in the index that is none", func(f *fixture) { f.index["artifactType"] = "sbom" }, "index-artifact-type", Error, sIndex, ""},
	{"manifests that are no list", func(f *fixture) {
		f.index["manifests"] = obj{}
		f.onlyIndex()
	}, "json-type", Error, sIndex, "manifests"},
	{"no manifests", func(f *fixture) {
		f.index["manifests"] = absent{}
		f.onlyIndex()
	}, "index-manifests-missing", Error, sIndex, ""},
	{"an entry of another type", func(f *fixture) {
		f.index["manifests"] = func(m []any) []any {
			return append(m, obj{"mediaType": "application/xml", "digest": empty, "size": 2})
		}
		f.extra["blobs/sha256/"+empty[7:]] = "{}"
	}, "index-manifest-media-type", Warning, sIndex, "manifests[1].mediaType"},
	{"no platform", inEntry("platform", absent{}), "index-platform-missing", Warning, sIndex, "manifests[0]"},
	{"a platform without an architecture", inPlatform("architecture", absent{}), "index-platform-architecture", Error, sIndex, ""},
	{"a platform without an os", inPlatform("os", absent{}), "index-platform-os", Error, sIndex, ""},
	{"another platform than the image's", inEntry("platform", obj{"architecture": "ppc64le", "os": "linux"}), "index-platform-differs", Warning, sIndex, ""},
	{"a reserved property of a platform", inPlatform("features", []any{"sse4"}), "index-platform-features", Warning, sIndex, ""},
	{"a variant that no table has", inPlatform("variant", "v9"), "platform-variant", Warning, sVariants, "manifests[0].platform.variant"},

	// manifest.md
	{"no schemaVersion", inManifestOf("schemaVersion", absent{}), "manifest-schema-version", Error, sManifest, ""},
	{"schemaVersion 3", inManifestOf("schemaVersion", 3), "manifest-schema-version", Error, sManifest, ""},
	{"a schemaVersion in a string", inManifestOf("schemaVersion", "2"), "json-type", Error, sManifest, "schemaVersion"},
	{"no mediaType in the manifest", inManifestOf("mediaType", absent{}), "manifest-media-type-missing", Warning, sManifest, ""},
	{"docker's mediaType in the manifest", inManifestOf("mediaType", dockerManifest), "manifest-media-type", Error, sManifest, "mediaType"},
	{"an artifactType in the manifest that is none", inManifestOf("artifactType", "a b/c"), "manifest-artifact-type", Error, sManifest, ""},
	{"an empty config without an artifactType", func(f *fixture) { f.artifact(obj{"mediaType": "application/vnd.oci.empty.v1+json"}) }, "manifest-artifact-type-missing", Error, sManifest, ""},
	{"no config", func(f *fixture) { f.manifest["config"], f.noConfig = absent{}, true; f.dropLayers() }, "manifest-config-missing", Error, sManifest, ""},
	{"a config that is no image's, and no artifactType", func(f *fixture) { f.artifact(obj{"mediaType": "application/vnd.acme+json"}) }, "manifest-config-media-type", Warning, sManifest, "config.mediaType"},
	{"no layers", func(f *fixture) { f.layers = nil; delete(f.config, "history"); f.manifest["layers"] = absent{} }, "manifest-layers-empty", Warning, sManifest, ""},
	{"a layer of an unknown type", func(f *fixture) { f.layers[2].mediaType = "application/vnd.acme.tar" }, "manifest-layer-media-type", Warning, sManifest, "layers[2].mediaType"},
	{"a layer of docker's type", func(f *fixture) { f.layers[0].mediaType = "application/vnd.docker.image.rootfs.diff.tar.gzip" }, "manifest-layer-media-type", Warning, sManifest, ""},
	{"a layer that may not be distributed", func(f *fixture) {
		f.layers[0].mediaType = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
	}, "manifest-layer-nondistributable", Warning, sNondist, ""},
	{"a subject that is no descriptor", inManifestOf("subject", "x"), "json-type", Error, sManifest, "subject"},
	{"manifests in a manifest", inManifestOf("manifests", []any{}), "manifest-ambiguous", Error, "bootc: limits", ""},

	// annotations.md
	{"annotations that are a list", inManifestOf("annotations", []any{}), "json-type", Error, sAnnotations, "annotations"},
	{"an annotation that is no string", annotate("com.example.a", 1), "annotation-value", Error, sAnnotations, "annotations.com.example.a"},
	{"an annotation without a value", annotate("com.example.a", nil), "annotation-value", Error, sAnnotations, ""},
	{"an annotation that stands twice", func(f *fixture) {
		f.manifestText = func(s string) string {
			return strings.Replace(s, `"com.example.empty"`, `"com.example.empty":"x","com.example.empty"`, 1)
		}
	}, "annotation-key-twice", Error, sAnnotations, "annotations.com.example.empty"},
	{"a reserved key", annotate("org.opencontainers.image.sbom", "x"), "annotation-key-reserved", Error, sAnnotations, ""},
	{"another reserved key", annotate("org.opencontainers.acme", "x"), "annotation-key-reserved", Error, sAnnotations, ""},
	{"a key without a domain", annotate("maintainer", "x"), "annotation-key-domain", Warning, sAnnotations, ""},
	{"a date without a time", annotate("org.opencontainers.image.created", "2026-01-02"), "annotation-created", Warning, sKeys, ""},
	{"a source that is no URL", annotate("org.opencontainers.image.source", "acme/os"), "annotation-url", Warning, sKeys, ""},
	{"licenses in a list", annotate("org.opencontainers.image.licenses", "MIT, Apache-2.0"), "annotation-licenses", Warning, sKeys, ""},
	{"licenses with a hanging operator", annotate("org.opencontainers.image.licenses", "MIT AND"), "annotation-licenses", Warning, sKeys, ""},
	{"a reference name in a manifest", annotate("org.opencontainers.image.ref.name", "x"), "annotation-ref-name-place", Warning, sKeys, ""},
	{"a reference name with a blank", func(f *fixture) { f.entry["annotations"] = obj{"org.opencontainers.image.ref.name": "a b"} }, "annotation-ref-name", Warning, sKeys, ""},
	{"a base digest that is none", annotate("org.opencontainers.image.base.digest", "latest"), "annotation-base-digest", Warning, sKeys, ""},
	{"a base without its registry", annotate("org.opencontainers.image.base.name", "acme/base:1"), "annotation-base-name", Warning, sKeys, ""},
	{"a base without its digest", annotate("org.opencontainers.image.base.digest", absent{}), "annotation-base-pair", Warning, sKeys, ""},
	{"a label that is no string", inExecution("Labels", obj{"com.example.a": true}), "annotation-value", Error, sAnnotations, "config.Labels.com.example.a"},
	{"a label that stands twice", func(f *fixture) {
		f.configText = func(s string) string {
			return strings.Replace(s, `"containers.bootc"`, `"containers.bootc":"0","containers.bootc"`, 1)
		}
	}, "annotation-key-twice", Error, sAnnotations, "config.Labels.containers.bootc"},

	// config.md
	{"no architecture", inConfigOf("architecture", absent{}), "config-architecture-missing", Error, sConfig, ""},
	{"no os", inConfigOf("os", nil), "config-os-missing", Error, sConfig, ""},
	{"another os than GOOS has", func(f *fixture) { f.config["os"] = "Linux"; f.direct = true }, "platform-os", Warning, sConfig, "os"},
	{"an architecture that GOARCH has not", func(f *fixture) { f.config["architecture"] = "x86_64"; f.direct = true }, "platform-architecture", Warning, sConfig, "architecture"},
	{"a variant of the image that no table has", inConfigOf("variant", "fast"), "platform-variant", Warning, sVariants, "variant"},
	{"a feature of windows", func(f *fixture) {
		f.config["os"], f.config["os.features"] = "windows", []any{"win64"}
		f.entry["platform"] = obj{"architecture": "amd64", "os": "windows"}
	}, "platform-os-features", Warning, sConfig, "os.features[0]"},
	{"a date of creation", inConfigOf("created", "yesterday"), "config-created", Error, sConfig, "created"},
	{"an author that is no string", inConfigOf("author", 1), "json-type", Error, sConfig, "author"},
	{"no rootfs", inConfigOf("rootfs", absent{}), "config-rootfs-missing", Error, sConfig, ""},
	{"another type of rootfs", inRootfs(func(o obj) { o["type"] = "tree" }), "config-rootfs-type", Error, sConfig, ""},
	{"no type of rootfs", inRootfs(func(o obj) { o["type"] = absent{} }), "config-rootfs-type", Error, sConfig, ""},
	{"no diff_ids", inRootfs(func(o obj) { o["diff_ids"] = absent{} }), "config-diff-ids-missing", Error, sConfig, ""},
	{"one diff_id too few", inRootfs(func(o obj) { o["diff_ids"] = items(o, "diff_ids")[1:] }), "config-diff-ids-count", Error, sConfig, ""},
	{"a diff_id that is no digest", inRootfs(func(o obj) { items(o, "diff_ids")[1] = "x" }), "config-diff-id", Error, sDiffID, "rootfs.diff_ids[1]"},
	{"a diff_id of something else", func(f *fixture) { f.layers[0].diffID = sha256a }, "layer-diff-id", Error, sDiffID, ""},
	{"the digest of a blob as diff_id", func(f *fixture) { blob, _ := f.layers[1].write(); f.layers[1].diffID = digest.FromBytes(blob) }, "layer-diff-id", Error, sDiffID, ""},
	{"a date in the history", inConfigOf("history", []any{obj{"created": "x"}, obj{}, obj{}}), "config-history-created", Error, sConfig, "history[0].created"},
	{"more history than layers", inConfigOf("history", []any{obj{}, obj{}, obj{}, obj{}}), "config-history-layers", Warning, sConfig, "history"},
	{"empty layers that are there", inConfigOf("history", []any{obj{}, obj{}, obj{"empty_layer": true}}), "config-history-layers", Warning, sConfig, "history"},
	{"a user of three parts", inExecution("User", "a:b:c"), "config-user", Warning, sConfig, ""},
	{"an environment without a value", inExecution("Env", []any{"A=b", "PATH"}), "config-env", Warning, sConfig, "config.Env[1]"},
	{"an environment that is an object", inExecution("Env", obj{}), "json-type", Error, sConfig, "config.Env"},
	{"a port of sctp", inExecution("ExposedPorts", obj{"1/sctp": obj{}}), "config-exposed-port", Warning, sConfig, ""},
	{"a list of ports", inExecution("ExposedPorts", []any{"80"}), "json-type", Error, sConfig, "config.ExposedPorts"},
	{"a port with a value", inExecution("ExposedPorts", obj{"80": obj{"x": 1}}), "config-set-value", Warning, sConfig, ""},
	{"a relative volume", inExecution("Volumes", obj{"data": obj{}}), "config-volume", Warning, sConfig, ""},
	{"a relative working directory", inExecution("WorkingDir", "srv"), "config-working-dir", Warning, sConfig, ""},
	{"a signal that is none", inExecution("StopSignal", "TERM"), "config-stop-signal", Warning, sConfig, ""},
	{"escaped arguments", inExecution("ArgsEscaped", true), "config-args-escaped", Warning, sConfig, ""},
	{"a health check", inExecution("Healthcheck", obj{}), "config-reserved", Info, sConfig, ""},

	// considerations.md
	{"a name that stands twice", func(f *fixture) {
		f.configText = func(s string) string { return strings.Replace(s, `"os":`, `"os":"linux","os":`, 1) }
	}, "json-duplicate", Error, sJSON, "os"},
	{"a document that is not UTF-8", func(f *fixture) {
		f.onlyIndex()
		f.indexText = func(string) string { return "{\"\xff\":1}" }
	}, "json-utf8", Error, sJSON, ""},
	{"a document that is no JSON", func(f *fixture) {
		f.onlyIndex()
		f.indexText = func(string) string { return "{\"a\":1,}" }
	}, "json-syntax", Error, sJSON, ""},
	{"a number that nobody can hold", inConfigOf("x", int64(1<<62)+1), "json-number", Warning, sJSON, "x"},

	// layer.md
	{"gzip called zstd", func(f *fixture) {
		l := f.layers[0]
		l.blob, _ = l.write()
		l.mediaType = typeZstd
	}, "layer-compression", Error, sZstd, ""},
	{"a tar called gzip", func(f *fixture) { f.layers[2].mediaType, f.layers[2].blob = typeGzip, tarOf(f.layers[2].entries) }, "layer-compression", Error, sGzip, ""},
	{"gzip called a tar", func(f *fixture) {
		f.layers[0].blob, _ = f.layers[0].write()
		f.layers[0].mediaType = typeTar
	}, "layer-compression", Error, sFormat, ""},
	{"a layer in no form", func(f *fixture) { f.layers[0].blob = []byte("BZh91AY&SY") }, "layer-compression", Error, sGzip, ""},
	{"gzip that ends early", func(f *fixture) {
		blob, _ := f.layers[0].write()
		f.layers[0].blob = blob[:len(blob)-9]
	}, "layer-compressed-data", Error, sGzip, ""},
	{"what is no tar", func(f *fixture) { f.layers[0].tar = bytes.Repeat([]byte("no tar"), 1000) }, "layer-tar", Error, sFormat, ""},
	{"a tar that ends early", func(f *fixture) { f.layers[0].tar = tarOf(f.layers[0].entries)[:1100] }, "layer-tar", Error, sFormat, ""},
	{"two entries for a file", with(reg("etc/passwd", "x")), "layer-entry-twice", Error, sFormat, "etc/passwd"},
	{"two entries for a directory, written otherwise", with(dir("./etc")), "layer-entry-twice", Error, sFormat, "./etc"},
	{"data behind the archive", func(f *fixture) { f.layers[2].tar = append(tarOf(f.layers[2].entries), "secret"...) }, "layer-data-behind-archive", Info, sFormat, ""},
	{"an entry of an unknown type", with(tar.Header{Name: "x", Typeflag: 'V'}), "layer-entry-type", Error, sFileTypes, "x"},
	{"an entry without a name", with(reg("", "")), "layer-entry-name", Error, sPopulate, ""},
	{"a name that leads up", with(reg("etc/../../x", "")), "layer-entry-dotdot", Error, sPopulate, ""},
	{"a hard link that leads up", with(link("x", "../etc/passwd")), "layer-entry-dotdot", Error, sPopulate, "x"},
	{"an absolute name", with(reg("/x", "")), "layer-entry-absolute", Warning, sPopulate, "/x"},
	{"a root that is a file", func(f *fixture) { f.layers[2].entries = []tar.Header{reg("./.", "")} }, "layer-root-type", Error, sPopulate, ""},
	{"a sparse file", func(f *fixture) {
		entry := tar.Header{Name: "s", Typeflag: tar.TypeReg, PAXRecords: map[string]string{"GNU_sparse_note": "1"}} // archive/tar writes none
		f.layers[2].tar = bytes.Replace(tarOf([]tar.Header{entry}), []byte("GNU_sparse_"), []byte("GNU.sparse."), 1)
	}, "layer-sparse", Warning, sAttributes, "s"},
	{"an attribute without a name", with(tar.Header{Name: "s", Typeflag: tar.TypeReg, PAXRecords: map[string]string{"SCHILY.xattr.": "1"}}), "layer-xattr-name", Error, sAttributes, "s"},
	{"an attribute of libarchive", with(tar.Header{Name: "s", Typeflag: tar.TypeReg, PAXRecords: map[string]string{"LIBARCHIVE.xattr.user.a": "MQ"}}), "layer-xattr-libarchive", Warning, sAttributes, "s"},
	{"a symbolic link to nothing", with(tar.Header{Name: "s", Typeflag: tar.TypeSymlink}), "layer-symlink-target", Error, sAttributes, "s"},
	{"a hard link to another layer", func(f *fixture) { f.layers[1].entries = append(f.layers[1].entries, link("x", "bin/sh")) }, "layer-link-absent", Warning, sHardlinks, "x"},
	{"a hard link to what comes later", with(link("x", "y"), reg("y", "")), "layer-link-absent", Warning, sHardlinks, "x"},
	{"a hard link to a directory", with(link("x", "etc")), "layer-link-directory", Error, sHardlinks, "x"},
	{"a whiteout of nothing", with(reg("d/.wh.", "")), "layer-whiteout-name", Error, sWhiteouts, ""},
	{"a whiteout of the directory above", with(reg("d/.wh...", "")), "layer-whiteout-name", Error, sWhiteouts, ""},
	{"a file below a whiteout", with(reg("d/.wh.a/b", "")), "layer-whiteout-below", Error, sWhiteouts, ""},
	{"a whiteout with content", with(reg("d/.wh.a", "x")), "layer-whiteout-content", Warning, sWhiteouts, ""},
	{"a whiteout that is a directory", with(dir("d/.wh.a")), "layer-whiteout-type", Warning, sWhiteouts, ""},
	{"a whiteout behind its siblings", with(reg("etc/.wh.a", "")), "layer-whiteout-order", Warning, sWhiteouts, ""},
	{"an opaque whiteout", with(reg("d/.wh..wh..opq", "")), "layer-whiteout-opaque", Warning, sOpaque, ""},
}

func TestPlanted(t *testing.T) {
	t.Parallel()
	if len(plants) < 60 {
		t.Errorf("only %d violations", len(plants))
	}
	found := map[Code]bool{}
	for _, c := range plants {
		found[c.code] = true
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := valid()
			c.plant(f)
			fsys := f.write(t)
			r := check(t, fsys, Options{})
			if f.direct {
				r = direct(t, fsys, f)
			}
			if len(r.Findings) != 1 {
				t.Fatalf("%d findings: %+v", len(r.Findings), r.Findings)
			}
			got := r.Findings[0]
			if got.Code != c.code || got.Severity != c.severity || got.Section != c.section || c.path != "" && got.Path != c.path || got.Text == "" {
				t.Errorf("%+v\nwant %s %s %q at %q", got, c.severity, c.code, c.section, c.path)
			}
		})
	}
	for code := range rules {
		if !found[code] && !elsewhere[code] {
			t.Errorf("%s is never planted", code)
		}
	}
}

// direct checks the fixture's manifest without its layout.
func direct(t *testing.T, fsys fs.FS, f *fixture) *Report {
	t.Helper()
	manifest := encode(t, f.manifest, nil)
	top := v1.Descriptor{MediaType: v1.MediaTypeImageManifest, Digest: digest.FromBytes(manifest), Size: int64(len(manifest))}
	r, err := Check(t.Context(), layoutSource{fsys}, top, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// elsewhere are the codes that other tests plant.
var elsewhere = map[Code]bool{
	"limit-document": true, "limit-manifests": true, "limit-nesting": true, "limit-entries": true,
	"blob-unreadable": true, "descriptor-digest-content": true, "descriptor-digest-unverified": true, "index-platform-twice": true,
}

// TestReference compares the rules with their table in the documentation.
func TestReference(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/reference/image-validate.md")
	if err != nil {
		t.Fatal(err)
	}
	for code, r := range rules {
		section := r.section
		switch {
		case code == "json-type":
			section = "that of the property"
		case section == "":
			section = "that of the media type"
		}
		if row := fmt.Sprintf("| `%s` | %s | %s |", code, r.severity, section); !strings.Contains(string(page), row) {
			t.Errorf("the table lacks %s", row)
		}
	}
	if n := strings.Count(string(page), "\n| `"); n != len(rules)+3+9+15 {
		t.Errorf("%d rows for %d rules", n, len(rules))
	}
}

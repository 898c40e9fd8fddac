package image_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bootc-go/bootc/image"
	"github.com/bootc-go/bootc/image/registrytest"
)

func TestOpenFromRegistry(t *testing.T) {
	t.Parallel()
	docker := osSpec()
	docker.Docker = true
	docker.Layers[1].Compression = registrytest.Gzip
	for name, spec := range map[string]registrytest.Image{"oci": osSpec(), "docker": docker} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reg := registrytest.New(t)
			want := registrytest.Build(t, spec)
			reg.Push("acme/os", "44", want)
			im := open(t, reg.Name("acme/os:44"), newSystem(t, reg).options())
			checkImage(t, im, want)
			if im.Platform.Architecture != "amd64" || im.IndexDigest != "" {
				t.Errorf("%+v", im)
			}
			for _, q := range reg.Requests("") {
				if q.UserAgent != "bootc/1.2.3" {
					t.Errorf("%s %s came from %q", q.Method, q.Path, q.UserAgent)
				}
			}
			if n, _ := reg.Gets("/blobs/"); n != 4 {
				t.Errorf("%d requests for blobs, want one for each of 4", n)
			}
		})
	}
}

func TestOpenByDigest(t *testing.T) {
	t.Parallel()
	reg := registrytest.New(t)
	want := osImage(t)
	d := reg.Push("acme/os", "44", want)
	o := newSystem(t, reg).options()
	checkImage(t, open(t, reg.Name("acme/os@"+d.String()), o), want)
	checkImage(t, open(t, reg.Name("acme/os:other@"+d.String()), o), want)

	wrong := digest.FromString("wrong")
	reg.Inject(registrytest.Fault{Path: wrong.String(), Do: registrytest.Answer(200, v1.MediaTypeImageManifest, string(want.Manifest))})
	err := openError(t, reg.Name("acme/os@"+wrong.String()), o)
	checkError(t, err, image.ErrCorrupt,
		"registry "+reg.Addr()+" gives another manifest than was asked for, for "+reg.Name("acme/os@"+wrong.String()))
}

func TestConfigThatIsHere(t *testing.T) {
	t.Parallel()
	reg := registrytest.New(t)
	want := osImage(t)
	reg.Push("acme/os", "44", want)
	o := newSystem(t, reg).options()
	o.Config = func(d digest.Digest) ([]byte, bool) { return want.Config, d == digest.FromBytes(want.Config) }
	im := open(t, reg.Name("acme/os:44"), o)
	if n, _ := reg.Gets("/blobs/"); n != 0 || !bytes.Equal(im.Config, want.Config) {
		t.Errorf("%d requests for blobs, want none", n)
	}
	o.Config = func(digest.Digest) ([]byte, bool) { return []byte("{}"), true }
	if im := open(t, reg.Name("acme/os:44"), o); !bytes.Equal(im.Config, want.Config) {
		t.Errorf("a wrong configuration was believed: %s", im.Config)
	}
}

func platformIndex(t *testing.T, platforms ...string) (*registrytest.Built, map[string]*registrytest.Built) {
	t.Helper()
	images := map[string]*registrytest.Built{}
	var list []*registrytest.Built
	for _, p := range platforms {
		spec := osSpec()
		parts := strings.Split(p+"/", "/")
		spec.OS, spec.Architecture, spec.Variant = parts[0], parts[1], parts[2]
		spec.Labels = map[string]string{"platform": p}
		images[p] = registrytest.Build(t, spec)
		list = append(list, images[p])
	}
	return registrytest.Index(t, list...), images
}

func TestPlatform(t *testing.T) {
	t.Parallel()
	reg := registrytest.New(t)
	index, images := platformIndex(t, "linux/amd64", "linux/arm64", "linux/arm/v6", "linux/arm/v7", "unknown/unknown", "linux/s390x")
	reg.Push("acme/os", "all", index)
	reg.Push("acme/os", "one", images["linux/arm64"])
	name := reg.Name("acme/os:all")
	for _, tc := range []struct{ os, arch, variant, want, err string }{
		{arch: "amd64", want: "linux/amd64"},
		{arch: "arm64", want: "linux/arm64"},
		{arch: "arm", variant: "v7", want: "linux/arm/v7"},
		{arch: "arm", variant: "v6", want: "linux/arm/v6"},
		{arch: "riscv64", err: "no image for linux/riscv64 in " + name + "; it offers linux/amd64, linux/arm64, linux/arm/v6, linux/arm/v7, linux/s390x"},
		{arch: "arm", variant: "v5", err: "no image for linux/arm/v5 in " + name + "; it offers linux/amd64, linux/arm64, linux/arm/v6, linux/arm/v7, linux/s390x"},
		{os: "windows", arch: "amd64", err: "no image for windows/amd64 in " + name + "; it offers linux/amd64, linux/arm64, linux/arm/v6, linux/arm/v7, linux/s390x"},
	} {
		o := newSystem(t, reg).options()
		o.Arch, o.Variant = tc.arch, tc.variant
		if tc.os != "" {
			o.OS = tc.os
		}
		if tc.err != "" {
			checkError(t, openError(t, name, o), image.ErrNoPlatform, tc.err)
			continue
		}
		im := open(t, name, o)
		checkImage(t, im, images[tc.want])
		if im.IndexDigest != index.Descriptor.Digest {
			t.Errorf("index digest %s, want %s", im.IndexDigest, index.Descriptor.Digest)
		}
	}

	o := newSystem(t, reg).options()
	one := reg.Name("acme/os:one")
	checkError(t, openError(t, one, o), image.ErrNoPlatform, "no image for linux/amd64 in "+one+"; it is for linux/arm64")
	o.AnyPlatform = true
	checkImage(t, open(t, one, o), images["linux/arm64"])
}

// edited builds the usual image with a change of its manifest.
func edited(t *testing.T, edit func(*v1.Manifest)) *registrytest.Built {
	t.Helper()
	spec := osSpec()
	spec.EditManifest = edit
	return registrytest.Build(t, spec)
}

func TestRefused(t *testing.T) {
	t.Parallel()
	type refused struct {
		name      string
		built     func(t *testing.T) *registrytest.Built
		manifest  string // instead of built
		mediaType string
		kind      error
		want      string // after the image's name
	}
	cases := []refused{
		{
			name: "schema 1", manifest: `{"schemaVersion":1,"name":"x","fsLayers":[]}`, mediaType: "application/vnd.docker.distribution.manifest.v1+prettyjws", kind: image.ErrUnsupported,
			want: "the manifest is of docker's schema 1, which was abandoned in 2017: push the image again with a current tool",
		},
		{name: "artifact", built: func(t *testing.T) *registrytest.Built {
			return edited(t, func(m *v1.Manifest) {
				m.ArtifactType = "application/vnd.acme.sbom"
				m.Config.MediaType = v1.MediaTypeEmptyJSON
			})
		}, kind: image.ErrUnsupported, want: `it is an artifact ("application/vnd.acme.sbom"), not an image`},
		{name: "helm chart", built: func(t *testing.T) *registrytest.Built {
			return edited(t, func(m *v1.Manifest) { m.Config.MediaType = "application/vnd.cncf.helm.config.v1+json" })
		}, kind: image.ErrUnsupported, want: `it is an artifact ("application/vnd.cncf.helm.config.v1+json"), not an image`},
		{name: "no layers", built: func(t *testing.T) *registrytest.Built {
			return edited(t, func(m *v1.Manifest) { m.Layers = []v1.Descriptor{} })
		}, kind: image.ErrUnsupported, want: "the image has no layers"},
		{
			name: "empty", manifest: `{"schemaVersion":2}`, mediaType: "application/json", kind: image.ErrUnsupported,
			want: `the manifest lists neither layers nor manifests (media type "application/json")`,
		},
		{
			name: "no configuration", manifest: `{"schemaVersion":2,"layers":[]}`, mediaType: v1.MediaTypeImageManifest, kind: image.ErrUnsupported,
			want: "the manifest names no configuration",
		},
		{
			name: "both image and index", manifest: `{"schemaVersion":2,"layers":[],"manifests":[]}`, mediaType: v1.MediaTypeImageIndex, kind: image.ErrUnsupported,
			want: "the manifest is ambiguous: it has layers and also manifests",
		},
		{
			name: "index called image", manifest: `{"schemaVersion":2,"mediaType":"` + v1.MediaTypeImageManifest + `","manifests":[]}`, mediaType: v1.MediaTypeImageIndex, kind: image.ErrUnsupported,
			want: `the manifest has the media type "` + v1.MediaTypeImageManifest + `", which is none of an image`,
		},
		{
			name: "schema 3", manifest: `{"schemaVersion":3,"layers":[]}`, mediaType: v1.MediaTypeImageManifest, kind: image.ErrUnsupported,
			want: "the manifest has schemaVersion 3, want 2",
		},
		{
			name: "no JSON", manifest: `<html>`, mediaType: "text/html", kind: image.ErrCorrupt,
			want: "the manifest is no JSON document of the expected form: invalid character '<' looking for beginning of value",
		},
		{name: "foreign layer", built: func(t *testing.T) *registrytest.Built {
			return edited(t, func(m *v1.Manifest) { m.Layers[1].URLs = []string{"https://example.com/layer"} })
		}, kind: image.ErrUnsupported, want: "LAYER2: foreign layers are not supported, and this one must be fetched from https://example.com/layer"},
		{name: "docker's foreign layer", built: func(t *testing.T) *registrytest.Built {
			return edited(t, func(m *v1.Manifest) {
				m.Layers[1].MediaType = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
			})
		}, kind: image.ErrUnsupported, want: "LAYER2: foreign layers are not supported (application/vnd.docker.image.rootfs.foreign.diff.tar.gzip)"},
		{name: "encrypted layer", built: func(t *testing.T) *registrytest.Built {
			return edited(t, func(m *v1.Manifest) { m.Layers[1].MediaType += "+encrypted" })
		}, kind: image.ErrUnsupported, want: "LAYER2: encrypted layers are not supported (application/vnd.oci.image.layer.v1.tar+zstd+encrypted)"},
		{name: "no tar", built: func(t *testing.T) *registrytest.Built {
			return edited(t, func(m *v1.Manifest) { m.Layers[1].MediaType = "application/octet-stream" })
		}, kind: image.ErrUnsupported, want: `LAYER2: "application/octet-stream" is no file system layer`},
		{name: "bad digest", built: func(t *testing.T) *registrytest.Built {
			return edited(t, func(m *v1.Manifest) { m.Layers[1].Digest = "sha256:../../etc/passwd" })
		}, kind: image.ErrCorrupt, want: `layer 2 of 3 (sha256:../../etc/pa): the manifest gives "sha256:../../etc/passwd" as digest: invalid checksum digest length`},
		{name: "negative size", built: func(t *testing.T) *registrytest.Built {
			return edited(t, func(m *v1.Manifest) { m.Layers[1].Size = -5 })
		}, kind: image.ErrCorrupt, want: "LAYER2: the manifest gives -5 as size"},
		{name: "large configuration", built: func(t *testing.T) *registrytest.Built {
			return edited(t, func(m *v1.Manifest) { m.Config.Size = 1 << 40 })
		}, kind: image.ErrUnsupported, want: "the configuration has 1,099,511,627,776 bytes, more than 4,194,304"},
		{name: "diff_ids", built: func(t *testing.T) *registrytest.Built {
			spec := osSpec()
			spec.EditConfig = func(c *v1.Image) { c.RootFS.DiffIDs = c.RootFS.DiffIDs[:2] }
			return registrytest.Build(t, spec)
		}, kind: image.ErrCorrupt, want: "the configuration lists 2 layers, the manifest 3"},
		{name: "bad diff_id", built: func(t *testing.T) *registrytest.Built {
			spec := osSpec()
			spec.EditConfig = func(c *v1.Image) { c.RootFS.DiffIDs[0] = "md5:0" }
			return registrytest.Build(t, spec)
		}, kind: image.ErrCorrupt, want: `the configuration gives "md5:0" as diff_id of layer 1: unsupported digest algorithm`},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			reg := registrytest.New(t)
			want := tc.want
			if tc.built != nil {
				b := tc.built(t)
				reg.Push("acme/os", "44", b)
				if len(b.Layers) > 1 {
					want = strings.ReplaceAll(want, "LAYER2", "layer 2 of 3 ("+short(b.Layers[1].Digest)+")")
				}
			} else {
				reg.AddManifest("acme/os", "44", tc.mediaType, []byte(tc.manifest))
			}
			name := reg.Name("acme/os:44")
			checkError(t, openError(t, name, newSystem(t, reg).options()), tc.kind, name+": "+want)
		})
	}
}

func TestNestedIndex(t *testing.T) {
	t.Parallel()
	reg := registrytest.New(t)
	inner := registrytest.Index(t, osImage(t))
	inner.Descriptor.Platform = &v1.Platform{OS: "linux", Architecture: "amd64"}
	reg.Push("acme/os", "44", registrytest.Index(t, inner))
	name := reg.Name("acme/os:44")
	checkError(t, openError(t, name, newSystem(t, reg).options()), image.ErrUnsupported,
		name+": the index leads to another index ("+short(inner.Descriptor.Digest)+")")
}

func TestLargeManifest(t *testing.T) {
	t.Parallel()
	reg := registrytest.New(t)
	reg.AddManifest("acme/os", "44", v1.MediaTypeImageManifest, append([]byte(`{"schemaVersion":2,"x":"`), make([]byte, 5<<20)...))
	err := openError(t, reg.Name("acme/os:44"), newSystem(t, reg).options())
	if !strings.Contains(err.Error(), "exceeded maximum allowed size of 4194304 bytes") {
		t.Error(err)
	}
}

// TestLayoutManifestIsVerified: the library takes the manifest of a layout as it
// is.
func TestLayoutManifestIsVerified(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "oci")
	b := osImage(t)
	registrytest.WriteLayout(t, dir, "44", b)
	path := filepath.Join(dir, "blobs/sha256", b.Descriptor.Digest.Encoded())
	if err := os.WriteFile(path, bytes.Replace(b.Manifest, []byte(`"size":`), []byte(`"size": `), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	err := openError(t, "oci:"+dir+":44", newSystem(t).options())
	if !strings.Contains(err.Error(), ": the manifest has the digest sha256:") {
		t.Error(err)
	}
}

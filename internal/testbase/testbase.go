// Package testbase gives tests a real operating system image: a bootable Debian
// of about 7,000 files in four layers, whiteouts included, made by mmdebstrap
// and umoci from the mirror that this machine's apt uses.
//
// It is built once, in about a minute, below build/cache, under a name that is
// the digest of the recipe; all test processes share it and must not change it.
// Deleting build/cache costs that minute and nothing else.
package testbase

import (
	_ "embed"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bootc-go/bootc/internal/testcache"
)

// Tag is the name of the image in each layout.
const Tag = "base"

// Format is how the layers are compressed.
type Format string

// The formats, by the names that skopeo gives them. All but Gzip are copies made
// by skopeo: same tar streams, same diff_ids.
const (
	Gzip        Format = "gzip"
	Zstd        Format = "zstd"
	ZstdChunked Format = "zstd:chunked"
	Plain       Format = "tar"
)

// Image returns the OCI layout directory of the image with layers in gzip.
func Image(t testing.TB) string {
	t.Helper()
	return ImageAs(t, Gzip)
}

// ImageAs returns the OCI layout directory of the image with layers in format f.
func ImageAs(t testing.TB, f Format) string {
	t.Helper()
	c := openCache(t)
	image := c.Entry(t, "image", buildImage)
	switch f {
	case Gzip:
		return image
	case Plain:
		return c.Entry(t, "image-tar", func(t testing.TB, dir string) { decompress(t, image, dir) })
	case Zstd, ZstdChunked:
		name := map[Format]string{Zstd: "image-zstd", ZstdChunked: "image-zstd-chunked"}[f]
		return c.Entry(t, name, func(t testing.TB, dir string) { recompress(t, image, dir, f) })
	}
	t.Fatalf("there is no layer format %q", f)
	return ""
}

// Tree returns the root directory of the image as umoci unpacks it: owners,
// modes, times, links, devices and extended attributes are those of the layers.
func Tree(t testing.TB) string {
	t.Helper()
	image := Image(t)
	bundle := openCache(t).Entry(t, "bundle", func(t testing.TB, dir string) { unpack(t, image, dir) })
	return filepath.Join(bundle, "rootfs")
}

//go:embed recipe.go
var recipeSource []byte

// openCache returns the cache of this recipe, which is keyed by its source.
func openCache(t testing.TB) testcache.Cache {
	t.Helper()
	return testcache.Open(t, "testbase", recipeSource)
}

// Mirror is the address of the Debian archive that this machine's apt uses.
func Mirror(t testing.TB) string {
	t.Helper()
	mirror := strings.TrimSpace(run(t, exec.Command("sh", "-c", mirrorScript)))
	if mirror == "" {
		t.Fatal("apt has no lists of Debian's main archive (run make setup)")
	}
	return mirror
}

func requireRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("building the base image needs root: it makes device nodes and files of many owners")
	}
}

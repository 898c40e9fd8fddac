package e2e

import (
	"path/filepath"
	"testing"

	"github.com/bootc-go/bootc/internal/testcache"
	"github.com/bootc-go/bootc/internal/testimage"
)

// os1 is the image that hosts are installed with.
func os1(t testing.TB, p platform) testimage.Image {
	t.Helper()
	base := testimage.OS(t, p.withDefaults().Initramfs)
	if p.OldKernel {
		base = testimage.Build(t, base, "testdata/Containerfile.oldkernel", t.TempDir())
	}
	if p.RAID {
		base = testimage.Build(t, base, "testdata/Containerfile.raid", t.TempDir())
	}
	if p.Encrypted {
		base = testimage.Build(t, base, "testdata/Containerfile.encrypted", t.TempDir())
	}
	return testimage.Build(t, base, "testdata/Containerfile.v1", t.TempDir())
}

// os2 is the next version of os1.
func os2(t testing.TB) testimage.Image {
	t.Helper()
	return testimage.Build(t, os1(t, platform{}), "testdata/Containerfile.v2", t.TempDir())
}

// derived is an image of a user on top of os1.
func derived(t testing.TB) testimage.Image {
	t.Helper()
	images := filepath.Join(testcache.ModuleRoot(t), "images")
	return testimage.Build(t, os1(t, platform{}), filepath.Join(images, "Containerfile.derived"), filepath.Join(images, "derived"))
}

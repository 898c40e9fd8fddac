package e2e

import (
	"bytes"
	"strings"
	"testing"

	"github.com/bootc-go/bootc/internal/testimage"
	kernelargs "github.com/bootc-go/bootc/kargs"
	"github.com/bootc-go/bootc/osimage"
)

// sealed is the image sealed with Debian's ukify, as users do. The id that went into the
// unified kernel image is the one that the finished image has.
func sealed(t testing.TB, image testimage.Image) testimage.Image {
	t.Helper()
	image = testimage.Build(t, image, "testdata/Containerfile.uki", t.TempDir(), "KARGS="+strings.Join(kargs, " "))
	_, uki := image.File(t, "boot/EFI/Linux/*.efi")
	line, err := osimage.UKICmdline(bytes.NewReader(uki))
	if err != nil {
		t.Fatal(err)
	}
	root, err := kernelargs.FindRoot(line)
	if err != nil {
		t.Fatal(err)
	}
	if id := bootID(t, image); root.ID.String() != id {
		t.Errorf("the command line is %q, the id of the image is %s", line, id)
	}
	return image
}

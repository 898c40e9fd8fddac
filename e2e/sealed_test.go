//go:build extended

package e2e

import (
	"bytes"
	"strings"
	"testing"

	"github.com/bootc-go/bootc/internal/testimage"
	kernelargs "github.com/bootc-go/bootc/kargs"
	"github.com/bootc-go/bootc/osimage"
)

// TestSealed seals an image with Debian's ukify, as users do, and compares the id that
// went into the unified kernel image with the one that the finished image has.
func TestSealed(t *testing.T) {
	t.Parallel()
	base := os1(t, platform{Initramfs: "dracut"})
	image := testimage.Build(t, base, "testdata/Containerfile.uki", t.TempDir(), "KARGS="+strings.Join(kargs, " "))
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
}

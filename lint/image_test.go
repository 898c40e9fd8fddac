package lint

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/bootc-go/bootc/internal/testimage"
	"github.com/bootc-go/bootc/internal/testtool"
)

// TestOurImage looks at the image of Containerfile.test. Its build has looked
// at itself already, as the root that runs.
func TestOurImage(t *testing.T) {
	t.Parallel()
	image := testimage.OS(t, "dracut")
	bundle := filepath.Join(t.TempDir(), "bundle")
	cmd := exec.CommandContext(t.Context(), testtool.Path(t, "umoci"), "unpack", "--image", image.Layout+":"+testimage.Tag, bundle)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	r := lintTree(t, tree{t, filepath.Join(bundle, "rootfs")}, Options{RootType: Alternative, Skip: []string{"buildah-injected"}})
	for _, f := range r.Findings {
		t.Errorf("%s: %s", f.Rule.Name, f.Message)
	}
}

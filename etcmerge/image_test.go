package etcmerge

import (
	"bytes"
	"path/filepath"
	"testing"

	"github.com/bootc-go/bootc/composefs/erofs"
	"github.com/bootc-go/bootc/composefs/tree"
	"github.com/bootc-go/bootc/composefs/tree/scan"
	"github.com/bootc-go/bootc/composefs/verity"
	"github.com/bootc-go/bootc/internal/testbase"
)

// TestAnImageIsAsGoodAsADirectory takes the pristine tree out of a composefs
// image of a real system, as a deployment does, and finds no change in the
// directory that the image was made of, and just the one that is made then.
func TestAnImageIsAsGoodAsADirectory(t *testing.T) {
	t.Parallel()
	root, err := scan.Scan(t.Context(), testbase.Tree(t), scan.Options{KeepHardlinks: true})
	must(t, err)
	for _, version := range []erofs.Version{erofs.V0, erofs.V1} {
		var image bytes.Buffer
		must(t, erofs.Write(&image, root, erofs.Options{Algorithm: verity.SHA512, Version: version}))
		read, err := erofs.Read(bytes.NewReader(image.Bytes()), int64(image.Len()))
		must(t, err)
		pristine := tree.Lookup(read, "etc")
		etc := copyDir(t, filepath.Join(testbase.Tree(t), "etc"))
		must(t, LoadAccounts(pristine, DirOpener(open(t, etc))))
		if d := compareDir(t, pristine, etc); !d.Empty() {
			t.Errorf("an untouched directory differs from its image: %v", d)
		}
		shell(t, etc, `echo 127.0.0.9 x >>hosts`)
		if d := compareDir(t, pristine, etc); len(d.Added)+len(d.Modified) != 1 {
			t.Errorf("one change is %v", d)
		}
	}
}

func compareDir(t *testing.T, pristine *tree.Node, dir string) *Diff {
	t.Helper()
	current, err := Scan(t.Context(), dir, verity.SHA512)
	must(t, err)
	d, err := Compare(pristine, current)
	must(t, err)
	return d
}

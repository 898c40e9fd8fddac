package erofs

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bootc-go/bootc/composefs/tree"
)

func readImage(t testing.TB, img []byte) *tree.Node {
	t.Helper()
	root, err := Read(bytes.NewReader(img), int64(len(img)))
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// sameTree compares trees, of which got was read from an image, by their
// dumps.
func sameTree(t testing.TB, got, want *tree.Node) {
	t.Helper()
	g, w := dumpOf(t, got), dumpOf(t, want)
	if !bytes.Equal(g, w) {
		t.Errorf("the tree is not the one that was written (-want +got):\n%s",
			cmp.Diff(strings.Split(string(w), "\n"), strings.Split(string(g), "\n")))
	}
}

func TestReadGivesBackTheTree(t *testing.T) {
	t.Parallel()
	for name, mk := range cases {
		for _, oracle := range oracles {
			t.Run(name+"/"+oracle.name, func(t *testing.T) {
				t.Parallel()
				root := mk()
				sameTree(t, readImage(t, image(t, root, oracle.opts)), root)
			})
		}
	}
}

func TestReadMakesOneNodeOfALink(t *testing.T) {
	file := linked(inline("x"), 2)
	root := readImage(t, image(t, holding(directory(0o755), "a", file, "dir", holding(directory(0o755), "b", file)), Options{}))
	if a, b := root.Child("a"), root.Child("dir").Child("b"); a != b {
		t.Errorf("a is %p, b is %p", a, b)
	}
}

func fixture(t testing.TB, name string) []byte {
	t.Helper()
	img, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// The fixture is what cfsctl 0.9.4 made, in a repository of
// "init --erofs-version 2", of a directory with the files of pinnedSmall by
// "create-image --no-propagate-usr-to-root".
func TestReadKnowsTheOldLayoutOfComposefsRs(t *testing.T) {
	want := pinnedSmall()
	want.Child("nanoseconds").Mtime.Nsec = 0 // the old layout has none
	sameTree(t, readImage(t, fixture(t, "composefs-rs-0.9.4-v2.erofs")), want)
}

// The fixture was made like the other one, with version 1, of a directory that
// is opaque itself and holds a whiteout: composefs-rs writes an xattr twice
// then.
func TestReadTakesMarksOfWhiteoutsThatAreThereTwice(t *testing.T) {
	dir := holding(directory(0o755), "gone", whiteout(), "file", inline("f"))
	sameTree(t, readImage(t, fixture(t, "composefs-rs-0.9.4-twice.erofs")), holding(directory(0o755), "dir", dir))
}

func TestObjects(t *testing.T) {
	again := external(5000, "b")
	root := holding(directory(0o755), "z", external(4000, "a"), "a", again, "dir", holding(directory(0o755), "c", again, "d", inline("d"), "e", external(80, "a")))
	want := []string{external(1, "a").File.Payload, again.File.Payload}
	if want[0] > want[1] {
		want[0], want[1] = want[1], want[0]
	}
	if diff := cmp.Diff(want, Objects(root)); diff != "" {
		t.Error(diff)
	}
}

// failingReader has a bad sector.
type failingReader struct {
	io.ReaderAt
	from int64
}

var errSector = errors.New("bad sector")

func (r failingReader) ReadAt(b []byte, off int64) (int, error) {
	if off+int64(len(b)) > r.from {
		return 0, errSector
	}
	return r.ReaderAt.ReadAt(b, off)
}

func TestReadReportsTheReadersError(t *testing.T) {
	img := image(t, cases["big directory"](), Options{})
	for _, from := range []int64{0, 20_000, 300_000} {
		_, err := Read(failingReader{bytes.NewReader(img), from}, int64(len(img)))
		if !errors.Is(err, errSector) {
			t.Errorf("from %d: %v", from, err)
		}
	}
}

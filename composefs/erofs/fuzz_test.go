package erofs

import (
	"bytes"
	"maps"
	"slices"
	"testing"

	"github.com/bootc-go/bootc/composefs/tree"
)

// fuzzImages are images that FuzzRead starts from, in a fixed order; small
// ones, as each is read and written thousands of times.
func fuzzImages(t testing.TB) [][]byte {
	t.Helper()
	images := [][]byte{fixture(t, "composefs-rs-0.9.4-v2.erofs"), fixture(t, "composefs-rs-0.9.4-twice.erofs")}
	for _, name := range slices.Sorted(maps.Keys(cases)) {
		if img := image(t, cases[name](), Options{MaxVersion: V1}); len(img) <= 16<<10 {
			images = append(images, img)
		}
	}
	return images
}

// FuzzRead checks that whatever can be read can be written, and is read the
// same then. It damages one of the images: each three bytes of patches are an
// offset and what is put there. That keeps inputs small, which go test would
// otherwise spend its time on making smaller.
func FuzzRead(f *testing.F) {
	images := fuzzImages(f)
	for i := range images {
		f.Add(uint8(i), []byte{})
		f.Add(uint8(i), []byte{0x84, 0x04, 2, 0x90, 0x10, 3, 0, 0x20, 255})
	}
	f.Fuzz(func(t *testing.T, which uint8, patches []byte) {
		img := bytes.Clone(images[int(which)%len(images)])
		for ; len(patches) >= 3; patches = patches[3:] {
			img[int(le.Uint16(patches))%len(img)] = patches[2]
		}
		readAgain(t, img)
	})
}

// FuzzReadBytes is the same for an image that comes from nowhere.
func FuzzReadBytes(f *testing.F) {
	f.Add(fixture(f, "composefs-rs-0.9.4-v2.erofs"))
	f.Fuzz(readAgain)
}

func readAgain(t *testing.T, img []byte) {
	t.Helper()
	first, err := Read(bytes.NewReader(img), int64(len(img)))
	if err != nil {
		return
	}
	second := again(t, first)
	// The old layout does not hide whiteouts, and so has no marks to be taken
	// off; after one round it is like the others.
	if parseHeader((*[headSize]byte)(img)).version == oldVersion {
		first, second = second, again(t, second)
	}
	sameTree(t, second, first)
}

// again writes a tree and reads it back.
func again(t *testing.T, root *tree.Node) *tree.Node {
	t.Helper()
	return readImage(t, image(t, root, Options{}))
}

package erofs

import (
	"bytes"
	"testing"

	"github.com/bootc-go/bootc/composefs/tree"
)

// FuzzRead checks that whatever can be read can be written, and is read the
// same then. The corpus is what Write makes of the cases.
func FuzzRead(f *testing.F) {
	for _, mk := range cases {
		root := mk()
		var b bytes.Buffer
		if err := Write(&b, root, Options{MaxVersion: V1}); err != nil {
			f.Fatal(err)
		}
		if b.Len() < 64<<10 {
			f.Add(b.Bytes())
		}
	}
	f.Add(newVictim(f).img)
	f.Add(fixture(f, "composefs-rs-0.9.4-v2.erofs"))
	f.Add(fixture(f, "composefs-rs-0.9.4-twice.erofs"))
	f.Fuzz(func(t *testing.T, img []byte) {
		first, err := Read(bytes.NewReader(img), int64(len(img)))
		if err != nil {
			return
		}
		second := again(t, first)
		if parseHeader((*[headSize]byte)(img)).version != oldVersion {
			sameTree(t, second, first)
		}
		// The old layout does not hide whiteouts, and so has no marks to be
		// taken off; after one round it is like the others.
		sameTree(t, again(t, second), second)
	})
}

// again writes a tree and reads it back.
func again(t *testing.T, root *tree.Node) *tree.Node {
	t.Helper()
	return readImage(t, image(t, root, Options{}))
}

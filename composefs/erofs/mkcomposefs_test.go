package erofs

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/bootc-go/bootc/composefs/tree"
	"github.com/bootc-go/bootc/composefs/verity"
	"github.com/bootc-go/bootc/internal/testtool"
)

// An oracle is a way to call mkcomposefs, and what we must do to write the same.
type oracle struct {
	name string
	args []string
	opts Options
}

// oracles are all that mkcomposefs can be told about versions. With one of the
// two options the other one is 0.
var oracles = []oracle{
	{"V0", []string{"--min-version=0"}, Options{Version: V0}},
	{"V1", []string{"--min-version=1"}, Options{Version: V1}},
	{"default", nil, Options{Version: V0, MaxVersion: V1}},
}

// image is what the C implementation writes of a dump.
func (o oracle) image(t testing.TB, dump []byte) ([]byte, error) {
	t.Helper()
	cmd := exec.Command(testtool.Path(t, "mkcomposefs"), append(o.args, "--from-file", "-", "-")...)
	var out, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(dump), &out, &stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("mkcomposefs: %w: %s", err, stderr.Bytes())
	}
	return out.Bytes(), nil
}

func image(t testing.TB, root *tree.Node, opts Options) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, root, opts); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// same compares our image of the tree with the oracle's, and returns it.
func (o oracle) same(t testing.TB, root *tree.Node) []byte {
	t.Helper()
	want, err := o.image(t, dumpOf(t, root))
	if err != nil {
		t.Fatal(err)
	}
	got := image(t, root, o.opts)
	if !bytes.Equal(got, want) {
		at := firstDifference(got, want)
		t.Fatalf("%s: %d bytes, mkcomposefs writes %d; they differ at %d (nid %d): % x, not % x",
			o.name, len(got), len(want), at, at/slotSize, excerpt(got, at), excerpt(want, at))
	}
	return got
}

func firstDifference(a, b []byte) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

func excerpt(b []byte, at int) []byte { return b[min(at, len(b)):min(at+32, len(b))] }

// fsck asks the EROFS tools about an image.
func fsck(t testing.TB, img []byte) {
	t.Helper()
	out, err := exec.Command(testtool.Path(t, "fsck.erofs"), "-d1", tempImage(t, img)).CombinedOutput()
	if err != nil || bytes.Contains(out, []byte("<E>")) {
		t.Errorf("fsck.erofs: %v: %s", err, out)
	}
}

func tempImage(t testing.TB, img []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(name, img, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// sameDigest checks that Digest agrees with the bytes.
func sameDigest(t testing.TB, root *tree.Node, img []byte, opts Options) {
	t.Helper()
	for _, opts.Algorithm = range []verity.Algorithm{verity.SHA256, verity.SHA512} {
		d, err := Digest(root, opts)
		if err != nil {
			t.Fatal(err)
		}
		if want := verity.Sum(opts.Algorithm, img); d != want {
			t.Errorf("Digest = %v, the image's is %v", d, want)
		}
	}
}

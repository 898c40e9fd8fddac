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

// mkcomposefs is the image that the C implementation writes of a dump.
func mkcomposefs(t testing.TB, dump []byte, version Version) ([]byte, error) {
	t.Helper()
	cmd := exec.Command(testtool.Path(t, "mkcomposefs"), "--from-file", fmt.Sprintf("--min-version=%d", version), "-", "-")
	var out, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(dump), &out, &stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("mkcomposefs: %w: %s", err, stderr.Bytes())
	}
	return out.Bytes(), nil
}

func image(t testing.TB, root *tree.Node, version Version) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, root, Options{Version: version}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// sameAsMkcomposefs compares our image of the tree with that of mkcomposefs,
// and returns it.
func sameAsMkcomposefs(t testing.TB, root *tree.Node, version Version) []byte {
	t.Helper()
	want, err := mkcomposefs(t, dumpOf(t, root), version)
	if err != nil {
		t.Fatal(err)
	}
	got := image(t, root, version)
	if !bytes.Equal(got, want) {
		at := firstDifference(got, want)
		t.Fatalf("V%d: %d bytes, mkcomposefs writes %d; they differ at %d (nid %d): % x, not % x",
			version, len(got), len(want), at, at/slotSize, window(got, at), window(want, at))
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

func window(b []byte, at int) []byte { return b[min(at, len(b)):min(at+32, len(b))] }

// fsck asks the EROFS tools about an image.
func fsck(t testing.TB, img []byte) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(name, img, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(testtool.Path(t, "fsck.erofs"), "-d1", name).CombinedOutput()
	if err != nil || bytes.Contains(out, []byte("<E>")) {
		t.Errorf("fsck.erofs: %v: %s", err, out)
	}
}

// digestOf also checks that Digest and the bytes agree.
func digestOf(t testing.TB, root *tree.Node, img []byte, version Version, alg verity.Algorithm) verity.Digest {
	t.Helper()
	d, err := Digest(root, Options{Algorithm: alg, Version: version})
	if err != nil {
		t.Fatal(err)
	}
	if want := verity.Sum(alg, img); d != want {
		t.Errorf("Digest = %v, the image's is %v", d, want)
	}
	return d
}

package layers

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bootc-go/bootc/composefs/erofs"
	"github.com/bootc-go/bootc/composefs/tree"
	"github.com/bootc-go/bootc/composefs/verity"
)

// TestMergeLikeUpstream wants the trees and image ids that cfsctl 0.9.4 makes of
// stacks which it accepts: testdata/upstream has, for each, the layers and what
// "cfsctl oci dump" and "cfsctl oci compute-id" print.
func TestMergeLikeUpstream(t *testing.T) {
	t.Parallel()
	dirs, err := filepath.Glob("testdata/upstream/*")
	if err != nil || len(dirs) < 10 {
		t.Fatalf("%d stacks, %v", len(dirs), err)
	}
	for _, dir := range dirs {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Parallel()
			blobs, err := filepath.Glob(filepath.Join(dir, "layer-*.tar.zst"))
			if err != nil || len(blobs) < 2 {
				t.Fatalf("%d layers, %v", len(blobs), err)
			}
			var layers []*memLayer
			for _, name := range blobs {
				l, err := importMem(newMemStore(), bytes.NewReader(readFile(t, name)), ImportOptions{})
				if err != nil {
					t.Fatal(err)
				}
				layers = append(layers, l)
			}
			dump, id := upstreamForm(t, layers)
			if diff := cmp.Diff(string(readFile(t, filepath.Join(dir, "dump"))), dump); diff != "" {
				t.Errorf("cfsctl (-) and we (+) differ:\n%s", diff)
			}
			if want := strings.TrimSpace(string(readFile(t, filepath.Join(dir, "id")))); id != want {
				t.Errorf("the image id is %s, want %s", id, want)
			}
		})
	}
}

// upstreamForm returns what cfsctl would print of the merged layers.
func upstreamForm(t *testing.T, layers []*memLayer) (dump, id string) {
	t.Helper()
	root, err := mergeMem(layers, 1<<16)
	if err == nil {
		err = TransformForOCI(root, KeepUserXattrs)
	}
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := tree.WriteDump(&b, root); err != nil {
		t.Fatal(err)
	}
	if err := TransformForOCI(root, AllowlistOnly); err != nil {
		t.Fatal(err)
	}
	d, err := erofs.Digest(root, erofs.Options{Algorithm: verity.SHA512, Version: erofs.V1})
	if err != nil {
		t.Fatal(err)
	}
	return b.String(), d.String()
}

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

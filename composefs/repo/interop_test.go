package repo

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bootc-go/bootc/composefs/verity"
)

// unpack unpacks a repository that composefs-rs wrote, see testdata/README.md.
func unpack(t testing.TB, name string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "repo")
	tr := tar.NewReader(bytes.NewReader(gunzip(t, name)))
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return dir
		}
		mustNil(t, err)
		path := filepath.Join(dir, filepath.FromSlash(h.Name))
		switch h.Typeflag {
		case tar.TypeDir:
			mustNil(t, os.MkdirAll(path, 0o755))
		case tar.TypeSymlink:
			mustNil(t, os.Symlink(h.Linkname, path))
		case tar.TypeReg:
			data, err := io.ReadAll(tr)
			mustNil(t, err)
			mustNil(t, os.WriteFile(path, data, 0o644))
		default:
			t.Fatalf("%s: type %c", h.Name, h.Typeflag)
		}
	}
}

func gunzip(t testing.TB, name string) []byte {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(readFile(t, filepath.Join("testdata", name))))
	mustNil(t, err)
	data, err := io.ReadAll(z)
	mustNil(t, err)
	return data
}

// fixtures opens each of the repositories.
func fixtures(t *testing.T, test func(t *testing.T, name string, r *Repo)) {
	for _, alg := range []verity.Algorithm{verity.SHA256, verity.SHA512} {
		t.Run(alg.String(), func(t *testing.T) {
			name := "cfsctl-" + alg.String()
			r := openRepo(t, unpack(t, name+".tar.gz"), OpenOptions{})
			if r.Algorithm() != alg || r.ErofsVersion() != 1 || !r.Insecure() {
				t.Errorf("opened as %s", describe(r.Algorithm(), r.Insecure(), r.ErofsVersion()))
			}
			test(t, name, r)
		})
	}
}

// TestMetadataIsTheirs: Init writes what cfsctl init does, byte for byte.
func TestMetadataIsTheirs(t *testing.T) {
	fixtures(t, func(t *testing.T, _ string, r *Repo) {
		ours := newRepo(t, r.Algorithm())
		want, got := readFile(t, filepath.Join(r.Path(), metaName)), readFile(t, filepath.Join(ours.Path(), metaName))
		if !bytes.Equal(want, got) {
			t.Errorf("meta.json is\n%s, theirs is\n%s", got, want)
		}
	})
}

// TestTheirLayers: a layer that they split comes back bit for bit.
func TestTheirLayers(t *testing.T) {
	fixtures(t, func(t *testing.T, _ string, r *Repo) {
		for _, layer := range []string{"l1.tar.gz", "l2.tar.gz"} {
			want := gunzip(t, layer)
			s, err := r.OpenStream(fmt.Sprintf("oci-layer-sha256:%x", sha256.Sum256(want)))
			mustNil(t, err)
			defer s.Close()
			if got := string(le64(int64(s.ContentType()))); got != "ocilayer" {
				t.Errorf("content type %q", got)
			}
			var got bytes.Buffer
			mustNil(t, s.Cat(&got))
			if !bytes.Equal(got.Bytes(), want) {
				t.Errorf("%s differs", layer)
			}
		}
	})
}

// TestTheirRefs walks from the tag to the layers.
func TestTheirRefs(t *testing.T) {
	fixtures(t, func(t *testing.T, _ string, r *Repo) {
		refs, err := r.StreamRefs("oci")
		if err != nil || len(refs) != 1 || refs[0].Name != "oci/localhost%2Ffixture:v1" {
			t.Fatalf("refs %v, %v", refs, err)
		}
		manifest, err := r.OpenStream("refs/" + refs[0].Name)
		mustNil(t, err)
		defer manifest.Close()
		var text bytes.Buffer
		mustNil(t, manifest.Cat(&text))
		if want := fmt.Sprintf("oci-manifest-sha256:%x", sha256.Sum256(text.Bytes())); refs[0].Target != want {
			t.Errorf("the ref leads to %s, the manifest is %s", refs[0].Target, want)
		}
		layers := 0
		for _, n := range manifest.NamedRefs() {
			s, err := r.OpenStreamObject(n.Digest)
			mustNil(t, err)
			if strings.HasPrefix(n.Name, "sha256:") {
				layers++
			}
			s.Close()
		}
		if layers != 2 {
			t.Errorf("%d layers", layers)
		}
	})
}

// TestTheirObjects: what they store we find, and do not store again.
func TestTheirObjects(t *testing.T) {
	fixtures(t, func(t *testing.T, _ string, r *Repo) {
		entries, err := r.list(objectsName)
		mustNil(t, err)
		im := r.NewImporter()
		for _, e := range entries {
			ds, err := r.listObjectDir(e.Name())
			mustNil(t, err)
			for _, d := range ds {
				if got := put(t, im, readFile(t, objectFile(r, d))); got != d {
					t.Errorf("their %s is our %s", d, got)
				}
			}
		}
		if s := im.Stats(); s.Objects != 0 || s.ReusedObjects != 14 {
			t.Errorf("stats %+v", s)
		}
	})
}

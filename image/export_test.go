package image_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/bootc-go/bootc/image"
	"github.com/bootc-go/bootc/image/registrytest"
)

// export is the image of a layout as tars.
func export(t *testing.T) (image.Export, *registrytest.Built) {
	t.Helper()
	spec := osSpec()
	for i := range spec.Layers {
		spec.Layers[i].Compression = registrytest.None
	}
	built := registrytest.Build(t, spec)
	e := image.Export{Config: built.Config, Annotations: map[string]string{"com.example.a": "b"}}
	for i, l := range built.Layers {
		data := built.Blobs[l.Digest]
		e.Layers = append(e.Layers, image.ExportLayer{DiffID: built.DiffIDs[i], Size: l.Size, Open: func() (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(data)), nil
		}})
	}
	return e, built
}

func ref(t *testing.T, text string) image.Reference {
	t.Helper()
	r, err := image.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestExport: what is written is the image, says skopeo.
func TestExport(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"oci:/l:1", "dir:/d", "oci-archive:/a.tar:1", "containers-storage:"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, built := export(t)
			dir := t.TempDir()
			to := strings.Replace(name, ":", ":"+dir, 1)
			if name == "containers-storage:" {
				to = "containers-storage:[vfs@" + dir + "/root+" + dir + "/run]localhost/bootc:latest"
			}
			d, err := e.Write(t.Context(), ref(t, to), image.Options{})
			if err != nil {
				t.Fatal(err)
			}
			raw := skopeo(t, "inspect", "--raw", to)
			if digest.FromBytes(raw) != d {
				t.Errorf("the manifest's digest is %s, not %s", digest.FromBytes(raw), d)
			}
			if !bytes.Contains(raw, []byte(`"com.example.a":"b"`)) {
				t.Errorf("no annotations: %s", raw)
			}
			im := open(t, to, newSystem(t).options())
			checkAgainstSkopeo(t, im, to)
			if !bytes.Equal(im.Config, built.Config) {
				t.Error("another configuration")
			}
			for i, l := range im.Layers {
				if l.Digest != built.DiffIDs[i] {
					t.Errorf("layer %d is %s, not %s", i, l.Digest, built.DiffIDs[i])
				}
			}
		})
	}
}

// TestExportRefuses: a layer with wrong bytes makes no image.
func TestExportRefuses(t *testing.T) {
	t.Parallel()
	whole, _ := export(t)
	size := whole.Layers[1].Size
	broken := errors.New("the disk is broken")
	for _, c := range []struct {
		open func() (io.ReadCloser, error)
		want error
	}{
		{func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("no tar")), nil }, image.ErrCorrupt},
		{func() (io.ReadCloser, error) { return nil, broken }, broken},
		{func() (io.ReadCloser, error) {
			return io.NopCloser(io.MultiReader(strings.NewReader("x"), failing{broken})), nil
		}, broken},
		{func() (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(make([]byte, size))), nil
		}, image.ErrCorrupt},
	} {
		e, _ := export(t)
		e.Layers[1].Open = c.open
		dir := filepath.Join(t.TempDir(), "l")
		_, err := e.Write(t.Context(), ref(t, "oci:"+dir+":1"), image.Options{})
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), "layer 2 of 3") {
			t.Errorf("%v, want %v", err, c.want)
		}
		if data, err := os.ReadFile(dir + "/index.json"); err == nil && bytes.Contains(data, []byte("ref.name")) {
			t.Errorf("the image is there: %s", data)
		}
	}
	e, _ := export(t)
	if _, err := e.Write(t.Context(), ref(t, "quay.io/acme/os:1"), image.Options{}); err == nil || !strings.Contains(err.Error(), "oci-archive") {
		t.Error(err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

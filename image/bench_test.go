package image_test

import (
	"io"
	"testing"

	"github.com/bootc-go/bootc/image"
	"github.com/bootc-go/bootc/image/registrytest"
)

// BenchmarkLayer reads a layer from a registry on this machine, whose own work
// is included.
func BenchmarkLayer(b *testing.B) {
	reg := registrytest.New(b)
	built := registrytest.Build(b, registrytest.Image{Layers: []registrytest.Layer{
		{Entries: []registrytest.Entry{registrytest.File("big", registrytest.Random(1, 64<<20))}},
	}})
	reg.Push("acme/os", "44", built)
	ref, err := image.Parse(reg.Name("acme/os:44"))
	if err != nil {
		b.Fatal(err)
	}
	root := b.TempDir()
	im, err := image.Open(b.Context(), ref, image.Options{Root: root, PolicyPath: writePolicy(b, root), InsecureTLS: true, AnyPlatform: true})
	if err != nil {
		b.Fatal(err)
	}
	defer im.Close()
	b.SetBytes(built.Layers[0].Size)
	b.ReportAllocs()
	buf := make([]byte, 128<<10)
	for b.Loop() {
		r, err := im.OpenLayer(b.Context(), 0)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, r, buf); err != nil {
			b.Fatal(err)
		}
		r.Close()
	}
}

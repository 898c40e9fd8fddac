package conform

import (
	"testing"
	"testing/fstest"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// FuzzCheck puts anything in the place of each document, and of a layer. Whatever it is,
// the check ends, and what it reports is in the rules.
func FuzzCheck(f *testing.F) {
	fix := valid()
	for name, file := range fix.write(f) {
		if name != "blobs" {
			f.Add(file.Data, uint8(0))
			f.Add(file.Data, uint8(3))
		}
	}
	f.Add([]byte(`{"layers":[{"digest":"sha256:","size":1e3}],"config":{},"manifests":[[]]}`), uint8(1))
	f.Add([]byte(`{"rootfs":{"diff_ids":[null,"a:b"]},"history":[{}],"config":{"Env":[1]}}`), uint8(2))
	f.Fuzz(func(t *testing.T, data []byte, as uint8) {
		fsys := fstest.MapFS{"oci-layout": {Data: data}}
		put := func(data []byte) obj {
			d := digest.FromBytes(data)
			fsys[blobPath(d)] = &fstest.MapFile{Data: data}
			return obj{"digest": d, "size": len(data)}
		}
		with := func(o obj, mediaType string) obj { o["mediaType"] = mediaType; return o }
		config := put([]byte(`{"rootfs":{"diff_ids":["` + sha256a + `"]}}`))
		layer := put([]byte("x"))
		switch as % 4 {
		case 0:
			fsys["index.json"] = &fstest.MapFile{Data: data}
		case 2:
			config = put(data)
		case 3:
			layer = put(data)
		}
		manifest := put(encode(t, obj{"config": with(config, v1.MediaTypeImageConfig), "layers": []any{with(layer, typeGzip)}}, nil))
		if as%4 == 1 {
			manifest = put(data)
		}
		if as%4 != 0 {
			fsys["index.json"] = &fstest.MapFile{Data: encode(t, obj{"manifests": []any{with(manifest, v1.MediaTypeImageManifest)}}, nil)}
		}
		r, err := Layout(t.Context(), fsys, Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range r.Findings {
			if _, ok := rules[f.Code]; !ok || f.Section == "" || f.Text == "" || f.Document == "" {
				t.Errorf("%+v", f)
			}
		}
	})
}

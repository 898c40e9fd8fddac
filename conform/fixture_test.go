package conform

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"
)

// obj is a JSON object.
type obj = map[string]any

// fixture is a valid image in a layout, on its way to being written. A test changes one
// thing of it; all that follows from it is right again.
type fixture struct {
	layers   []*layerFixture
	config   obj
	manifest obj
	entry    obj // of index.json, for the manifest
	index    obj // index.json
	marker   obj // oci-layout

	// These change what was written.
	configText, manifestText, indexText func(string) string
	files                               func(fstest.MapFS)

	extra      map[string]string // blobs beside
	configDesc obj               // the config is {}, described by this
	noConfig   bool              // its blob is left out
	direct     bool              // the manifest is checked without a layout
}

// artifact makes the image an artifact.
func (f *fixture) artifact(config obj) {
	f.configDesc = obj{"digest": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a", "size": 2}
	maps.Copy(f.configDesc, config)
}

// onlyIndex leaves nothing of the layout but its two files and an empty directory.
func (f *fixture) onlyIndex() {
	f.files = func(m fstest.MapFS) {
		maps.DeleteFunc(m, func(name string, _ *fstest.MapFile) bool { return strings.HasPrefix(name, "blobs/") })
	}
}

type layerFixture struct {
	entries   []tar.Header
	mediaType string
	tar, blob []byte // instead of what follows from the entries
	diffID    digest.Digest
	desc      obj  // what else the descriptor has, or has instead
	noBlob    bool // is left out
	sha512    bool // the blob's digest
}

// reg, dir and so on are entries of tars.
func reg(name, content string) tar.Header {
	return tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(content)), PAXRecords: nil, Linkname: content}
}

func dir(name string) tar.Header { return tar.Header{Name: name, Typeflag: tar.TypeDir, Mode: 0o755} }

func link(name, target string) tar.Header {
	return tar.Header{Name: name, Typeflag: tar.TypeLink, Linkname: target}
}

const (
	typeGzip = "application/vnd.oci.image.layer.v1.tar+gzip"
	typeZstd = "application/vnd.oci.image.layer.v1.tar+zstd"
	typeTar  = "application/vnd.oci.image.layer.v1.tar"
)

// valid is an image with nothing to find.
func valid() *fixture {
	return &fixture{
		layers: []*layerFixture{
			{mediaType: typeGzip, entries: []tar.Header{
				dir("./"), dir("etc/"), reg("etc/passwd", "root\n"), reg("etc/old", ""), dir("bin"), reg("bin/sh", "#!"), link("bin/bash", "bin/sh"),
				{Name: "bin/ping", Typeflag: tar.TypeReg, PAXRecords: map[string]string{"SCHILY.xattr.security.capability": "x"}},
				{Name: "dev", Typeflag: tar.TypeSymlink, Linkname: "/run"},
			}},
			{mediaType: typeZstd, entries: []tar.Header{dir("etc/"), reg("etc/.wh.old", ""), reg("etc/new", "n")}},
			{mediaType: typeTar, entries: []tar.Header{reg("etc/motd", "hi")}},
		},
		config: obj{
			"architecture": "amd64", "os": "linux", "created": "2026-01-02T03:04:05.6Z", "author": "A",
			"config": obj{
				"User": "root:root", "Env": []any{"PATH=/bin"}, "Cmd": []any{"/sbin/init"}, "ExposedPorts": obj{"80/tcp": obj{}, "53/udp": obj{}, "1": obj{}},
				"Volumes": obj{"/var": obj{}}, "WorkingDir": "/", "StopSignal": "SIGRTMIN+3",
				"Labels": obj{"containers.bootc": "1", "org.opencontainers.image.licenses": "MIT AND (Apache-2.0 OR GPL-2.0-only WITH Classpath-exception-2.0)"},
			},
			"history": []any{obj{"created": "2026-01-02T03:04:05Z"}, obj{"empty_layer": true}, obj{"created_by": "x"}, obj{"comment": "y"}},
		},
		manifest: obj{
			"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
			"annotations": obj{
				"org.opencontainers.image.created": "2026-01-02T03:04:05+01:00", "org.opencontainers.image.url": "https://example.com/a?b=%20",
				"org.opencontainers.image.base.name": "quay.io/acme/base:1", "org.opencontainers.image.base.digest": "sha256:" + strings.Repeat("a", 64),
				"com.example.empty": "",
			},
		},
		entry: obj{
			"mediaType": "application/vnd.oci.image.manifest.v1+json", "platform": obj{"architecture": "amd64", "os": "linux", "variant": "v2"},
			"annotations": obj{"org.opencontainers.image.ref.name": "quay.io/acme/os:44"},
		},
		index:  obj{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json"},
		marker: obj{"imageLayoutVersion": "1.0.0"},
		extra:  map[string]string{},
	}
}

// write writes the layout.
func (f *fixture) write(t testing.TB) fstest.MapFS {
	t.Helper()
	fsys := fstest.MapFS{"blobs": {Mode: 0o755 | 1<<31}}
	put := func(data []byte) digest.Digest {
		d := digest.FromBytes(data)
		fsys[blobPath(d)] = &fstest.MapFile{Data: data}
		return d
	}
	descs, diffs := []any{}, []any{}
	for _, l := range f.layers {
		blob, diff := l.write()
		d := digest.FromBytes(blob)
		if l.sha512 {
			d = digest.SHA512.FromBytes(blob)
		}
		if !l.noBlob {
			fsys[blobPath(d)] = &fstest.MapFile{Data: blob}
		}
		desc := obj{"mediaType": l.mediaType, "digest": d.String(), "size": len(blob)}
		maps.Copy(desc, l.desc)
		descs, diffs = append(descs, clear(desc)), append(diffs, diff.String())
	}
	set(f.config, "rootfs", obj{"type": "layers", "diff_ids": diffs})
	config := encode(t, f.config, f.configText)
	desc := obj{"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest.FromBytes(config).String(), "size": len(config)}
	if f.configDesc != nil {
		config, desc = []byte("{}"), f.configDesc
	}
	if !f.noConfig {
		put(config)
	}
	set(f.manifest, "layers", descs)
	set(f.manifest, "config", desc)
	manifest := encode(t, f.manifest, f.manifestText)
	for name, content := range f.extra {
		fsys[name] = &fstest.MapFile{Data: []byte(content)}
	}
	set(f.entry, "digest", put(manifest).String())
	set(f.entry, "size", len(manifest))
	set(f.index, "manifests", []any{clear(f.entry)})
	fsys["index.json"] = &fstest.MapFile{Data: encode(t, f.index, f.indexText)}
	fsys["oci-layout"] = &fstest.MapFile{Data: encode(t, f.marker, nil)}
	if f.files != nil {
		f.files(fsys)
	}
	return fsys
}

// absent stands for a member that is left out.
type absent struct{}

func clear(o obj) obj {
	maps.DeleteFunc(o, func(_ string, v any) bool { return v == absent{} })
	return o
}

// set sets a member, unless the test did. One that is a function of the right value is
// called.
func set(o obj, name string, value any) {
	switch v := o[name].(type) {
	case nil:
		o[name] = value
	case func(obj):
		m, _ := value.(obj)
		v(m)
		o[name] = clear(m)
	case func([]any) []any:
		a, _ := value.([]any)
		o[name] = v(a)
	}
}

func encode(t testing.TB, o obj, change func(string) string) []byte {
	t.Helper()
	data, err := json.Marshal(clear(o))
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		text := change(string(data))
		if text == string(data) {
			t.Fatalf("nothing was changed in %s", data)
		}
		return []byte(text)
	}
	return data
}

// write returns the layer's blob and the digest of its tar.
func (l *layerFixture) write() (blob []byte, diffID digest.Digest) {
	data := l.tar
	if data == nil {
		data = tarOf(l.entries)
	}
	blob, diffID = compress(l.mediaType, data), digest.FromBytes(data)
	if l.blob != nil {
		blob = l.blob
	}
	if l.diffID != "" {
		diffID = l.diffID
	}
	return blob, diffID
}

func tarOf(entries []tar.Header) []byte {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, h := range entries {
		content := ""
		if h.Typeflag == tar.TypeReg {
			content, h.Linkname = h.Linkname, ""
		}
		h.ModTime = time.Unix(1, 0)
		if err := w.WriteHeader(&h); err != nil {
			panic(err)
		}
		if _, err := w.Write([]byte(content)); err != nil {
			panic(err)
		}
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return buf.Bytes()
}

func compress(mediaType string, data []byte) []byte {
	var buf bytes.Buffer
	switch {
	case strings.Contains(mediaType, "gzip"):
		w := gzip.NewWriter(&buf)
		_, _ = w.Write(data)
		_ = w.Close()
	case strings.Contains(mediaType, "zstd"):
		w, err := zstd.NewWriter(&buf)
		if err != nil {
			panic(err)
		}
		_, _ = w.Write(data)
		_ = w.Close()
	default:
		return data
	}
	return buf.Bytes()
}

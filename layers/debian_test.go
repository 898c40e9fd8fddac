package layers

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	"go.podman.io/storage/pkg/chunked/compressor"

	"github.com/bootc-go/bootc/composefs/oci"
	"github.com/bootc-go/bootc/composefs/repo"
	"github.com/bootc-go/bootc/composefs/tree"
	"github.com/bootc-go/bootc/composefs/verity"
	"github.com/bootc-go/bootc/internal/testtool"
)

// debianLayer is the tar of a few hundred files of the system that runs the
// test, and their listing.
func debianLayer(t testing.TB) (data []byte, files listing) {
	t.Helper()
	var names []string
	for _, pattern := range []string{"/usr/share/doc/[a-c]*", "/usr/bin/[a-b]*", "/etc/*.d", "/usr/lib/os-release"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, found[:min(len(found), 30)]...)
	}
	dir := t.TempDir()
	for i := range names {
		names[i] = strings.TrimPrefix(names[i], "/")
	}
	cp := exec.Command("cp", append(append([]string{"-a", "--parents"}, names...), dir)...)
	cp.Dir = "/"
	if out, err := cp.CombinedOutput(); err != nil {
		t.Fatalf("cp: %v\n%s", err, out)
	}
	setTimes(t, dir, 0)
	// Debian's skopeo 1.9 cuts tars off behind two zero blocks when it makes
	// zstd:chunked of them, so that its diff_ids are wrong: leave no more.
	data = gnuTar(t, dir, "--format=gnu", "--blocking-factor=1")
	files = listDir(t, dir)
	if len(files) < 200 {
		t.Fatalf("the system has only %d files to test with", len(files))
	}
	return data, files
}

// eStargz compresses as stargz-snapshotter does: a gzip member for each file,
// and an empty one with an extra field at the end.
func eStargz(t testing.TB, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	src := &sliceBlocks{data}
	r := headerReader{src: src}
	start := 0
	flush := func() {
		end := len(data) - len(src.data)
		w, err := gzip.NewWriterLevel(&b, 9)
		if err != nil {
			t.Fatal(err)
		}
		if _, err = w.Write(data[start:end]); err == nil {
			err = w.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		start = end
	}
	for {
		h, err := r.next()
		if err != nil {
			src.data = nil
			flush()
			break
		}
		if err := src.skip(h.size + int64(h.padding())); err != nil {
			t.Fatal(err)
		}
		flush()
	}
	w := gzip.NewWriter(&b)
	w.Extra = append([]byte{'S', 'G', 22, 0}, fmt.Sprintf("%016xSTARGZ", start)...)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func zstdChunked(t testing.TB, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := compressor.ZstdCompressor(&b, map[string]string{}, nil)
	if err == nil {
		_, err = w.Write(data)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestDebianLayer stores real files, compressed in every way, in a repository:
// the tar comes back bit for bit, and merging gives the files.
func TestDebianLayer(t *testing.T) {
	t.Parallel()
	data, files := debianLayer(t)
	blobs := map[string][]byte{
		"uncompressed": data,
		"gzip":         pipe(t, data, "gzip", "-c"),
		"pigz":         pipe(t, data, "pigz", "-c"),
		"zstd":         pipe(t, data, "zstd", "-c"),
		"zstd:chunked": zstdChunked(t, data),
		"eStargz":      eStargz(t, data),
	}
	r := testRepo(t)
	var streams []verity.Digest
	for name, blob := range blobs {
		im := r.NewImporter()
		res, err := Import(context.Background(), r, im, iotest.HalfReader(bytes.NewReader(blob)), ImportOptions{DiffID: digest.FromBytes(data)})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if res.TarSize != int64(len(data)) || res.Entries != int64(len(files)) || res.DiffID != digest.FromBytes(data) {
			t.Errorf("%s: %+v; want %d bytes, %d entries", name, res, len(data), len(files))
		}
		if len(streams) > 0 && im.Stats().Objects > 0 {
			t.Errorf("%s: %d objects are new", name, im.Stats().Objects)
		}
		streams = append(streams, res.Stream)
	}
	slices.SortFunc(streams, func(a, b verity.Digest) int { return strings.Compare(a.String(), b.String()) })
	if len(slices.Compact(streams)) != 1 {
		t.Error("the splitstream depends on the compression")
	}
	checkStored(t, r, streams[0], data, files)
}

// checkStored reads a layer back in both ways.
func checkStored(t *testing.T, r *repo.Repo, stream verity.Digest, data []byte, files listing) {
	t.Helper()
	s, err := r.OpenStreamObject(stream)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := s.Cat(&b); err != nil || !bytes.Equal(b.Bytes(), data) {
		t.Errorf("the splitstream does not give the tar back: %d bytes of %d, %v", b.Len(), len(data), err)
	}
	if s.Size() != uint64(len(data)) || s.ContentType() != oci.ContentTypeLayer {
		t.Errorf("splitstream of %d bytes, type %x", s.Size(), s.ContentType())
	}
	s.Close()
	root, err := Merge(context.Background(), r, []oci.Layer{{ID: digest.FromBytes(data), Stream: stream}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(files, listTree(root, storeOf(t, r, root))); diff != "" {
		t.Errorf("the files (-) and the merged tree (+) differ:\n%s", diff)
	}
}

// storeOf reads the objects of a tree.
func storeOf(t *testing.T, r *repo.Repo, root *tree.Node) *memStore {
	t.Helper()
	store := newMemStore()
	err := tree.Walk(root, func(_ string, n *tree.Node) error {
		if n.File == nil || n.File.Size <= maxInline {
			return nil
		}
		f, err := r.OpenObject(n.File.Digest)
		if err != nil {
			return err
		}
		defer f.Close()
		data, err := io.ReadAll(f)
		if n.File.Payload != n.File.Digest.ObjectPath() {
			t.Errorf("payload %s of object %s", n.File.Payload, n.File.Digest)
		}
		store.objects[n.File.Digest] = data
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// TestSkopeoLayers imports what skopeo makes of a layer.
func TestSkopeoLayers(t *testing.T) {
	t.Parallel()
	data, files := debianLayer(t)
	dir := t.TempDir()
	writeLayout(t, filepath.Join(dir, "plain"), data)
	for format, want := range map[string]Compression{"gzip": Gzip, "zstd": Zstd, "zstd:chunked": Zstd} {
		out := filepath.Join(dir, strings.ReplaceAll(format, ":", "-"))
		cmd := exec.Command(testtool.Path(t, "skopeo"), "--insecure-policy", "copy", "--dest-compress", "--dest-compress-format", format,
			"oci:"+filepath.Join(dir, "plain")+":latest", "oci:"+out+":latest")
		if msg, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("skopeo: %v\n%s", err, msg)
		}
		blobs, types, diffIDs := readLayout(t, out)
		r := testRepo(t)
		res, err := Import(context.Background(), r, r.NewImporter(), bytes.NewReader(blobs[0]), ImportOptions{DiffID: diffIDs[0]})
		if err != nil {
			t.Fatal(err)
		}
		if res.Compression != want {
			t.Errorf("%s, %s: %s", format, types[0], res.Compression)
		}
		checkStored(t, r, res.Stream, data, files)
	}
}

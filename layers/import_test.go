package layers

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

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

// failAfter is a blob whose bytes turn out to be wrong at its end.
func failAfter(blob []byte, err error) io.Reader {
	return io.MultiReader(bytes.NewReader(blob), iotest.ErrReader(err))
}

var errWrongBlob = errors.New("the blob's digest is wrong")

// TestImportErrors has what must fail, and what it says.
func TestImportErrors(t *testing.T) {
	t.Parallel()
	data := sampleTar(1000)
	gz := gzipped(t, data)
	badHeader := bytes.Clone(data)
	badHeader[3] ^= 1
	layer := func(entries ...stackEntry) []byte { return stackLayer(entries).tar(t) }
	with := func(e stackEntry, change func(*stackEntry)) []byte { change(&e); return layer(e) }
	other := digest.FromString("other")
	tests := []struct {
		name   string
		blob   io.Reader
		diffID digest.Digest
		is     error
		text   string
	}{
		{"another diff_id", bytes.NewReader(gz), other, ErrDiffID, "layer " + string(other) + ": the uncompressed data does not match the diff_id: its digest is " + string(digest.FromBytes(data))},
		{"bytes behind the tar count", bytes.NewReader(gzipped(t, append(bytes.Clone(data), 0))), digest.FromBytes(data), ErrDiffID, "diff_id"},
		{"a diff_id that is none", bytes.NewReader(gz), "sha256:12", digest.ErrDigestInvalidLength, "diff_id"},
		{"a wrong blob with another diff_id", failAfter(gz, errWrongBlob), other, errWrongBlob, "the blob's digest is wrong"},
		{"a wrong blob that cannot be inflated", failAfter(append(gz[:len(gz)/2:len(gz)/2], data...), errWrongBlob), "", errWrongBlob, "digest is wrong"},
		{"a wrong blob that is no tar", failAfter(gzipped(t, badHeader), errWrongBlob), "", errWrongBlob, "digest is wrong"},
		{"a wrong blob that is nothing", failAfter([]byte("<html>"), errWrongBlob), "", errWrongBlob, "digest is wrong"},
		{"a blob that fails at once", iotest.ErrReader(errWrongBlob), "", errWrongBlob, "digest is wrong"},
		{"a wrong blob that is shorter", failAfter(zstdFrame(t, data)[:300], errWrongBlob), "", errWrongBlob, "digest is wrong"},
		{"a bad checksum", bytes.NewReader(gzipped(t, badHeader)), "", ErrMalformed, "the checksum of a tar header is wrong"},
		{"a tar that ends in a file", bytes.NewReader(gzipped(t, data[:700])), "", io.ErrUnexpectedEOF, `entry "file": unexpected EOF`},
		{"a tar that ends in a header", bytes.NewReader(gzipped(t, data[:300])), "", io.ErrUnexpectedEOF, "unexpected EOF"},
		{"a truncated blob", bytes.NewReader(gz[:len(gz)-9]), "", ErrMalformed, "gzip: unexpected EOF"},
		{"a blob that is no gzip", bytes.NewReader([]byte("BZh9abc")), "", ErrUnsupported, "layer: bzip2 is not supported"},
		{"a volume label", bytes.NewReader(gnuLabel()), "", ErrUnsupported, `entry "label": entries of type 'V' are not supported`},
		{"a name with ..", bytes.NewReader(layer(file("a/../b", ""))), "", ErrUnsupported, `entry "a/../b": a name with a component ".." is not supported`},
		{"a link to ..", bytes.NewReader(layer(hardlink("a", "../b"))), "", ErrUnsupported, `entry "a": the target "../b" of the hard link: a name with`},
		{"a link to the root", bytes.NewReader(layer(hardlink("a", "./"))), "", ErrMalformed, `entry "a": the target "./" of the hard link: not a file`},
		{"a long component", bytes.NewReader(layer(file("a/"+strings.Repeat("b", 256), ""))), "", ErrUnsupported, "component of more than 255 bytes"},
		{"a long name", bytes.NewReader(layer(file(strings.Repeat("b/", 2048)+"b", ""))), "", ErrUnsupported, "a name of more than 4095 bytes"},
		{"a long target", bytes.NewReader(layer(symlink("a", strings.Repeat("b/", 2048)))), "", ErrUnsupported, "target of more than 4095 bytes"},
		{"a link without target", bytes.NewReader(layer(symlink("a", ""))), "", ErrMalformed, "the symbolic link has no target"},
		{"no name", bytes.NewReader(with(file("", ""), func(*stackEntry) {})), "", ErrMalformed, `entry "": it has no name`},
		{"a root that is a file", bytes.NewReader(layer(file(".", ""))), "", ErrMalformed, `entry ".": the root must be a directory`},
		{"a large device", bytes.NewReader(with(entryOf("a", '3', 0), func(e *stackEntry) { e.Devmajor = 4096 })), "", ErrUnsupported, "device number 4096:0"},
		{"a large user", bytes.NewReader(with(file("a", ""), func(e *stackEntry) { e.Uid = 1 << 32 })), "", ErrUnsupported, "user id 4294967296"},
		{"a negative group", bytes.NewReader(with(file("a", ""), func(e *stackEntry) { e.Gid = -1 })), "", ErrUnsupported, "group id -1"},
		{"an attribute without name", bytes.NewReader(with(file("a", ""), func(e *stackEntry) { e.PAXRecords = map[string]string{"SCHILY.xattr.": "x"} })), "", ErrUnsupported, "extended attribute with a name of 0 bytes"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := testRepo(t)
			_, err := Import(context.Background(), r, r.NewImporter(), test.blob, ImportOptions{DiffID: test.diffID})
			if !errors.Is(err, test.is) || !strings.Contains(err.Error(), test.text) {
				t.Errorf("error %v; want %v, %q", err, test.is, test.text)
			}
		})
	}
}

func gnuLabel() []byte {
	b := make([]byte, 3*blockSize)
	copy(b, "label")
	b[typeflagAt] = 'V'
	setChecksum(b[:blockSize])
	return b
}

// TestNothingIsStoredOfABadLayer: the diff_id is verified before the splitstream
// becomes an object.
func TestNothingIsStoredOfABadLayer(t *testing.T) {
	t.Parallel()
	r := testRepo(t)
	im := r.NewImporter()
	_, err := Import(context.Background(), r, im, bytes.NewReader(stackLayer{directory("a", 0o755)}.tar(t)), ImportOptions{DiffID: digest.FromString("")})
	if !errors.Is(err, ErrDiffID) || im.Stats().Objects != 0 {
		t.Errorf("error %v, %d objects", err, im.Stats().Objects)
	}
}

// TestImportIsCancelled between entries, in a large file and behind the archive.
func TestImportIsCancelled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	endless := io.MultiReader(bytes.NewReader(sampleTar(100)), repeat(zeroBlock[:]))
	time.AfterFunc(20*time.Millisecond, cancel)
	if _, err := importLayer(ctx, newMemStore(), discardStream{}, endless, ImportOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	entry := stackLayer{directory("a", 0o755)}.tar(t)[:blockSize]
	ctx, cancel = context.WithCancel(context.Background())
	time.AfterFunc(20*time.Millisecond, cancel)
	if _, err := importLayer(ctx, newMemStore(), discardStream{}, repeat(entry), ImportOptions{}); !errors.Is(err, context.Canceled) && !errors.Is(err, ErrUnsupported) {
		t.Errorf("error %v", err)
	}
}

// discardStream is a splitstream that nobody wants.
type discardStream struct{}

func (discardStream) WriteInline([]byte) error                 { return nil }
func (discardStream) WriteExternal(verity.Digest, int64) error { return nil }

// repeat yields data again and again.
func repeat(data []byte) io.Reader { return &repeater{data: data} }

type repeater struct {
	data []byte
	pos  int
}

func (r *repeater) Read(p []byte) (int, error) {
	n := copy(p, r.data[r.pos:])
	r.pos = (r.pos + n) % len(r.data)
	return n, nil
}

// TestImportIsBounded: what a header claims is not allocated, and a bomb is a
// file like any other.
func TestImportIsBounded(t *testing.T) {
	claim := func(typeflag byte) []byte {
		b := make([]byte, blockSize)
		copy(b, "bomb")
		copy(fieldSize.of(b), octal(10<<30, 12))
		copy(fieldMagic.of(b), "ustar\x0000")
		b[typeflagAt] = typeflag
		setChecksum(b)
		return b
	}
	tests := []struct {
		name string
		blob io.Reader
		text string
	}{
		{"a file that is not there", bytes.NewReader(claim('0')), "unexpected EOF"},
		{"an extended header", bytes.NewReader(claim('x')), "extended headers of more than"},
		{"a global header", bytes.NewReader(claim('g')), "extended headers of more than"},
		{"a long name", bytes.NewReader(claim('L')), "extended headers of more than"},
		{"many long names", repeat(append(bytes.Clone(longName()), make([]byte, 1<<19)...)), "extended headers of more than"},
		{"a gigabyte of zeros", bytes.NewReader(bomb(t, claim('0'))), "unexpected EOF"},
		{"entries without end", repeat(bytes.Repeat(directoryBlock(), 100)), "more than 1048576 files"},
		{"inline data without end", io.MultiReader(bytes.NewReader(make([]byte, 1024)), repeat(bytes.Repeat([]byte("garbage"), 10000))), "more than 2147483648 bytes besides"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := importLayer(context.Background(), &namedStore{}, discardStream{}, test.blob, ImportOptions{})
			runtime.ReadMemStats(&after)
			if err == nil || !strings.Contains(err.Error(), test.text) {
				t.Errorf("error %v, want %q", err, test.text)
			}
			if n := after.TotalAlloc - before.TotalAlloc; n > 16<<20 {
				t.Errorf("%d bytes were allocated", n)
			}
		})
	}
}

func directoryBlock() []byte {
	b := make([]byte, blockSize)
	copy(b, "d")
	b[typeflagAt] = typeDir
	setChecksum(b)
	return b
}

func longName() []byte {
	b := make([]byte, blockSize)
	b[typeflagAt] = typeLongName
	copy(fieldSize.of(b), octal(1<<19, 11))
	setChecksum(b)
	return b
}

// bomb compresses a gigabyte behind a header to a megabyte.
func bomb(t *testing.T, header []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(header); err != nil {
		t.Fatal(err)
	}
	zeros := make([]byte, 1<<20)
	for range 1 << 10 {
		if _, err := w.Write(zeros); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

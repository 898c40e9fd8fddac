package layers

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/bootc-go/bootc/composefs/verity"
)

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

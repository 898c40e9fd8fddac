package layers

import (
	"context"
	"errors"
	"io"
	"iter"

	"github.com/opencontainers/go-digest"

	"github.com/bootc-go/bootc/composefs/oci"
	"github.com/bootc-go/bootc/composefs/repo"
	"github.com/bootc-go/bootc/composefs/tree"
	"github.com/bootc-go/bootc/composefs/verity"
)

// Errors that callers branch on.
var (
	// ErrDiffID says that a layer's tar is not the one that the image's config
	// names.
	ErrDiffID = errors.New("the uncompressed data does not match the diff_id")
	// ErrUnsupported says that a layer is well-formed but holds something that
	// is refused: a sparse file, a compression that is not known, too much of
	// anything.
	ErrUnsupported = errors.New("not supported")
	// ErrMalformed says that a layer is damaged.
	ErrMalformed = errors.New("malformed")
)

var errTODO = errors.New("not written yet")

// Compression is how a layer is compressed.
type Compression uint8

// The compressions that are read.
const (
	Uncompressed Compression = iota
	Gzip
	Zstd
)

// String is the compression's name: "gzip".
func (c Compression) String() string { return "" }

// Decompress returns the data of r uncompressed, and what it was compressed
// with, which the first bytes say. Reading the result to io.EOF reads r to
// io.EOF. The caller closes the result; r stays open.
func Decompress(r io.Reader) (io.ReadCloser, Compression, error) {
	return nil, Uncompressed, errTODO
}

// ImportOptions say what a layer must be.
type ImportOptions struct {
	DiffID digest.Digest // of the uncompressed tar; empty to take what comes
}

// ImportResult describes an imported layer.
type ImportResult struct {
	DiffID      digest.Digest // of the tar, verified if the options gave one
	Stream      verity.Digest // the object that holds the splitstream
	Compression Compression
	TarSize     int64 // bytes of the tar
	Entries     int64 // in the tar, whiteouts included
}

// Import reads a layer's blob to its end and stores its files as objects and
// the rest of its tar as a splitstream, which gets no name: the caller gives
// it one after [repo.Repo.Sync]. The diff_id is verified before the splitstream
// is stored. Memory does not depend on what the blob holds or claims.
//
// The blob's own digest is not looked at: blob is expected to fail instead of
// ending if its bytes are wrong, and such an error is returned before any that
// follows from it.
func Import(ctx context.Context, r *repo.Repo, im *repo.Importer, blob io.Reader, o ImportOptions) (ImportResult, error) {
	return ImportResult{}, errTODO
}

// Merge returns the file system that the layers make, applied in order, the
// lowest first.
func Merge(ctx context.Context, r *repo.Repo, layers []oci.Layer) (*tree.Node, error) {
	return nil, errTODO
}

// Entry is an entry of one layer as its tar has it. Whiteouts are entries too.
type Entry struct {
	Path string     // absolute and clean; "/" is the root
	Link string     // the target of a hard link, as Path; empty for all else
	Node *tree.Node // without children; nil for a hard link
}

// Entries reads the entries of a layer's splitstream in their order. After an
// error it ends.
func Entries(s *repo.StreamReader) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) { yield(Entry{}, errTODO) }
}

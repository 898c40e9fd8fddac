package repo

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/bootc-go/bootc/composefs/erofs"
	"github.com/bootc-go/bootc/composefs/tree"
	"github.com/bootc-go/bootc/composefs/verity"
)

var errTODO = errors.New("not written yet")

// Errors that callers branch on.
var (
	ErrNotRepository  = errors.New("not a composefs repository")
	ErrOldFormat      = errors.New("the repository has no meta.json")
	ErrReadOnly       = errors.New("the repository is read-only")
	ErrVerityRequired = errors.New("the repository has no fs-verity")
	ErrNotFound       = errors.New("not in the repository")
)

// Config is what a repository is made with. The zero Config is the usual one:
// SHA-512, fs-verity required, images of version 1.
type Config struct {
	Algorithm verity.Algorithm // 0 means SHA512
	Insecure  bool             // objects need no fs-verity
	ErofsV0   bool             // images are of version 0, as mkcomposefs writes them by default
}

// OpenOptions say how a repository is opened.
type OpenOptions struct {
	RequireVerity bool // fail with ErrVerityRequired if the repository is insecure
	ReadOnly      bool // write nothing: methods that would fail with ErrReadOnly
	NoUpgrade     bool // fail with ErrOldFormat instead of writing a missing meta.json
}

// Repo is an open repository. Its methods may be called from several
// goroutines at once.
type Repo struct{}

// Init makes a repository at path, whose parent must exist, and opens it. If
// there is one already, of the same configuration, Init opens it and created
// is false; another configuration is an error.
func Init(path string, c Config) (r *Repo, created bool, err error) { return nil, false, errTODO }

// Open opens the repository at path and holds a shared lock on it until Close.
// It waits while somebody else collects garbage.
func Open(path string, o OpenOptions) (*Repo, error) { return nil, errTODO }

// Close releases the lock.
func (r *Repo) Close() error { return errTODO }

// Path is where the repository was opened.
func (r *Repo) Path() string { return "" }

// Algorithm is the algorithm of all digests in the repository.
func (r *Repo) Algorithm() verity.Algorithm { return 0 }

// Insecure reports whether objects may lack fs-verity.
func (r *Repo) Insecure() bool { return false }

// ReadOnly reports whether the repository was opened for reading only, or
// has a feature that only newer programs may write.
func (r *Repo) ReadOnly() bool { return false }

// ErofsVersion is the version of images that the repository records: 0, 1, or
// 2, which this package reads but does not write.
func (r *Repo) ErofsVersion() int { return 0 }

// Dir is the repository's directory. It belongs to the Repo.
func (r *Repo) Dir() *os.File { return nil }

// ObjectsDir is the directory of the objects, for mounting. It belongs to the
// Repo.
func (r *Repo) ObjectsDir() (*os.File, error) { return nil, errTODO }

// HasObject reports whether the object d is there, as a regular file.
func (r *Repo) HasObject(d verity.Digest) (bool, error) { return false, errTODO }

// OpenObject opens the object d for reading. In a repository with fs-verity
// the kernel vouches for its content; in an insecure one nobody does. A
// missing object is ErrNotFound.
func (r *Repo) OpenObject(d verity.Digest) (*os.File, error) { return nil, errTODO }

// Missing returns those of ds, in their order and each once, that are not in
// the repository.
func (r *Repo) Missing(ds []verity.Digest) ([]verity.Digest, error) { return nil, errTODO }

// Sync makes durable every object stored so far.
func (r *Repo) Sync() error { return errTODO }

// ImportStats counts what an Importer met.
type ImportStats struct {
	Objects, Bytes             int64 // stored anew
	ReusedObjects, ReusedBytes int64 // were there already
}

// Add adds t to s.
func (s *ImportStats) Add(t ImportStats) {}

// Importer stores objects. It belongs to one goroutine: it holds the buffers
// and the hasher that each object needs.
type Importer struct{}

// NewImporter returns an Importer. It needs no closing.
func (r *Repo) NewImporter() *Importer { return &Importer{} }

// Put stores data as an object and returns its digest. It is idempotent.
func (im *Importer) Put(data []byte) (verity.Digest, error) { return verity.Digest{}, errTODO }

// PutHashed is Put for a caller that has computed the digest of data itself,
// say of many files at once.
func (im *Importer) PutHashed(d verity.Digest, data []byte) error { return errTODO }

// PutReader stores the size bytes that rd yields as an object, reading them
// once. Fewer or more bytes are an error, and leave nothing behind.
func (im *Importer) PutReader(rd io.Reader, size int64) (verity.Digest, error) {
	return verity.Digest{}, errTODO
}

// Stats returns what the Importer has counted so far.
func (im *Importer) Stats() ImportStats { return ImportStats{} }

// StreamWriter writes one splitstream.
type StreamWriter struct{}

// NewStream begins a splitstream; im stores it in the end.
func (r *Repo) NewStream(im *Importer, contentType uint64) *StreamWriter { return nil }

// WriteInline appends p to the stream.
func (w *StreamWriter) WriteInline(p []byte) error { return errTODO }

// WriteExternal appends the content of the object d, of size bytes.
func (w *StreamWriter) WriteExternal(d verity.Digest, size int64) error { return errTODO }

// AddObjectRef makes the stream refer to the object d without appending it,
// which keeps the object from being collected.
func (w *StreamWriter) AddObjectRef(d verity.Digest) error { return errTODO }

// AddNamedRef makes the stream refer, under a name of the caller's, to the
// splitstream or image with the digest d.
func (w *StreamWriter) AddNamedRef(name string, d verity.Digest) error { return errTODO }

// Commit stores the splitstream as an object without a name, see
// [Repo.LinkStream], and ends w.
func (w *StreamWriter) Commit() (verity.Digest, error) { return verity.Digest{}, errTODO }

// Abort ends w without storing anything. It may be called after Commit.
func (w *StreamWriter) Abort() {}

// Chunk is a piece of a stream: bytes, or an object whose content stands
// there.
type Chunk struct {
	Inline   []byte        // valid until the next call of Next
	External verity.Digest // zero if the chunk is inline
}

// NamedRef is a reference from a splitstream to another one, or to an image.
type NamedRef struct {
	Name   string
	Digest verity.Digest
}

// StreamReader reads one splitstream. It belongs to one goroutine.
type StreamReader struct{}

// OpenStreamObject opens the splitstream with the digest d, after checking
// that it has that digest. A missing one is ErrNotFound.
func (r *Repo) OpenStreamObject(d verity.Digest) (*StreamReader, error) { return nil, errTODO }

// OpenStream opens the splitstream called name: "oci-layer-sha256:…",
// "refs/…", or a digest in hexadecimal that has a link of that name.
func (r *Repo) OpenStream(name string) (*StreamReader, error) { return nil, errTODO }

// Close releases the reader.
func (s *StreamReader) Close() error { return errTODO }

// Digest is the splitstream's own digest.
func (s *StreamReader) Digest() verity.Digest { return verity.Digest{} }

// ContentType is what the writer said the stream is.
func (s *StreamReader) ContentType() uint64 { return 0 }

// Size is the length in bytes of the reassembled stream, as the splitstream
// claims it; Cat verifies it.
func (s *StreamReader) Size() uint64 { return 0 }

// ObjectRefs returns the objects that the stream refers to. The caller must
// not change the slice.
func (s *StreamReader) ObjectRefs() []verity.Digest { return nil }

// NamedRefs returns the references to other streams and images, in byte order
// of their names. The caller must not change the slice.
func (s *StreamReader) NamedRefs() []NamedRef { return nil }

// NamedRef returns the digest that name refers to.
func (s *StreamReader) NamedRef(name string) (verity.Digest, bool) { return verity.Digest{}, false }

// Next returns the next chunk, io.EOF after the last. A long run of inline
// bytes comes in several chunks.
func (s *StreamReader) Next() (Chunk, error) { return Chunk{}, errTODO }

// Cat writes the reassembled stream to w, and verifies that it has the size
// that the splitstream claims.
func (s *StreamReader) Cat(w io.Writer) error { return errTODO }

// Link is a name directly below streams or images, and the object it stands
// for.
type Link struct {
	Name   string
	Digest verity.Digest
}

// Ref is a name below streams/refs or images/refs: a root that keeps what it
// refers to from being collected.
type Ref struct {
	Name   string // below refs: "oci/localhost%2Ffoo"
	Target string // the name of a Link
}

// LinkStream gives the splitstream d the name, which is no root. An older link
// of that name is replaced at once.
func (r *Repo) LinkStream(name string, d verity.Digest) error { return errTODO }

// LookupStream returns the digest of the splitstream with that name. A link
// whose object is missing counts as no link.
func (r *Repo) LookupStream(name string) (verity.Digest, bool, error) {
	return verity.Digest{}, false, errTODO
}

// Streams lists the links of all splitstreams in byte order.
func (r *Repo) Streams() ([]Link, error) { return nil, errTODO }

// SetStreamRef makes ref refer to the splitstream whose link is called target,
// which must exist.
func (r *Repo) SetStreamRef(ref, target string) error { return errTODO }

// RemoveStreamRef removes ref and reports whether it was there.
func (r *Repo) RemoveStreamRef(ref string) (bool, error) { return false, errTODO }

// StreamRef returns the name of the link that ref refers to.
func (r *Repo) StreamRef(ref string) (target string, ok bool, err error) { return "", false, errTODO }

// StreamRefs lists the refs below the directory prefix ("oci"; "" is all), in
// byte order. Names are whole: they begin with prefix.
func (r *Repo) StreamRefs(prefix string) ([]Ref, error) { return nil, errTODO }

// WriteImage stores the image of root in the version of the repository, links
// it as an image and, if ref is not empty, makes ref refer to it.
func (r *Repo) WriteImage(root *tree.Node, ref string) (verity.Digest, error) {
	return verity.Digest{}, errTODO
}

// WriteImageVersion is WriteImage with the version of the caller's choice.
func (r *Repo) WriteImageVersion(root *tree.Node, v erofs.Version, ref string) (verity.Digest, error) {
	return verity.Digest{}, errTODO
}

// LinkImage makes the object d an image, which allows mounting it: the caller
// vouches that it was made by WriteImage or is otherwise trusted.
func (r *Repo) LinkImage(d verity.Digest) error { return errTODO }

// OpenImage opens the image called name: a digest in hexadecimal, "refs/…", or
// the name of a ref. A missing one is ErrNotFound.
func (r *Repo) OpenImage(name string) (*os.File, verity.Digest, error) {
	return nil, verity.Digest{}, errTODO
}

// HasImage reports whether d is linked as an image and its object is there.
func (r *Repo) HasImage(d verity.Digest) (bool, error) { return false, errTODO }

// Images lists the links of all images in byte order.
func (r *Repo) Images() ([]Link, error) { return nil, errTODO }

// SetImageRef makes ref refer to the image d, which must be linked.
func (r *Repo) SetImageRef(ref string, d verity.Digest) error { return errTODO }

// RemoveImageRef removes ref and reports whether it was there.
func (r *Repo) RemoveImageRef(ref string) (bool, error) { return false, errTODO }

// ImageRefs lists the refs below the directory prefix, as StreamRefs does.
func (r *Repo) ImageRefs(prefix string) ([]Ref, error) { return nil, errTODO }

// GCOptions say what GC keeps.
type GCOptions struct {
	Roots  []string // names of streams or images to keep, besides what refs refer to
	DryRun bool     // remove nothing, only count
}

// GCResult counts what GC removed, or would remove.
type GCResult struct {
	ObjectsRemoved int64
	ObjectsBytes   int64
	ImagesPruned   int64 // links and refs below images
	StreamsPruned  int64 // links and refs below streams
	TempFiles      int64 // leftovers of programs that died
}

// GC removes every object, link and leftover that no ref reaches. It waits
// until nobody else has the repository open.
func (r *Repo) GC(ctx context.Context, o GCOptions) (GCResult, error) { return GCResult{}, errTODO }

// FsckOptions say what Fsck checks.
type FsckOptions struct {
	MetadataOnly bool // do not read the objects
	Workers      int  // objects checked at once; 0 means one per CPU
}

// FsckReport is the outcome of Fsck.
type FsckReport struct {
	HasMetadata      bool
	ObjectsChecked   int64
	ObjectsCorrupted int64
	StreamsChecked   int64
	StreamsCorrupted int64
	ImagesChecked    int64
	ImagesCorrupted  int64
	BrokenLinks      int64
	MissingObjects   int64
	Findings         []Finding
}

// Finding is one kind of damage at one place.
type Finding struct {
	Kind   string        // "object-digest-mismatch", …
	Path   string        // below the repository
	Detail string        // for the reader; may be empty
	Object verity.Digest // the object that is damaged or missing, if it is one
}

// OK reports whether nothing was found.
func (f *FsckReport) OK() bool { return len(f.Findings) == 0 }

// String is the report as cfsctl fsck prints it.
func (f *FsckReport) String() string { return "" }

// MarshalJSON is the report as cfsctl fsck --json prints it, with the findings
// as data besides.
func (f *FsckReport) MarshalJSON() ([]byte, error) { return nil, errTODO }

// Fsck checks everything in the repository and reports all damage, in an
// order that depends on nothing but the damage. It changes nothing.
func (r *Repo) Fsck(ctx context.Context, o FsckOptions) (*FsckReport, error) { return nil, errTODO }

// Repair removes the damaged objects that report names, so that the next pull
// stores them anew, and returns their number.
func (r *Repo) Repair(ctx context.Context, report *FsckReport) (int, error) { return 0, errTODO }

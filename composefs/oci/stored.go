package oci

import (
	"errors"
	"fmt"
	"io"
	"syscall"

	"github.com/opencontainers/go-digest"

	"github.com/bootc-go/bootc/composefs/repo"
	"github.com/bootc-go/bootc/composefs/verity"
)

// configKey is the named reference of a manifest's stream to its config's.
func configKey(d digest.Digest) string { return "config:" + string(d) }

// stored is a document as a repository has it: a splitstream that holds nothing
// but one object, and the named references of that stream.
type stored struct {
	stream verity.Digest
	data   []byte
	refs   map[string]verity.Digest
}

// lookup reads the document whose stream has the name; it returns nil if there
// is none, or none that can be relied on.
func lookup(r *repo.Repo, name string, contentType uint64, want digest.Digest) (*stored, error) {
	stream, ok, err := r.LookupStream(name)
	if err != nil || !ok {
		return nil, err
	}
	doc, err := readDocument(r, stream, contentType, want)
	if lost(err) {
		return nil, nil // it will be stored anew
	}
	return doc, err
}

// lost reports whether err means that a document is missing or damaged. Any
// other failure to read it, such as too many open files, says nothing about it.
func lost(err error) bool {
	if errors.Is(err, syscall.EIO) {
		return false // the repository calls that damage; the document may be whole
	}
	_, mismatch := errors.AsType[*MismatchError](err)
	return mismatch || errors.Is(err, ErrNotFound) || errors.Is(err, repo.ErrDamaged)
}

// readDocument reads the document of a splitstream and compares its content
// with the digest that names it.
func readDocument(r *repo.Repo, stream verity.Digest, contentType uint64, want digest.Digest) (*stored, error) {
	s, err := r.OpenStreamObject(stream)
	if err != nil {
		return nil, err
	}
	defer s.Close() //nolint:errcheck // nothing was written
	if t := s.ContentType(); t != contentType {
		return nil, fmt.Errorf("%w: the stream's content type is %#x, not %#x", repo.ErrDamaged, t, contentType)
	}
	objects := s.ObjectRefs()
	if len(objects) != 1 {
		return nil, fmt.Errorf("%w: the stream holds %d objects, not 1", repo.ErrDamaged, len(objects))
	}
	data, err := readObject(r, objects[0])
	if err != nil {
		return nil, err
	}
	if err := checkDigest(want, data); err != nil {
		return nil, err
	}
	return &stored{stream: stream, data: data, refs: refMap(s.NamedRefs())}, nil
}

func refMap(refs []repo.NamedRef) map[string]verity.Digest {
	m := make(map[string]verity.Digest, len(refs))
	for _, ref := range refs {
		m[ref.Name] = ref.Digest
	}
	return m
}

// MismatchError is the error of a document whose content is not what its digest
// says.
type MismatchError struct{ Want, Got digest.Digest }

// Error names the digest of what is there; who opened the document names the
// other.
func (e *MismatchError) Error() string {
	return fmt.Sprintf("the content has the digest %s", e.Got)
}

func checkDigest(want digest.Digest, data []byte) error {
	if err := want.Validate(); err != nil {
		return err
	}
	if got := want.Algorithm().FromBytes(data); got != want {
		return &MismatchError{Want: want, Got: got}
	}
	return nil
}

// readObject reads an object of at most MaxDocument bytes.
func readObject(r *repo.Repo, d verity.Digest) ([]byte, error) {
	f, err := r.OpenObject(d)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, MaxDocument+1))
	if err != nil {
		return nil, fmt.Errorf("object %s: %w", d, err)
	}
	if len(data) > MaxDocument {
		return nil, fmt.Errorf("object %s: %w: more than %d bytes", d, repo.ErrDamaged, MaxDocument)
	}
	return data, nil
}

// StoredConfig is a config as the repository has it.
type StoredConfig struct {
	JSON   []byte
	Images // made of the config's layers
}

// LookupConfig returns the config with the digest d; nil if the repository has
// none, or none that can be relied on.
func LookupConfig(r *repo.Repo, d digest.Digest) (*StoredConfig, error) {
	if err := d.Validate(); err != nil {
		return nil, err
	}
	doc, err := lookup(r, ConfigName(d), ContentTypeConfig, d)
	if doc == nil {
		return nil, err
	}
	return &StoredConfig{JSON: doc.data, Images: imagesOf(doc.refs)}, nil
}

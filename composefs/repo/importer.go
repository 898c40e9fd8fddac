package repo

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/verity"
)

// ImportStats counts what an Importer met.
type ImportStats struct {
	Objects, Bytes             int64 // stored anew
	ReusedObjects, ReusedBytes int64 // were there already
}

// Add adds t to s.
func (s *ImportStats) Add(t ImportStats) {
	s.Objects += t.Objects
	s.Bytes += t.Bytes
	s.ReusedObjects += t.ReusedObjects
	s.ReusedBytes += t.ReusedBytes
}

func (s *ImportStats) count(stored bool, size int64) {
	if stored {
		s.Objects++
		s.Bytes += size
		return
	}
	s.ReusedObjects++
	s.ReusedBytes += size
}

// Importer stores objects. It belongs to one goroutine: it holds the buffers
// and the hasher that each object needs.
type Importer struct {
	r      *Repo
	hasher *verity.Hasher
	buf    []byte // of PutReader
	stats  ImportStats

	modeKnown bool // whether the umask has been seen at work
	chmod     bool // it takes bits away that objects should have
}

// NewImporter returns an Importer. It needs no closing.
func (r *Repo) NewImporter() *Importer {
	return &Importer{r: r, hasher: verity.NewHasher(r.alg)}
}

// Stats returns what the Importer has counted so far.
func (im *Importer) Stats() ImportStats { return im.stats }

// Put stores data as an object and returns its digest. It is idempotent. An
// object that is there but of another size, which a power cut may leave, is
// replaced.
func (im *Importer) Put(data []byte) (verity.Digest, error) {
	return im.putParts(data)
}

// putParts is Put for data in parts.
func (im *Importer) putParts(parts ...[]byte) (verity.Digest, error) {
	im.hasher.Reset()
	for _, p := range parts {
		im.hasher.Write(p) //nolint:errcheck // a Hasher does not fail
	}
	d := im.hasher.Sum()
	return d, im.putHashed(d, parts)
}

// PutHashed is Put for a caller that has computed the digest of data itself,
// say of many files at once.
func (im *Importer) PutHashed(d verity.Digest, data []byte) error {
	return im.putHashed(d, [][]byte{data})
}

func (im *Importer) putHashed(d verity.Digest, parts [][]byte) error {
	var size int64
	for _, p := range parts {
		size += int64(len(p))
	}
	stored, err := im.put(d, size, parts)
	if err != nil {
		return fmt.Errorf("cannot store object %s: %w", d, err)
	}
	im.stats.count(stored, size)
	im.r.rely()
	return nil
}

func (im *Importer) put(d verity.Digest, size int64, parts [][]byte) (stored bool, err error) {
	if err := im.r.checkAlgorithm(d); err != nil {
		return false, err
	}
	o := newObject(d, size)
	before, err := im.r.look(o)
	if err != nil || before == present {
		return false, err
	}
	t, err := im.newTemp(o)
	if err != nil {
		return false, err
	}
	defer t.discard()
	for _, p := range parts {
		if err := t.write(p); err != nil {
			return false, err
		}
	}
	if !im.r.insecure {
		if err := im.r.protectAs(t, d); err != nil {
			return false, err
		}
	}
	return im.r.publish(t, o, before)
}

// newTemp makes the file where it will be, which spreads the objects over the
// allocation groups of file systems that go by directories.
func (im *Importer) newTemp(o object) (*temp, error) {
	if err := im.r.writable(); err != nil {
		return nil, err
	}
	t, err := im.r.newTemp(o.dir(), objectsName)
	if errors.Is(err, unix.ENOENT) {
		if err = im.r.makeFanOut(o.dir()); err == nil {
			t, err = im.r.newTemp(o.dir(), objectsName)
		}
	}
	if err == nil && t.name != "" { // it stands elsewhere, so the directory has not been seen
		err = im.r.makeFanOut(o.dir())
	}
	return im.fixMode(t, err)
}

// makeFanOut makes the directory objects/xx.
func (r *Repo) makeFanOut(dir string) error {
	if err := makeDir(r.fd, objectsName); err != nil {
		return err
	}
	return makeDir(r.fd, dir)
}

// fixMode undoes the umask, if the file could be made at all. As the umask
// seldom takes anything away, the first file shows whether the others need the
// system call.
func (im *Importer) fixMode(t *temp, err error) (*temp, error) {
	if t == nil {
		return nil, fmt.Errorf("create file: %w", err)
	}
	if err == nil && !im.modeKnown {
		var st unix.Stat_t
		err = unix.Fstat(t.fd, &st)
		im.modeKnown, im.chmod = err == nil, st.Mode&0o7777 != fileMode
	}
	if im.chmod && err == nil {
		err = unix.Fchmod(t.fd, fileMode)
	}
	if err != nil {
		t.discard()
		return nil, err
	}
	return t, nil
}

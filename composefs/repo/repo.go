package repo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/verity"
)

// OpenOptions say how a repository is opened.
type OpenOptions struct {
	RequireVerity bool // fail with ErrVerityRequired if the repository is insecure
	ReadOnly      bool // write nothing: methods that would fail with ErrReadOnly
	NoUpgrade     bool // fail with ErrOldFormat instead of writing a missing meta.json

	// NoLock waits for no collector of garbage and keeps none out, for a look in
	// passing: what no ref reaches may go at any time. It implies ReadOnly.
	NoLock bool

	// Wait, if set, is called when somebody else's lock has to be waited for.
	Wait func()

	// Damaged opens a repository whose meta.json is missing or damaged, for
	// reading only, by what its objects look like: for Fsck.
	Damaged bool
}

// Repo is an open repository. Its methods may be called from several
// goroutines at once.
type Repo struct {
	path      string
	base      *Repo    // has what is not here; see Scratch
	dir       *os.File // O_RDONLY, which flock and syncfs need
	fd        int      // of dir
	alg       verity.Algorithm
	insecure  bool
	version   int    // of images
	readOnly  string // why nothing may be written; "" if it may
	metaError error  // what is wrong with meta.json, if the repository was opened all the same
	kernel    kernel
	barrier   barrier
	wait      func() // see OpenOptions.Wait

	objectsOnce sync.Once
	objectsDir  *os.File
	objectsErr  error

	upkeep   sync.Mutex // GC and Repair of this Repo, one at a time
	encoders sync.Pool  // of *zstd.Encoder
	decoders sync.Pool  // of *zstd.Decoder
	verified sync.Map   // digests of objects whose content was verified: the file's identity then
}

// Open opens the repository at path and holds a shared lock on it until Close.
// It waits while somebody else collects garbage, until ctx ends.
func Open(ctx context.Context, path string, o OpenOptions) (*Repo, error) {
	return open(ctx, path, o, realKernel())
}

func open(ctx context.Context, path string, o OpenOptions, k kernel) (*Repo, error) {
	r, err := openDirectory(path, k)
	if err == nil {
		r.wait = o.Wait
		if !o.NoLock {
			err = r.lock(ctx, unix.LOCK_SH)
		}
		if err == nil {
			err = r.load(o)
		}
		if err != nil {
			r.dir.Close()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("cannot open repository %s: %w", path, err)
	}
	return r, nil
}

// openDirectory opens the directory, whatever is in it.
func openDirectory(path string, k kernel) (*Repo, error) {
	fd, err := openRetry(unix.AT_FDCWD, path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) {
		return nil, fmt.Errorf("%w: %w", ErrNotRepository, err)
	}
	if err != nil {
		return nil, err
	}
	r := &Repo{path: path, dir: os.NewFile(uintptr(fd), path), fd: fd, kernel: k}
	r.barrier.used.Store(1)
	return r, nil
}

// load reads meta.json, upgrades the repository if it has none, and obeys the
// options.
func (r *Repo) load(o OpenOptions) error {
	err := r.loadMetadata()
	if errors.Is(err, ErrOldFormat) && !o.NoUpgrade && !o.ReadOnly && !o.NoLock && !o.Damaged {
		if err = r.upgrade(); err == nil {
			err = r.loadMetadata()
		}
	}
	if err != nil && o.Damaged && !errors.Is(err, ErrUnsupported) && !passing(err) {
		r.metaError, err = err, r.loadInferred()
	}
	if err != nil {
		return err
	}
	if o.RequireVerity && r.insecure {
		return ErrVerityRequired
	}
	if o.ReadOnly || o.NoLock {
		r.readOnly = "opened so"
	}
	return nil
}

// loadMetadata takes over what meta.json says, and whether fs-verity protects
// it: that is how a repository says that objects need it as well.
func (r *Repo) loadMetadata() error {
	f, err := r.openFile(metaName)
	if errors.Is(err, unix.ENOENT) {
		return r.withoutMetadata()
	}
	if err != nil {
		return badMetadata(err)
	}
	defer f.Close()
	m, err := readMetadata(f)
	if err != nil {
		return err
	}
	r.alg, _ = m.algorithm()
	r.version = m.erofsVersion()
	if unknown := m.unknownReadOnly(); len(unknown) > 0 {
		r.readOnly = "unknown features: " + strings.Join(unknown, ", ")
	}
	r.insecure, err = r.lacksVerity(f)
	return err
}

func (r *Repo) withoutMetadata() error {
	var st unix.Stat_t
	err := unix.Fstatat(r.fd, objectsName, &st, 0)
	switch {
	case err == nil:
		return ErrOldFormat
	case passing(err):
		return &os.PathError{Op: "stat", Path: objectsName, Err: err}
	}
	return ErrNotRepository
}

func (r *Repo) lacksVerity(f *os.File) (bool, error) {
	_, err := r.kernel.measure(f)
	if errors.Is(err, verity.ErrNotEnabled) || errors.Is(err, verity.ErrNotSupported) {
		return true, nil
	}
	return false, err
}

// Close releases the lock.
func (r *Repo) Close() error {
	if r.objectsDir != nil {
		r.objectsDir.Close()
	}
	return r.dir.Close()
}

// Path is where the repository was opened.
func (r *Repo) Path() string { return r.path }

// Algorithm is the algorithm of all digests in the repository.
func (r *Repo) Algorithm() verity.Algorithm { return r.alg }

// Insecure reports whether objects may lack fs-verity.
func (r *Repo) Insecure() bool {
	if r.base != nil {
		return r.base.Insecure()
	}
	return r.insecure
}

// ReadOnly reports whether the repository was opened for reading only, or
// has a feature that only newer programs may write.
func (r *Repo) ReadOnly() bool { return r.readOnly != "" }

// ErofsVersion is the version of images that the repository records: 0, 1, or
// 2, which this package reads but does not write.
func (r *Repo) ErofsVersion() int { return r.version }

// Dir is the repository's directory. It belongs to the Repo.
func (r *Repo) Dir() *os.File { return r.dir }

// ObjectsDir is the directory of the objects, for mounting. It belongs to the
// Repo.
func (r *Repo) ObjectsDir() (*os.File, error) {
	r.objectsOnce.Do(func() {
		r.objectsDir, r.objectsErr = r.openDir(objectsName, !r.ReadOnly())
	})
	if r.objectsErr != nil {
		return nil, fmt.Errorf("cannot open the objects of %s: %w", r.path, r.objectsErr)
	}
	return r.objectsDir, nil
}

// writable returns ErrReadOnly, and why, if nothing may be written.
func (r *Repo) writable() error {
	if r.readOnly != "" {
		return fmt.Errorf("%w (%s)", ErrReadOnly, r.readOnly)
	}
	return nil
}

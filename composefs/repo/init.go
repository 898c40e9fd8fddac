package repo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/verity"
)

// Init makes a repository at path, whose parent must exist, and opens it. If
// there is one already, of the same configuration, Init opens it and created
// is false; another configuration is an error. It
// waits while somebody else collects garbage, until ctx ends.
func Init(ctx context.Context, path string, c Config) (r *Repo, created bool, err error) {
	return initialize(ctx, path, c, realKernel())
}

func initialize(ctx context.Context, path string, c Config, k kernel) (*Repo, bool, error) {
	r, created, err := initOrOpen(ctx, path, c, k)
	if err != nil {
		return nil, false, fmt.Errorf("cannot initialize repository %s: %w", path, err)
	}
	return r, created, nil
}

func initOrOpen(ctx context.Context, path string, c Config, k kernel) (*Repo, bool, error) {
	madeDir, err := makeRepoDir(path)
	if err != nil {
		return nil, false, err
	}
	r, err := openDirectory(path, k)
	if err != nil {
		return nil, false, err
	}
	var created bool
	if err = r.lock(ctx, unix.LOCK_SH); err == nil {
		created, err = r.initialize(c)
	}
	if err != nil {
		r.dir.Close()
		if madeDir {
			unix.Rmdir(path) //nolint:errcheck // as it was before, if that is still possible
		}
		return nil, false, err
	}
	return r, created, nil
}

// makeRepoDir makes the directory so that only its owner can look inside: the
// objects are world-readable, and some may be set-id programs or secrets.
func makeRepoDir(path string) (made bool, err error) {
	err = unix.Mkdir(path, 0o700)
	if errors.Is(err, unix.EEXIST) {
		return false, nil
	}
	if err == nil {
		err = unix.Chmod(path, 0o700) // whatever the umask
	}
	if err != nil {
		return false, &os.PathError{Op: "mkdir", Path: path, Err: err}
	}
	return true, syncPath(filepath.Dir(filepath.Clean(path)))
}

func syncPath(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// initialize writes meta.json, unless one is there already or somebody else is
// faster.
func (r *Repo) initialize(c Config) (created bool, err error) {
	err = r.loadMetadata()
	if errors.Is(err, ErrOldFormat) {
		if err := r.agreesWithObjects(c); err != nil {
			return false, err
		}
	}
	if errors.Is(err, ErrOldFormat) || errors.Is(err, ErrNotRepository) {
		if created, err = r.writeMetadata(newMetadata(c), !c.Insecure); err == nil {
			err = r.loadMetadata()
		}
	}
	if err == nil {
		err = r.agreesWith(c)
	}
	return created, err
}

// agreesWith compares the repository with what was asked for.
func (r *Repo) agreesWith(c Config) error {
	if r.alg == c.algorithm() && r.insecure == c.Insecure && r.version == c.erofsVersion() {
		return nil
	}
	return fmt.Errorf("it exists already with another configuration: it has %s; asked for is %s",
		describe(r.alg, r.insecure, r.version), c)
}

// agreesWithObjects guards the objects of an old repository against a
// meta.json with another algorithm.
func (r *Repo) agreesWithObjects(c Config) error {
	alg, _, err := r.inferFromObjects()
	if errors.Is(err, errNoObjects) || err == nil && alg == c.algorithm() {
		return nil
	}
	if err == nil {
		err = fmt.Errorf("its objects are named by %s digests; asked for is %s", alg, c.algorithm())
	}
	return err
}

// writeMetadata makes meta.json, whole and durable, unless somebody else was
// faster. fs-verity on it says that all objects must have it.
func (r *Repo) writeMetadata(m metadata, protect bool) (created bool, err error) {
	data, err := m.encode()
	if err != nil {
		return false, fmt.Errorf("internal error: encode meta.json: %w", err)
	}
	alg, err := m.algorithm()
	if err != nil {
		return false, fmt.Errorf("internal error: %w", err)
	}
	t, err := r.newTemp(".", ".")
	if err != nil {
		return false, err
	}
	defer t.discard()
	if err = t.fill(data); err == nil && protect {
		err = r.protectMetadata(t, alg, data)
	}
	if err == nil {
		err = t.link(metaName)
	}
	if err == nil || errors.Is(err, unix.EEXIST) {
		return err == nil, r.dir.Sync()
	}
	return false, fmt.Errorf("write meta.json: %w", err)
}

// fill is for single files outside of the objects: mode, content, fsync.
func (t *temp) fill(data []byte) error {
	if err := unix.Fchmod(t.fd, fileMode); err != nil {
		return err
	}
	if err := t.write(data); err != nil {
		return err
	}
	return unix.Fsync(t.fd)
}

func (r *Repo) protectMetadata(t *temp, alg verity.Algorithm, data []byte) error {
	got, err := r.protect(t, alg)
	if errors.Is(err, verity.ErrNotSupported) {
		return fmt.Errorf("%w; a repository that is initialized as insecure does without", err)
	}
	if err == nil && !bytes.Equal(got.Bytes(), verity.Sum(alg, data).Bytes()) {
		err = fmt.Errorf("the kernel measured %s", got)
	}
	return err
}

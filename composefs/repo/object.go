package repo

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/verity"
)

// objectPath is where d is, below the repository.
func objectPath(d verity.Digest) string { return objectsName + "/" + d.ObjectPath() }

// HasObject reports whether the object d is there, as a regular file.
func (r *Repo) HasObject(d verity.Digest) (bool, error) {
	ok, err := r.statObject(d)
	if err != nil {
		return false, fmt.Errorf("cannot look for object %s: %w", d, err)
	}
	if ok {
		r.rely()
	}
	return ok, nil
}

// statObject reports whether the object d is there, as a regular file.
func (r *Repo) statObject(d verity.Digest) (bool, error) {
	if err := r.checkAlgorithm(d); err != nil {
		return false, err
	}
	var st unix.Stat_t
	err := unix.Fstatat(r.fd, objectPath(d), &st, unix.AT_SYMLINK_NOFOLLOW)
	if errors.Is(err, unix.ENOENT) {
		if r.base != nil {
			return r.base.statObject(d)
		}
		return false, nil
	}
	return err == nil && st.Mode&unix.S_IFMT == unix.S_IFREG, err
}

func (r *Repo) checkAlgorithm(d verity.Digest) error {
	if d.Algorithm() == r.alg {
		return nil
	}
	if d.IsZero() {
		return errors.New("internal error: no digest")
	}
	return fmt.Errorf("a %s digest in a repository of %s", d.Algorithm(), r.alg)
}

// OpenObject opens the object d for reading. In a repository with fs-verity
// the kernel vouches for its content; in an insecure one nobody does. A
// missing object is ErrNotFound.
func (r *Repo) OpenObject(d verity.Digest) (*os.File, error) {
	f, err := r.openObject(d)
	if err != nil {
		return nil, fmt.Errorf("cannot open object %s: %w", d, err)
	}
	return f, nil
}

func (r *Repo) openObject(d verity.Digest) (*os.File, error) {
	if err := r.checkAlgorithm(d); err != nil {
		return nil, err
	}
	f, err := r.openFile(objectPath(d))
	if errors.Is(err, unix.ENOENT) {
		if r.base != nil {
			return r.base.openObject(d)
		}
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	if !r.insecure {
		if err := r.vouched(f, d); err != nil {
			f.Close()
			return nil, err
		}
	}
	return f, nil
}

// vouched asks the kernel whether f has fs-verity and the digest d.
func (r *Repo) vouched(f *os.File, d verity.Digest) error {
	got, err := r.kernel.measure(f)
	if err == nil && got != d {
		err = fmt.Errorf("its digest is %s", got)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return nil
}

// openVerified is openObject for what the repository itself reads and acts
// upon, splitstreams and images: in an insecure repository it reads the
// object once to check its digest.
func (r *Repo) openVerified(d verity.Digest) (f *os.File, size int64, err error) {
	return r.openChecked(d, func(f *os.File, st os.FileInfo) error { return r.verifyContent(f, st.Size(), d) })
}

// openVerifiedOnce is openVerified for who opens an object again and again: it
// need not be read again as long as this Repo is open and the file is the same, and
// not changed, by what stat(2) says.
func (r *Repo) openVerifiedOnce(d verity.Digest) (f *os.File, size int64, err error) {
	return r.openChecked(d, func(f *os.File, st os.FileInfo) error {
		id := identify(st)
		if known, ok := r.verified.Load(d); ok && known == id {
			return nil
		}
		err := r.verifyContent(f, st.Size(), d)
		if err == nil {
			r.verified.Store(d, id)
		}
		return err
	})
}

// openChecked opens an object, and lets check judge it where no kernel does.
func (r *Repo) openChecked(d verity.Digest, check func(*os.File, os.FileInfo) error) (f *os.File, size int64, err error) {
	f, err = r.openObject(d)
	if err != nil {
		return nil, 0, err
	}
	st, err := f.Stat()
	if err == nil && r.insecure {
		err = check(f, st)
	}
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, st.Size(), nil
}

// identity tells a file that was verified from any other, and from itself after
// somebody wrote to it.
type identity struct {
	dev, ino     uint64
	size         int64
	mtime, ctime syscall.Timespec
}

func identify(fi os.FileInfo) identity {
	st := fi.Sys().(*syscall.Stat_t) //nolint:forcetypeassert // Linux has nothing else
	return identity{st.Dev, st.Ino, st.Size, st.Mtim, st.Ctim}
}

// verifyContent reads the whole file and checks its digest.
func (r *Repo) verifyContent(f *os.File, size int64, d verity.Digest) error {
	h := verity.NewHasher(r.alg)
	if _, err := io.Copy(h, io.NewSectionReader(f, 0, size)); err != nil {
		return err
	}
	if got := h.Sum(); got != d {
		return fmt.Errorf("%w: the digest of its content is %s", ErrDamaged, got)
	}
	return nil
}

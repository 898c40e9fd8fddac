package repo

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/verity"
)

// objectState is what stands under an object's name.
type objectState uint8

const (
	absent  objectState = iota
	present             // and whole, as far as can be told
	damaged             // to be replaced
)

// object is what an importer is about to store.
type object struct {
	digest verity.Digest
	size   int64
	path   string // below the repository
}

func newObject(d verity.Digest, size int64) object { return object{d, size, objectPath(d)} }

// dir is the object's directory in the fan-out.
func (o object) dir() string { return o.path[:len(objectsName)+len("/xx")] }

// look judges what stands under the object's name. To stand there is not
// enough: after a power cut that came before the sync, some file systems keep
// the name of a file whose content they lost in part. The size tells that in
// an insecure repository; in one with fs-verity the kernel does.
func (r *Repo) look(o object) (objectState, error) {
	here, err := r.lookHere(o)
	if here != absent || err != nil || r.base == nil {
		return here, err
	}
	if there, err := r.base.look(o); there == present || err != nil {
		return there, err
	}
	return absent, nil
}

func (r *Repo) lookHere(o object) (objectState, error) {
	if !r.insecure {
		return r.lookProtected(o.digest)
	}
	var st unix.Stat_t
	err := unix.Fstatat(r.fd, o.path, &st, unix.AT_SYMLINK_NOFOLLOW)
	switch {
	case errors.Is(err, unix.ENOENT):
		return absent, nil
	case err != nil:
		return absent, err
	case st.Mode&unix.S_IFMT == unix.S_IFREG && st.Size == o.size:
		return present, nil
	}
	return damaged, nil
}

func (r *Repo) lookProtected(d verity.Digest) (objectState, error) {
	f, err := r.openObject(d)
	if errors.Is(err, ErrNotFound) {
		return absent, nil
	}
	if err != nil {
		return damaged, nil //nolint:nilerr // whatever is wrong with it, a new object takes its place
	}
	f.Close()
	return present, nil
}

// protect makes the file immutable before anybody can find it, and returns
// the digest that the kernel measured.
func (r *Repo) protect(t *temp, alg verity.Algorithm) (d verity.Digest, err error) {
	if !t.shut {
		return d, errors.New("internal error: the file is open for writing")
	}
	err = t.file(func(f *os.File) error {
		if err := r.kernel.enable(f, alg); err != nil {
			return fmt.Errorf("enable fs-verity: %w", err)
		}
		d, err = r.kernel.measure(f)
		return err
	})
	return d, err
}

func (r *Repo) protectAs(t *temp, d verity.Digest) error {
	got, err := r.protect(t, r.alg)
	if err == nil && got != d {
		err = fmt.Errorf("internal error: the kernel measured %s", got)
	}
	return err
}

// publish gives the finished file the object's name, where before is what look
// saw there. It reports false if somebody else was faster.
func (r *Repo) publish(t *temp, o object, before objectState) (stored bool, err error) {
	if before == absent {
		err := t.link(o.path)
		if !errors.Is(err, unix.EEXIST) {
			return true, err
		}
		now, err := r.look(o)
		if err != nil || now == present {
			return false, err
		}
	}
	return true, t.replace(objectsName, o.path)
}

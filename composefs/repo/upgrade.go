package repo

import (
	"errors"
	"fmt"

	"github.com/bootc-go/bootc/composefs/verity"
)

var errNoObjects = errors.New("there is no object to tell the algorithm by")

// upgrade writes the meta.json that a repository from before there was one
// lacks, as composefs-rs does.
func (r *Repo) upgrade() error {
	alg, insecure, err := r.inferFromObjects()
	if err == nil {
		_, err = r.writeMetadata(newMetadata(Config{Algorithm: alg, Insecure: insecure}), !insecure)
	}
	if err != nil {
		return fmt.Errorf("%w, and making one: %w", ErrOldFormat, err)
	}
	return nil
}

// loadInferred makes do without meta.json. A repository without objects counts
// as the usual one.
func (r *Repo) loadInferred() error {
	alg, insecure, err := r.inferFromObjects()
	if errors.Is(err, errNoObjects) {
		alg, insecure, err = Config{}.algorithm(), true, nil
	}
	r.alg, r.insecure, r.version = alg, insecure, 1
	r.readOnly = "meta.json is damaged"
	return err
}

// inferFromObjects tells the algorithm by the length of an object's name, and
// by asking the kernel whether that object has fs-verity.
func (r *Repo) inferFromObjects() (alg verity.Algorithm, insecure bool, err error) {
	dir, err := r.openDir(objectsName, false)
	if passing(err) {
		return 0, false, err
	}
	if err != nil {
		return 0, false, errNoObjects
	}
	defer dir.Close()
	subdirs, err := dir.Readdirnames(-1)
	if err != nil {
		return 0, false, err
	}
	for _, sub := range subdirs {
		ds, err := r.listObjectDir(sub)
		if passing(err) {
			return 0, false, err
		}
		if err == nil && len(ds) > 0 {
			return r.inferFrom(ds[0])
		}
	}
	return 0, false, errNoObjects
}

func (r *Repo) inferFrom(d verity.Digest) (alg verity.Algorithm, insecure bool, err error) {
	f, err := r.openFile(objectPath(d))
	if err != nil {
		return 0, false, err
	}
	defer f.Close()
	insecure, err = r.lacksVerity(f)
	return d.Algorithm(), insecure, err
}

// listObjectDir returns the objects in one directory of the fan-out, and skips
// what has another name.
func (r *Repo) listObjectDir(sub string) ([]verity.Digest, error) {
	dir, err := r.openDir(objectsName+"/"+sub, false)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	var ds []verity.Digest
	for _, name := range names {
		if d, err := verity.ParseHex(sub + name); err == nil {
			ds = append(ds, d)
		}
	}
	return ds, err
}

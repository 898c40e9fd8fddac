package repo

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/bootc-go/bootc/composefs/verity"
)

// Scratch returns a repository that has all that r has, and keeps what is stored in
// it in the empty directory dir: to find out what storing something brings about
// without doing it. r is not changed, may be opened for reading only, and must stay
// open as long. Nothing in dir is made durable or gets fs-verity; the caller removes
// it. Upkeep, GC for instance, is no business of a Scratch.
func (r *Repo) Scratch(dir string) (*Repo, error) {
	s, err := r.scratch(dir)
	if err != nil {
		return nil, fmt.Errorf("cannot use %s beside the repository: %w", dir, err)
	}
	return s, nil
}

func (r *Repo) scratch(dir string) (*Repo, error) {
	k := realKernel()
	k.syncfs = func(int) error { return nil }
	s, err := openDirectory(dir, k)
	if err != nil {
		return nil, err
	}
	s.base, s.alg, s.insecure, s.version = r, r.alg, true, r.version
	for _, name := range []string{objectsName, imagesName, streamsName} {
		if err := makeDir(s.fd, name); err != nil {
			s.dir.Close()
			return nil, err
		}
	}
	return s, nil
}

// errScratch keeps upkeep away from a Scratch.
var errScratch = errors.New("internal error: it is a scratch beside a repository")

// Stored calls fn with the objects that were stored since the Scratch was made, and
// how many bytes each has.
func (r *Repo) Stored(fn func(d verity.Digest, size int64)) error {
	for i := range 256 {
		sub := fmt.Sprintf("%02x", i)
		dir, err := r.openDir(objectsName+"/"+sub, false)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err == nil {
			err = stored(dir, sub, fn)
			dir.Close()
		}
		if err != nil {
			return fmt.Errorf("cannot list what was stored: %w", err)
		}
	}
	return nil
}

func stored(dir *os.File, sub string, fn func(verity.Digest, int64)) error {
	entries, err := dir.ReadDir(-1)
	if err != nil {
		return err
	}
	for _, e := range entries {
		d, err := verity.ParseHex(sub + e.Name())
		if err != nil {
			continue // no object
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		fn(d, info.Size())
	}
	return nil
}

// withBase adds to the entries of a directory those that only the base has there.
func (r *Repo) withBase(dir string, entries []fs.DirEntry) ([]fs.DirEntry, error) {
	if r.base == nil {
		return entries, nil
	}
	more, err := r.base.list(dir)
	if err != nil {
		return nil, err
	}
	have := map[string]bool{}
	for _, e := range entries {
		have[e.Name()] = true
	}
	more = slices.DeleteFunc(more, func(e fs.DirEntry) bool { return have[e.Name()] })
	entries = append(entries, more...)
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, nil
}

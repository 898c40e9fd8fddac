package repo

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/bootc-go/bootc/composefs/verity"
	"github.com/bootc-go/bootc/internal/atomicfile"
)

// Link is a name directly below streams or images, and the object it stands
// for.
type Link struct {
	Name   string
	Digest verity.Digest
}

// category is one of the two directories of names, streams and images.
type category string

// link publishes the object d under the name. The object must be there, and
// becomes durable first.
func (r *Repo) link(c category, name string, d verity.Digest) error {
	err := r.writable()
	if err == nil {
		err = checkLinkName(name)
	}
	if err == nil {
		err = r.needObject(d)
	}
	if err == nil {
		err = r.beforeName()
	}
	if err == nil {
		err = r.symlink(string(c), name, objectTarget(d))
	}
	if err != nil {
		return fmt.Errorf("cannot link %s/%s: %w", c, name, err)
	}
	return nil
}

func (r *Repo) needObject(d verity.Digest) error {
	ok, err := r.statObject(d)
	if err == nil && !ok {
		err = fmt.Errorf("object %s: %w", d, ErrNotFound)
	}
	return err
}

// symlink makes the link name in the directory dir, whole and durable. A
// temporary name, if the link replaces another, stands in the repository
// itself: that is where GC looks, and composefs-rs does not.
func (r *Repo) symlink(dir, name, target string) error {
	d, err := r.openDir(dir, true)
	if err != nil {
		return err
	}
	defer d.Close()
	return atomicfile.Symlink(r.dir, target, dir+"/"+name)
}

// lookup returns the object that a name stands for: that of a link, or of a
// ref if the name begins with "refs/". A link whose object is missing counts
// as no link.
func (r *Repo) lookup(c category, name string) (verity.Digest, bool, error) {
	d, err := r.resolve(c, name)
	if err == nil {
		err = r.needObject(d)
	}
	if errors.Is(err, ErrNotFound) {
		return verity.Digest{}, false, nil
	}
	if err != nil {
		return verity.Digest{}, false, fmt.Errorf("cannot look up %s/%s: %w", c, name, err)
	}
	return d, true, nil
}

func (r *Repo) resolve(c category, name string) (verity.Digest, error) {
	if ref, ok := strings.CutPrefix(name, refsName+"/"); ok {
		link, err := r.readRef(c, ref)
		if err != nil {
			return verity.Digest{}, err
		}
		name = link
	}
	if err := checkLinkName(name); err != nil {
		return verity.Digest{}, err
	}
	target, err := r.readLink(string(c) + "/" + name)
	if err != nil {
		return verity.Digest{}, err
	}
	return parseObjectTarget(target, r.alg)
}

// links lists the links of a category in byte order. What is no link to an
// object is not listed; Fsck tells.
func (r *Repo) links(c category) ([]Link, error) {
	names, err := r.list(string(c))
	if err != nil {
		return nil, fmt.Errorf("cannot list %s: %w", c, err)
	}
	var all []Link
	for _, e := range names {
		if e.Type() != os.ModeSymlink || e.Name() == refsName {
			continue
		}
		if d, err := r.resolve(c, e.Name()); err == nil {
			all = append(all, Link{e.Name(), d})
		}
	}
	return all, nil
}

// list returns the entries of a directory in byte order, none if it is
// missing.
func (r *Repo) list(dir string) ([]os.DirEntry, error) {
	d, err := r.openDir(dir, false)
	if errors.Is(err, os.ErrNotExist) {
		return r.withBase(dir, nil)
	}
	if err != nil {
		return nil, err
	}
	defer d.Close()
	entries, err := d.ReadDir(-1)
	if err == nil {
		entries, err = r.withBase(dir, entries)
	}
	slices.SortFunc(entries, func(a, b os.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, err
}

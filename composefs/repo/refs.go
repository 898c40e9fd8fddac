package repo

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/internal/atomicfile"
)

// Ref is a name below streams/refs or images/refs: a root that keeps what it
// refers to from being collected.
type Ref struct {
	Name   string // below refs: "oci/localhost%2Ffoo"
	Target string // the name of a Link
}

// setRef makes ref refer to a link, which must be there.
func (r *Repo) setRef(c category, ref, link string) error {
	err := r.writable()
	if err == nil {
		err = checkRefName(ref)
	}
	if err == nil {
		err = r.needLink(c, link)
	}
	if err == nil {
		err = r.symlink(path.Dir(refPath(c, ref)), path.Base(ref), refTarget(ref, link))
	}
	if err != nil {
		return fmt.Errorf("cannot set the ref %s: %w", refPath(c, ref), err)
	}
	return nil
}

func refPath(c category, ref string) string { return string(c) + "/" + refsName + "/" + ref }

// needLink checks that a link is there with its object, and makes it durable:
// whoever made it may have died before that.
func (r *Repo) needLink(c category, link string) error {
	if err := checkLinkName(link); err != nil {
		return err
	}
	_, ok, err := r.lookup(c, link)
	if err == nil && !ok {
		err = fmt.Errorf("%s/%s: %w", c, link, ErrNotFound)
	}
	if err != nil {
		return err
	}
	d, err := r.openDir(string(c), false)
	if err != nil {
		return err
	}
	defer d.Close()
	return atomicfile.SyncDir(d)
}

// removeRef removes ref for good and reports whether it was there.
func (r *Repo) removeRef(c category, ref string) (bool, error) {
	removed, err := r.unlinkRef(c, ref)
	if err != nil {
		return false, fmt.Errorf("cannot remove the ref %s: %w", refPath(c, ref), err)
	}
	return removed, nil
}

func (r *Repo) unlinkRef(c category, ref string) (bool, error) {
	if err := r.writable(); err != nil {
		return false, err
	}
	_, err := r.readRef(c, ref)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, atomicfile.Remove(r.dir, refPath(c, ref))
}

// readRef returns the name of the link that ref refers to, or ErrNotFound.
func (r *Repo) readRef(c category, ref string) (string, error) {
	if err := checkRefName(ref); err != nil {
		return "", err
	}
	target, err := r.readLink(refPath(c, ref))
	if err != nil {
		return "", err
	}
	return parseRefTarget(target)
}

// refs lists the refs below the directory prefix in byte order.
func (r *Repo) refs(c category, prefix string) ([]Ref, error) {
	if prefix != "" {
		if err := checkRefName(prefix); err != nil {
			return nil, fmt.Errorf("cannot list %s: %w", c, err)
		}
		prefix += "/"
	}
	all, err := r.appendRefs(nil, c, prefix)
	if err != nil {
		return nil, fmt.Errorf("cannot list %s: %w", strings.TrimSuffix(refPath(c, prefix), "/"), err)
	}
	return all, nil
}

func (r *Repo) appendRefs(all []Ref, c category, prefix string) ([]Ref, error) {
	entries, err := r.list(strings.TrimSuffix(refPath(c, prefix), "/"))
	if errors.Is(err, unix.ENOTDIR) { // the prefix is a ref
		return all, nil
	}
	for _, e := range entries {
		if err != nil {
			break
		}
		switch {
		case e.IsDir():
			all, err = r.appendRefs(all, c, prefix+e.Name()+"/")
		case e.Type() == os.ModeSymlink:
			if link, err := r.readRef(c, prefix+e.Name()); err == nil {
				all = append(all, Ref{prefix + e.Name(), link})
			}
		}
	}
	return all, err
}

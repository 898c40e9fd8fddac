package repo

import (
	"errors"
	"fmt"
	"path"
	"strings"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/verity"
)

const (
	maxName = 255  // of one component, the kernel's limit
	maxRef  = 2048 // of a whole ref; leaves room for the path of the repository
)

// checkLinkName refuses what cannot be a name directly below streams or
// images.
func checkLinkName(name string) error {
	if name == refsName {
		return fmt.Errorf("the name %q is taken", name)
	}
	if strings.Contains(name, "/") {
		return fmt.Errorf("invalid name %q: it has a slash", name)
	}
	return checkComponent(name, name)
}

// checkRefName refuses what cannot be a path below refs, or would lead out of
// it.
func checkRefName(ref string) error {
	if len(ref) > maxRef {
		return fmt.Errorf("invalid name %.60q…: it is longer than %d bytes", ref, maxRef)
	}
	for part := range strings.SplitSeq(ref, "/") {
		if err := checkComponent(ref, part); err != nil {
			return err
		}
	}
	return nil
}

func checkComponent(name, part string) error {
	var what string
	switch {
	case part == "":
		what = "it is empty or has an empty component"
	case part == "." || part == "..":
		what = "it has the component " + part
	case len(part) > maxName:
		what = fmt.Sprintf("it has a component longer than %d bytes", maxName)
	case strings.ContainsRune(part, 0):
		what = "it has a NUL character"
	case !utf8.ValidString(part):
		what = "it is not UTF-8"
	default:
		return nil
	}
	return fmt.Errorf("invalid name %.60q: %s", name, what)
}

// objectTarget is what a link directly below streams or images points at.
func objectTarget(d verity.Digest) string { return "../" + objectPath(d) }

// parseObjectTarget is the inverse of objectTarget.
func parseObjectTarget(target string, alg verity.Algorithm) (verity.Digest, error) {
	rest, ok := strings.CutPrefix(target, "../"+objectsName+"/")
	dir, file, slash := strings.Cut(rest, "/")
	if ok && slash && len(dir) == 2 {
		d, err := verity.ParseHex(dir + file)
		if err == nil && d.Algorithm() == alg {
			return d, nil
		}
	}
	return verity.Digest{}, fmt.Errorf("it points at %.200q, not at an object", target)
}

// refTarget is what a ref points at: the way up from its directory below
// refs, and the name of a link.
func refTarget(ref, link string) string {
	return strings.Repeat("../", 1+strings.Count(ref, "/")) + link
}

// parseRefTarget is the inverse of refTarget. Like composefs-rs it goes by the
// last component alone; Fsck is stricter.
func parseRefTarget(target string) (link string, err error) {
	link = path.Base(target)
	if checkLinkName(link) != nil {
		return "", fmt.Errorf("it points at %.200q, not at a link", target)
	}
	return link, nil
}

// readLink reads a symbolic link. A missing one is ErrNotFound.
func (r *Repo) readLink(name string) (string, error) {
	target, err := r.readLinkHere(name)
	if errors.Is(err, ErrNotFound) && r.base != nil {
		return r.base.readLink(name)
	}
	return target, err
}

func (r *Repo) readLinkHere(name string) (string, error) {
	buf := make([]byte, 512)
	for {
		n, err := unix.Readlinkat(r.fd, name, buf)
		switch {
		case errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR):
			return "", ErrNotFound
		case errors.Is(err, unix.EINVAL):
			return "", errors.New("it is not a symbolic link")
		case err != nil:
			return "", err
		case n < len(buf):
			return string(buf[:n]), nil
		}
		buf = make([]byte, 2*len(buf))
	}
}

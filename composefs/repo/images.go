package repo

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/bootc-go/bootc/composefs/erofs"
	"github.com/bootc-go/bootc/composefs/tree"
	"github.com/bootc-go/bootc/composefs/verity"
)

const images category = imagesName

// WriteImage stores the image of root in the version of the repository, links
// it as an image and, if ref is not empty, makes ref refer to it.
func (r *Repo) WriteImage(root *tree.Node, ref string) (verity.Digest, error) {
	v, err := r.imageVersion()
	if err != nil {
		return verity.Digest{}, err
	}
	return r.WriteImageVersion(root, v, ref)
}

// imageVersion is the version that WriteImage gives an image.
func (r *Repo) imageVersion() (erofs.Version, error) {
	if r.version > int(erofs.V1) {
		return 0, fmt.Errorf("cannot write an image: the repository wants images of version %d, which this program does not write", r.version)
	}
	return erofs.Version(r.version), nil
}

// WriteImageVersion is WriteImage with the version of the caller's choice.
func (r *Repo) WriteImageVersion(root *tree.Node, v erofs.Version, ref string) (verity.Digest, error) {
	d, err := r.NewImporter().putImage(root, v)
	if err != nil {
		return verity.Digest{}, err
	}
	if err := r.LinkImage(d); err != nil || ref == "" {
		return d, err
	}
	return d, r.SetImageRef(ref, d)
}

// PutImage stores the image of root in the version of the repository, which
// makes it an object only: the caller gives it its name by [Repo.LinkImage].
func (im *Importer) PutImage(root *tree.Node) (verity.Digest, error) {
	v, err := im.r.imageVersion()
	if err != nil {
		return verity.Digest{}, err
	}
	return im.putImage(root, v)
}

func (im *Importer) putImage(root *tree.Node, v erofs.Version) (d verity.Digest, err error) {
	w, err := im.newWriter()
	if err == nil {
		defer w.discard()
		err = erofs.Write(w, root, erofs.Options{Algorithm: im.r.alg, Version: v})
	}
	if err == nil {
		d, err = w.finish()
	}
	if err != nil {
		return verity.Digest{}, fmt.Errorf("cannot write an image: %w", err)
	}
	return d, nil
}

// LinkImage makes the object d an image, which allows mounting it: the caller
// vouches that it was made by WriteImage or is otherwise trusted.
func (r *Repo) LinkImage(d verity.Digest) error { return r.link(images, d.String(), d) }

// OpenImage opens the image called name: a digest in hexadecimal, "refs/…", or
// the name of a ref. A missing one is ErrNotFound. As with OpenObject only the
// kernel vouches for the content.
func (r *Repo) OpenImage(name string) (*os.File, verity.Digest, error) {
	d, err := r.resolveImage(name)
	var f *os.File
	if err == nil {
		f, err = r.openObject(d)
	}
	if err != nil {
		return nil, verity.Digest{}, fmt.Errorf("cannot open image %s: %w", name, err)
	}
	return f, d, nil
}

func (r *Repo) resolveImage(name string) (verity.Digest, error) {
	if strings.HasPrefix(name, refsName+"/") {
		return r.resolve(images, name)
	}
	want, err := verity.ParseHex(name)
	if err != nil {
		return r.resolve(images, refsName+"/"+name)
	}
	got, err := r.resolve(images, name)
	if err == nil && got != want {
		err = fmt.Errorf("%w: it is a link to %s", ErrDamaged, got)
	}
	return got, err
}

// HasImage reports whether d is linked as an image and its object is there.
func (r *Repo) HasImage(d verity.Digest) (bool, error) {
	got, ok, err := r.lookup(images, d.String())
	return ok && got == d, err
}

// Images lists the links of all images in byte order.
func (r *Repo) Images() ([]Link, error) { return r.links(images) }

// SetImageRef makes ref refer to the image d, which must be linked.
func (r *Repo) SetImageRef(ref string, d verity.Digest) error {
	return r.setRef(images, ref, d.String())
}

// RemoveImageRef removes ref and reports whether it was there.
func (r *Repo) RemoveImageRef(ref string) (bool, error) { return r.removeRef(images, ref) }

// ImageRef returns the name of the link that ref refers to.
func (r *Repo) ImageRef(ref string) (target string, ok bool, err error) {
	return found(r.readRef(images, ref))
}

// ImageRefs lists the refs below the directory prefix, as StreamRefs does.
func (r *Repo) ImageRefs(prefix string) ([]Ref, error) { return r.refs(images, prefix) }

// found makes ErrNotFound an answer.
func found(name string, err error) (string, bool, error) {
	if errors.Is(err, ErrNotFound) {
		return "", false, nil
	}
	return name, err == nil, err
}

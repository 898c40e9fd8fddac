package repo

import (
	"errors"

	"github.com/bootc-go/bootc/composefs/tree"
	"github.com/bootc-go/bootc/composefs/verity"
)

// image checks the image d: that it is one, and that the objects it refers to
// are there and of the size that it says.
func (c *checker) image(path string, d verity.Digest) {
	root, err := c.r.readImage(d)
	if err != nil {
		kind := ImageInvalid
		if !errors.Is(err, ErrDamaged) {
			kind = ImageOpenFailed
		}
		c.failed(kind, path, d, err)
		return
	}
	seen := map[string]bool{}
	tree.Walk(root, func(name string, n *tree.Node) error { //nolint:errcheck // the function does not fail
		if n.File != nil && n.File.Payload != "" && !seen[n.File.Payload] {
			seen[n.File.Payload] = true
			c.imageFile(path, name, n.File)
		}
		return nil
	})
}

func (c *checker) imageFile(path, name string, f *tree.File) {
	d, err := parseObjectTarget("../"+objectsName+"/"+f.Payload, c.r.alg)
	if err != nil {
		c.found(ImageInvalid, path, verity.Digest{}, "%.200s is at %.200q, which is no object", name, f.Payload)
		return
	}
	size, ok := c.size(d)
	switch {
	case !ok:
		c.report.MissingObjects++
		c.found(ImageMissingObject, path, d, "%s", d)
	case uint64(size) != f.Size:
		c.found(ImageObjectSizeMismatch, path, d, "%.200s has %d bytes, its object %s has %d", name, f.Size, d, size)
	}
}

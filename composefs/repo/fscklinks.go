package repo

import (
	"cmp"
	"context"
	"os"
	"strings"

	"github.com/bootc-go/bootc/composefs/verity"
)

// links checks the names directly below streams or images, and what they stand
// for.
func (c *checker) links(ctx context.Context, cat category) error {
	entries, err := c.r.list(string(cat))
	for _, e := range entries {
		if err == nil {
			err = cmp.Or(c.err, ctx.Err())
		}
		if err == nil && e.Name() != refsName {
			c.link(cat, e)
		}
	}
	return err
}

func (c *checker) link(cat category, e os.DirEntry) {
	before := len(c.report.Findings)
	c.unsure = false
	path := string(cat) + "/" + e.Name()
	if d, ok := c.linkTarget(path, e); ok {
		if cat == streams {
			c.stream(path, d)
		} else {
			c.image(path, d)
		}
	}
	corrupted := c.count(cat)
	if len(c.report.Findings) > before {
		*corrupted++
		if !c.unsure {
			c.bad = append(c.bad, fix{path: path})
		}
	}
}

// count notes that a name has been checked, and returns the number of those
// that are bad.
func (c *checker) count(cat category) *int64 {
	if cat == streams {
		c.report.StreamsChecked++
		return &c.report.StreamsCorrupted
	}
	c.report.ImagesChecked++
	return &c.report.ImagesCorrupted
}

// linkTarget checks the link itself.
func (c *checker) linkTarget(path string, e os.DirEntry) (verity.Digest, bool) {
	if e.Type() != os.ModeSymlink {
		c.found(EntryNotSymlink, path, verity.Digest{}, "")
		return verity.Digest{}, false
	}
	target, err := c.r.readLink(path)
	var d verity.Digest
	if err == nil {
		d, err = parseObjectTarget(target, c.r.alg)
	}
	if err != nil {
		c.failed(SymlinkWrongTarget, path, verity.Digest{}, err)
		return d, false
	}
	if c.misnamed(path, e.Name(), d) {
		return d, false
	}
	if _, ok := c.size(d); !ok {
		c.report.BrokenLinks++
		c.found(BrokenSymlink, path, d, "")
		return d, false
	}
	return d, true
}

// misnamed checks a name that promises a digest: that of every image, and that
// of a stream that looks like one.
func (c *checker) misnamed(path, name string, d verity.Digest) bool {
	_, err := verity.ParseHex(name)
	if err != nil && !strings.HasPrefix(path, imagesName+"/") || name == d.String() {
		return false
	}
	c.found(SymlinkWrongTarget, path, d, "it points at object %s", d)
	return true
}

// refs checks the refs of a category below the directory prefix.
func (c *checker) refs(cat category, prefix string) error {
	entries, err := c.r.list(strings.TrimSuffix(refPath(cat, prefix), "/"))
	for _, e := range entries {
		switch {
		case err != nil:
		case e.IsDir():
			err = c.refs(cat, prefix+e.Name()+"/")
		case e.Type() != os.ModeSymlink:
			c.found(UnexpectedFileType, refPath(cat, prefix+e.Name()), verity.Digest{}, "a ref is a symbolic link")
		default:
			c.ref(cat, prefix+e.Name())
		}
	}
	return err
}

// ref checks that a ref is the way to a link that leads to an object.
func (c *checker) ref(cat category, ref string) {
	path := refPath(cat, ref)
	if err := checkRefName(ref); err != nil {
		c.found(NameInvalid, path, verity.Digest{}, "%v", err)
		return
	}
	target, err := c.r.readLink(path)
	link := ""
	if err == nil {
		link, err = parseRefTarget(target)
	}
	switch {
	case err != nil:
		c.failed(SymlinkWrongTarget, path, verity.Digest{}, err)
		return
	case target != refTarget(ref, link):
		c.found(SymlinkWrongTarget, path, verity.Digest{}, "it points at %.200q, not at a link", target)
		return
	}
	d, err := c.r.resolve(cat, link)
	if passing(err) {
		c.stop(path, err)
		return
	}
	there := err == nil
	if there {
		_, there = c.size(d)
	}
	if !there {
		c.report.BrokenLinks++
		c.found(BrokenSymlink, path, d, "")
	}
}

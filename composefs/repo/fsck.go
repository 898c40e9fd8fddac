package repo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/verity"
)

// FsckOptions say what Fsck checks.
type FsckOptions struct {
	MetadataOnly bool // do not read the objects, but for splitstreams and images
	Workers      int  // objects checked at once; 0 means one per CPU
}

// Fsck checks everything in the repository and reports all damage, in an
// order that depends on nothing but the damage. It changes nothing. The error
// is for a check that could not be done: for want of memory, descriptors or
// permission, say, which is no damage.
func (r *Repo) Fsck(ctx context.Context, o FsckOptions) (*FsckReport, error) {
	c := r.newChecker(o)
	if err := c.run(ctx); err != nil {
		return nil, fmt.Errorf("cannot check repository %s: %w", r.path, err)
	}
	return &c.report, nil
}

func (r *Repo) newChecker(o FsckOptions) *checker {
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	return &checker{r: r, options: o, sizes: map[verity.Digest]int64{}, checked: digestSet{}}
}

// checker is one run of Fsck.
type checker struct {
	r       *Repo
	options FsckOptions
	report  FsckReport
	sizes   map[verity.Digest]int64 // of the objects that are regular files; see size
	bad     []fix                   // what Repair would remove
	unsure  bool                    // something was found that Repair must not go by
	err     error                   // why the check cannot go on

	checked digestSet       // splitstreams
	named   []verity.Digest // what they refer to by name, still to be checked
}

// fix is a file or link to remove.
type fix struct {
	path   string
	object bool
}

func (c *checker) run(ctx context.Context) error {
	if c.metadata(); c.err != nil {
		return c.err
	}
	for _, step := range c.steps() {
		if err := cmp.Or(step(ctx), c.err); err != nil {
			return err
		}
	}
	return nil
}

// steps are the parts of a check in their order: what names stand for is known
// before the names are read.
func (c *checker) steps() []func(context.Context) error {
	return []func(context.Context) error{
		c.objects,
		func(ctx context.Context) error { return c.links(ctx, streams) },
		c.namedStreams,
		func(context.Context) error { return c.refs(streams, "") },
		func(ctx context.Context) error { return c.links(ctx, images) },
		func(context.Context) error { return c.refs(images, "") },
	}
}

// failed is for what could not be read, as that of objectCheck.
func (c *checker) failed(k Kind, path string, d verity.Digest, err error) {
	if passing(err) {
		c.stop(path, err)
		return
	}
	c.unsure = c.unsure || !lasting(err)
	c.found(k, path, d, "%v", err)
}

// size returns the size of an object, and whether it is there. What was not
// there when the objects were listed is looked at again: a pull may have stored
// it before it published the name that led here.
func (c *checker) size(d verity.Digest) (int64, bool) {
	if size, ok := c.sizes[d]; ok {
		return size, true
	}
	var st unix.Stat_t
	err := unix.Fstatat(c.r.fd, objectPath(d), &st, unix.AT_SYMLINK_NOFOLLOW)
	if passing(err) {
		c.stop(objectPath(d), err)
	}
	if err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		return 0, false
	}
	c.sizes[d] = st.Size
	return st.Size, true
}

// stop notes the first error that is no finding.
func (c *checker) stop(path string, err error) {
	if c.err == nil {
		c.err = fmt.Errorf("check %s: %w", path, err)
	}
}

func (c *checker) found(k Kind, path string, d verity.Digest, format string, args ...any) {
	c.report.Findings = append(c.report.Findings, Finding{Kind: k, Path: path, Detail: fmt.Sprintf(format, args...), Object: d})
}

// metadata reads meta.json again: it may have been damaged since it was
// opened.
func (c *checker) metadata() {
	err := c.r.metaError
	var m metadata
	if err == nil {
		m, err = c.rereadMetadata()
	}
	if err != nil {
		if passing(err) {
			c.stop(metaName, err)
			return
		}
		c.report.HasMetadata = !errors.Is(err, ErrOldFormat) && !errors.Is(err, ErrNotRepository)
		c.found(MetadataParseFailed, metaName, verity.Digest{}, "%v", err)
		return
	}
	c.report.HasMetadata = true
	if m.Algorithm != c.r.alg.ID() {
		c.found(MetadataAlgorithmMismatch, metaName, verity.Digest{}, "expected %s, repository opened as %s", m.Algorithm, c.r.alg)
	}
}

func (c *checker) rereadMetadata() (metadata, error) {
	f, err := c.r.openFile(metaName)
	if err != nil {
		return metadata{}, err
	}
	defer f.Close()
	return readMetadata(f)
}

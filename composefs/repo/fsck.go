package repo

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"github.com/bootc-go/bootc/composefs/verity"
)

// FsckOptions say what Fsck checks.
type FsckOptions struct {
	MetadataOnly bool // do not read the objects, but for splitstreams and images
	Workers      int  // objects checked at once; 0 means one per CPU
}

// Fsck checks everything in the repository and reports all damage, in an
// order that depends on nothing but the damage. It changes nothing. The error
// is for a check that could not be done.
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
	sizes   map[verity.Digest]int64 // of all objects that are regular files
	bad     []fix                   // what Repair would remove

	checked digestSet       // splitstreams
	named   []verity.Digest // what they refer to by name, still to be checked
}

// fix is a file or link to remove.
type fix struct {
	path   string
	object bool
}

func (c *checker) run(ctx context.Context) error {
	c.metadata()
	for _, step := range []func(context.Context) error{
		c.objects,
		func(ctx context.Context) error { return c.links(ctx, streams) },
		c.namedStreams,
		func(context.Context) error { return c.refs(streams, "") },
		func(ctx context.Context) error { return c.links(ctx, images) },
		func(context.Context) error { return c.refs(images, "") },
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
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

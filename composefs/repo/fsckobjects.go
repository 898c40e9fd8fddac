package repo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"strings"

	"golang.org/x/sync/errgroup"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/verity"
)

// objects checks all objects, one directory of the fan-out per worker at a
// time, and puts the results together in the order of the directories.
func (c *checker) objects(ctx context.Context) error {
	dirs, err := c.r.list(objectsName)
	if err != nil {
		return err
	}
	results := make([]*objectCheck, len(dirs))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(c.options.Workers)
	for i, dir := range dirs {
		results[i] = &objectCheck{c: c, sizes: map[verity.Digest]int64{}}
		g.Go(func() error {
			results[i].hasher, results[i].buf = verity.NewHasher(c.r.alg), make([]byte, 64<<10)
			defer func() { results[i].hasher, results[i].buf = nil, nil }()
			return results[i].entry(ctx, dir)
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for _, res := range results {
		c.merge(res)
	}
	return nil
}

func (c *checker) merge(res *objectCheck) {
	c.report.ObjectsChecked += res.report.ObjectsChecked
	c.report.ObjectsCorrupted += res.report.ObjectsCorrupted
	c.report.Findings = append(c.report.Findings, res.report.Findings...)
	c.bad = append(c.bad, res.bad...)
	maps.Copy(c.sizes, res.sizes)
}

// objectCheck is what one worker found in one directory.
type objectCheck struct {
	c      *checker
	report FsckReport
	sizes  map[verity.Digest]int64
	bad    []fix
	err    error // why the check cannot go on

	hasher *verity.Hasher
	buf    []byte
}

// entry checks one entry of objects: a directory of the fan-out, or a
// leftover, which is no damage.
func (o *objectCheck) entry(ctx context.Context, dir os.DirEntry) error {
	path := objectsName + "/" + dir.Name()
	if strings.HasPrefix(dir.Name(), tempObject) {
		return nil
	}
	if !dir.IsDir() {
		o.found(ObjectInvalidName, path, verity.Digest{}, "not a directory of objects")
		return nil
	}
	entries, err := o.c.r.list(path)
	for _, e := range entries {
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			o.object(ctx, dir.Name(), e.Name())
			err = o.err
		}
	}
	return err
}

// failed is for an object that could not be checked: that is a finding unless
// the error is a passing one, which ends the check. Only by an error that lasts
// may Repair remove the object.
func (o *objectCheck) failed(k Kind, path string, d verity.Digest, err error) {
	if passing(err) {
		o.err = fmt.Errorf("check %s: %w", path, err)
		return
	}
	o.found(k, path, d, "%v", err)
	if !lasting(err) {
		o.bad = o.bad[:len(o.bad)-1]
	}
}

func (o *objectCheck) found(k Kind, path string, d verity.Digest, format string, args ...any) {
	o.report.Findings = append(o.report.Findings, Finding{Kind: k, Path: path, Detail: fmt.Sprintf(format, args...), Object: d})
	o.report.ObjectsCorrupted++
	o.bad = append(o.bad, fix{path: path, object: true})
}

func (o *objectCheck) object(ctx context.Context, sub, name string) {
	path := objectsName + "/" + sub + "/" + name
	d, err := verity.ParseHex(sub + name)
	if err == nil && len(sub) == 2 {
		err = o.c.r.checkAlgorithm(d)
	}
	if err != nil || len(sub) != 2 {
		o.found(ObjectInvalidName, path, verity.Digest{}, "not the name of a %s object", o.c.r.alg)
		return
	}
	var st unix.Stat_t
	if err := unix.Fstatat(o.c.r.fd, path, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		o.failed(ObjectOpenFailed, path, d, err)
		return
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		o.found(UnexpectedFileType, path, d, "an object is a regular file")
		return
	}
	o.sizes[d] = st.Size
	if o.c.r.insecure && st.Mode&0o002 != 0 {
		o.found(ObjectWrongMode, path, d, "mode %04o lets anybody write to it", st.Mode&0o7777)
	}
	if !o.c.options.MetadataOnly {
		o.content(ctx, path, d)
	}
}

// content reads the whole object. In a repository with fs-verity that makes
// the kernel check each block; asking it for the digest alone does not.
func (o *objectCheck) content(ctx context.Context, path string, d verity.Digest) {
	o.report.ObjectsChecked++
	f, err := o.c.r.openFile(path)
	if err != nil {
		o.failed(ObjectOpenFailed, path, d, err)
		return
	}
	defer f.Close()
	if !o.c.r.insecure && !o.protected(f, path, d) {
		return
	}
	got, size, err := o.sum(ctx, f)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		o.failed(ObjectVerityFailed, path, d, err)
	case got != d:
		o.found(ObjectDigestMismatch, path, d, "measured %s, of %d bytes", got, size)
	}
}

func (o *objectCheck) sum(ctx context.Context, f *os.File) (d verity.Digest, size uint64, err error) {
	o.hasher.Reset()
	for err == nil {
		var n int
		n, err = f.Read(o.buf)
		o.hasher.Write(o.buf[:n]) //nolint:errcheck // a Hasher does not fail
		if ctx.Err() != nil {
			return d, 0, ctx.Err()
		}
	}
	if !errors.Is(err, io.EOF) {
		return d, 0, err
	}
	return o.hasher.Sum(), o.hasher.Size(), nil
}

// protected asks the kernel for the object's digest.
func (o *objectCheck) protected(f *os.File, path string, d verity.Digest) bool {
	got, err := o.c.r.kernel.measure(f)
	switch {
	case errors.Is(err, verity.ErrNotEnabled) || errors.Is(err, verity.ErrNotSupported):
		o.found(ObjectVerityMissing, path, d, "")
	case err != nil:
		o.failed(ObjectVerityFailed, path, d, err)
	case got != d:
		o.found(ObjectDigestMismatch, path, d, "measured %s", got)
	default:
		return true
	}
	return false
}

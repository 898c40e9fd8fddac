package repo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sync/errgroup"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/verity"
	"github.com/bootc-go/bootc/internal/atomicfile"
)

// sweepNames removes the links of a category that nothing reaches, and then
// the refs that dangle, which were not reached either.
func (c *collector) sweepNames(cat category) error {
	entries, err := c.r.list(string(cat))
	for _, e := range entries {
		if err == nil && e.Type() == os.ModeSymlink {
			err = c.sweepName(cat, e.Name())
		}
	}
	if err != nil {
		return err
	}
	return c.sweepRefs(cat, "")
}

// sweepName removes a link or ref unless it stands for an object that is
// reached by name and is there.
func (c *collector) sweepName(cat category, name string) error {
	d, err := c.r.resolve(cat, name)
	if err == nil && c.named.has(d) {
		if err = c.r.needObject(d); err == nil {
			return nil
		}
	}
	if passing(err) {
		return fmt.Errorf("%s/%s: %w", cat, name, err)
	}
	return c.prune(cat, string(cat)+"/"+name)
}

func (c *collector) prune(cat category, path string) error {
	*c.pruneCount(cat)++
	return c.unlink(path, 0)
}

// unlink removes a file, link or, with AT_REMOVEDIR, an empty directory,
// unless this is a dry run.
func (c *collector) unlink(path string, flags int) error {
	if c.dryRun {
		return nil
	}
	if err := unix.Unlinkat(c.r.fd, path, flags); err != nil {
		return &os.PathError{Op: "remove", Path: path, Err: err}
	}
	return nil
}

// sweepRefs removes the dangling refs below the directory prefix, and the
// directories that it leaves empty: a ref may want their name.
func (c *collector) sweepRefs(cat category, prefix string) error {
	entries, err := c.r.list(strings.TrimSuffix(refPath(cat, prefix), "/"))
	for _, e := range entries {
		name := prefix + e.Name()
		switch {
		case err != nil:
		case e.IsDir():
			if err = c.sweepRefs(cat, name+"/"); err == nil {
				err = c.unlink(refPath(cat, name), unix.AT_REMOVEDIR)
			}
			if errors.Is(err, unix.ENOTEMPTY) || errors.Is(err, unix.EEXIST) {
				err = nil
			}
		case e.Type() == os.ModeSymlink:
			err = c.sweepName(cat, refsName+"/"+name)
		}
	}
	return err
}

// sweepObjects removes the objects that nothing reaches. Files that have no
// object's name are left to Fsck.
func (c *collector) sweepObjects(ctx context.Context) error {
	dirs, err := c.r.list(objectsName)
	if err != nil {
		return err
	}
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for _, dir := range dirs {
		if dir.IsDir() && len(dir.Name()) == 2 && ctx.Err() == nil {
			g.Go(func() error { return c.sweepObjectDir(dir.Name()) })
		}
	}
	return errors.Join(g.Wait(), ctx.Err())
}

func (c *collector) sweepObjectDir(sub string) error {
	ds, err := c.r.listObjectDir(sub)
	for _, d := range ds {
		if err == nil && !c.objects.has(d) {
			err = c.removeObject(d)
		}
	}
	return err
}

func (c *collector) removeObject(d verity.Digest) error {
	var st unix.Stat_t
	if err := unix.Fstatat(c.r.fd, objectPath(d), &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return &os.PathError{Op: "stat", Path: objectPath(d), Err: err}
	}
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		return nil // no object, and perhaps not empty
	}
	if !c.dryRun {
		if err := c.barrier(); err != nil {
			return err
		}
	}
	c.objectsRemoved.Add(1)
	c.objectsBytes.Add(st.Size)
	return c.unlink(objectPath(d), 0)
}

// sweepTemps removes what programs left behind that died: ours, and those of
// composefs-rs, which calls a link on its way .symlink-*.
func (c *collector) sweepTemps() error {
	if err := c.sweepTempsIn(".", atomicfile.TempPrefix, tempObject, ".symlink-"); err != nil {
		return err
	}
	return c.sweepTempsIn(objectsName, tempObject)
}

func (c *collector) sweepTempsIn(dir string, prefixes ...string) error {
	entries, err := c.r.list(dir)
	for _, e := range entries {
		for _, prefix := range prefixes {
			if err == nil && !e.IsDir() && strings.HasPrefix(e.Name(), prefix) {
				c.tempFiles++
				err = c.unlink(dir+"/"+e.Name(), 0)
				break
			}
		}
	}
	return err
}

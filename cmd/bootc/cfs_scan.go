package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/urfave/cli/v2"

	"github.com/bootc-go/bootc/composefs/erofs"
	"github.com/bootc-go/bootc/composefs/repo"
	"github.com/bootc-go/bootc/composefs/tree"
	"github.com/bootc-go/bootc/composefs/tree/scan"
	"github.com/bootc-go/bootc/composefs/verity"
	"github.com/bootc-go/bootc/layers"
	"github.com/bootc-go/bootc/seal"
)

// cfsScanCommands make images of directories.
func (e *env) cfsScanCommands() []*cli.Command {
	return []*cli.Command{
		{
			Name: "create-image", Usage: "store the directory PATH as an image and print its id", ArgsUsage: "PATH [NAME]",
			Flags:  scanFlags(),
			Action: e.repoAction(false, e.cfsCreateImage),
		},
		{
			Name: "compute-id", Usage: "print the id that the image of the directory PATH has", ArgsUsage: "PATH",
			Flags:  scanFlags(),
			Action: e.cfsComputeID,
		},
		{
			Name: "create-dumpfile", Usage: "print the directory PATH as a composefs dump", ArgsUsage: "PATH",
			Flags:  scanFlags(),
			Action: e.cfsCreateDumpfile,
		},
	}
}

func scanFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "bootable", Usage: "as the root of a deployment: SELinux labels, /boot and /sysroot empty"},
		&cli.BoolFlag{Name: "no-propagate-usr-to-root", Usage: "take the directory as it is, the root's own metadata included"},
		xattrsFlag(),
	}
}

func xattrsFlag() cli.Flag {
	return newChoice("xattrs", "extended attributes to keep, the `MODE`:", "allowlist-only", "allowlist-only", "keep-user-xattrs")
}

// xattrFilter is what --xattrs says.
func xattrFilter(c *cli.Context) (layers.XattrFilter, error) {
	switch v := c.String("xattrs"); v {
	case "allowlist-only":
		return layers.AllowlistOnly, nil
	case "keep-user-xattrs":
		return layers.KeepUserXattrs, nil
	default:
		return 0, usageError(c, "--xattrs: unknown mode %q (want allowlist-only or keep-user-xattrs)", v)
	}
}

func (e *env) cfsCreateImage(c *cli.Context, r *repo.Repo, args []string) error {
	v, err := erofsFlag(c, r.ErofsVersion())
	if err != nil {
		return err
	}
	root, err := scanTree(c, args[0], scan.Options{Algorithm: r.Algorithm(), Store: objectStore(r)})
	if err != nil {
		return err
	}
	id, err := r.WriteImageVersion(root, v, args[1])
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.stdout, "%s:%s\n", id.Algorithm(), id)
	return err
}

// objectStore adds each file that a scan meets to the repository.
func objectStore(r *repo.Repo) func(context.Context, *os.File, int64, verity.Digest) error {
	importers := sync.Pool{New: func() any { return r.NewImporter() }}
	return func(_ context.Context, f *os.File, size int64, d verity.Digest) error {
		im, _ := importers.Get().(*repo.Importer)
		defer importers.Put(im)
		got, err := im.PutReader(io.NewSectionReader(f, 0, size), size)
		if err == nil && got != d {
			err = fmt.Errorf("%s changed while it was read", f.Name())
		}
		return err
	}
}

func (e *env) cfsComputeID(c *cli.Context) error {
	args, alg, err := e.scanOperands(c)
	if err != nil {
		return err
	}
	v, err := erofsFlag(c, 1)
	if err != nil {
		return err
	}
	root, err := scanTree(c, args[0], scan.Options{Algorithm: alg})
	if err != nil {
		return err
	}
	id, err := erofs.Digest(root, erofs.Options{Algorithm: alg, Version: v})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(e.stdout, id)
	return err
}

func (e *env) cfsCreateDumpfile(c *cli.Context) error {
	args, alg, err := e.scanOperands(c)
	if err != nil {
		return err
	}
	root, err := scanTree(c, args[0], scan.Options{Algorithm: alg})
	if err != nil {
		return err
	}
	return tree.WriteDump(e.stdout, root)
}

// scanOperands are the operands of a verb that needs no repository, and the
// algorithm: --hash, or that of the repository if there is one.
func (e *env) scanOperands(c *cli.Context) ([]string, verity.Algorithm, error) {
	args, err := operands(c)
	if err != nil {
		return nil, 0, err
	}
	def := verity.SHA512
	if !c.Bool("no-repo") && !c.IsSet("hash") {
		if r, err := e.openRepo(c, repo.OpenOptions{ReadOnly: true}); err == nil {
			def = r.Algorithm()
			r.Close() //nolint:errcheck // only read
		}
	}
	alg, err := hashFlag(c, def)
	return args, alg, err
}

// scanTree is the tree of dir with the changes that the flags ask for.
func scanTree(c *cli.Context, dir string, o scan.Options) (*tree.Node, error) {
	filter, err := xattrFilter(c)
	if err != nil {
		return nil, err
	}
	o.KeepHardlinks = true
	root, err := scan.Scan(c.Context, dir, o)
	if err != nil {
		return nil, err
	}
	open := seal.Opener(dir, root)
	if !c.Bool("no-propagate-usr-to-root") {
		if err := layers.TransformForOCI(root, filter); err != nil {
			return nil, fmt.Errorf("cannot make an image of %s: %w", dir, err)
		}
	}
	if c.Bool("bootable") {
		if err := layers.TransformForBoot(root, open); err != nil {
			return nil, fmt.Errorf("cannot make a bootable image of %s: %w", dir, err)
		}
	}
	tree.SetLinks(root)
	return root, nil
}

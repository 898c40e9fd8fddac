package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/bootc-go/bootc/composefs/erofs"
	"github.com/bootc-go/bootc/composefs/oci"
	"github.com/bootc-go/bootc/composefs/repo"
	"github.com/bootc-go/bootc/composefs/tree"
	"github.com/bootc-go/bootc/composefs/verity"
	"github.com/bootc-go/bootc/pull"
)

// cfsTreeCommands work on the file system of an OCI image.
func (e *env) cfsTreeCommands() []*cli.Command {
	bootable := &cli.BoolFlag{Name: "bootable", Usage: "the boot image instead of the plain one"}
	return []*cli.Command{
		{
			Name: "dump", Usage: "print an image's file system as a composefs dump", ArgsUsage: "IMAGE",
			Flags:  []cli.Flag{bootable, xattrsFlag()},
			Action: e.repoAction(true, e.ociDump),
		},
		{
			Name: "compute-id", Usage: "print the id of an image's file system, computed from its layers", ArgsUsage: "IMAGE",
			Flags:  []cli.Flag{bootable, xattrsFlag()},
			Action: e.repoAction(true, e.ociComputeID),
		},
		{
			Name: "mount", Usage: "mount an image's file system", ArgsUsage: "IMAGE MOUNTPOINT",
			Flags:  append([]cli.Flag{bootable, xattrsFlag()}, mountFlags()...),
			Action: e.repoAction(true, e.ociMount),
		},
	}
}

func ociTree(c *cli.Context, r *repo.Repo, name string) (*tree.Node, error) {
	filter, err := xattrFilter(c)
	if err != nil {
		return nil, err
	}
	img, err := openImage(r, name)
	if err != nil {
		return nil, err
	}
	return pull.Tree(c.Context, r, img, c.Bool("bootable"), filter)
}

func (e *env) ociDump(c *cli.Context, r *repo.Repo, args []string) error {
	root, err := ociTree(c, r, args[0])
	if err != nil {
		return err
	}
	return tree.WriteDump(e.stdout, root)
}

func (e *env) ociComputeID(c *cli.Context, r *repo.Repo, args []string) error {
	v, err := erofsFlag(c, r.ErofsVersion())
	if err != nil {
		return err
	}
	root, err := ociTree(c, r, args[0])
	if err != nil {
		return err
	}
	id, err := erofs.Digest(root, erofs.Options{Algorithm: r.Algorithm(), Version: v})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(e.stdout, id)
	return err
}

func (e *env) ociMount(c *cli.Context, r *repo.Repo, args []string) error {
	img, err := openImage(r, args[0])
	if err != nil {
		return err
	}
	id, err := storedImage(c, img)
	if err != nil {
		return fmt.Errorf("cannot mount %s: %w", args[0], err)
	}
	return mountImage(c, r, id.String(), args[1])
}

// storedImage is the EROFS image of img that the flags ask for.
func storedImage(c *cli.Context, img *oci.Image) (verity.Digest, error) {
	if !c.Bool("bootable") {
		if id, ok := img.Image(); ok {
			return id, nil
		}
		return verity.Digest{}, fmt.Errorf("it has no composefs image: pull it again")
	}
	mode := oci.AllowlistOnly
	if c.String("xattrs") == string(oci.KeepUserXattrs) {
		mode = oci.KeepUserXattrs
	}
	if id, ok := img.BootImage(mode); ok {
		return id, nil
	}
	return verity.Digest{}, fmt.Errorf("it has no boot image: pull it with --bootable")
}

package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/bootc-go/bootc/install/disk"
)

func (e *env) blockdevCommand() *cli.Command {
	return &cli.Command{
		Name: "blockdev", Usage: "print what is known of block devices",
		Description: "The answer is JSON, with the keys of lsblk(8), also where there is no udev.",
		Subcommands: []*cli.Command{
			{
				Name: "ls", Usage: "print a block device and its partitions as JSON", ArgsUsage: "DEVICE",
				Action: func(c *cli.Context) error {
					args, err := operands(c)
					if err != nil {
						return err
					}
					return e.printBlock(c.Context, args[0])
				},
			},
			{
				Name: "ls-filesystem", Usage: "print the block device that a file system is on as JSON", ArgsUsage: "PATH",
				Action: func(c *cli.Context) error {
					args, err := operands(c)
					if err != nil {
						return err
					}
					source, err := sourceOf(c.Context, args[0])
					if err != nil {
						return err
					}
					return e.printBlock(c.Context, source)
				},
			},
		},
	}
}

func (e *env) printBlock(ctx context.Context, name string) error {
	d, err := disk.Block(ctx, name)
	if err != nil {
		return err
	}
	return e.printJSON(d)
}

// sourceOf is the block device of the file system that path is on.
func sourceOf(ctx context.Context, path string) (string, error) {
	dir, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer dir.Close()
	m, err := disk.Inspect(ctx, dir)
	if err == nil && !strings.HasPrefix(m.Source, "/dev/") {
		err = fmt.Errorf("%s is on a file system of type %s from %q, which is no block device", path, m.Type, m.Source)
	}
	return m.Source, err
}

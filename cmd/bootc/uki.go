package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/bootc-go/bootc/seal"
)

func (e *env) ukiCommand() *cli.Command {
	return &cli.Command{
		Name: "uki", Usage: "take unified kernel images apart",
		Subcommands: []*cli.Command{{
			Name: "extract", Usage: "write the kernel and the initramfs of a unified kernel image to files", ArgsUsage: "PATH OUT",
			Description: "They become OUT/VERSION/vmlinuz and OUT/VERSION/initramfs.img, VERSION being what the image says of its kernel. " +
				"The directory OUT/VERSION must not be there yet, and is printed.",
			Action: func(c *cli.Context) error {
				args, err := operands(c)
				if err != nil {
					return err
				}
				dir, err := seal.Extract(args[0], args[1])
				if err != nil {
					return err
				}
				_, err = fmt.Fprintln(e.stdout, printable(dir))
				return err
			},
		}},
	}
}

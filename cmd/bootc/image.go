package main

import "github.com/urfave/cli/v2"

// imageCommand holds what is done with images, not with hosts.
func (e *env) imageCommand() *cli.Command {
	return &cli.Command{
		Name:  "image",
		Usage: "look at images, and exchange them with other container tools",
		Subcommands: append([]*cli.Command{
			e.imageListCommand(),
			e.imageValidateCommand(),
			e.imageCopyCommand(),
			e.imagePullDefaultCommand(),
		}, e.imageReplacedCommands()...),
	}
}

package main

import (
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/bootc-go/bootc/image"
)

func (e *env) imagePullDefaultCommand() *cli.Command {
	return &cli.Command{
		Name: "pull-from-default-storage", Usage: "copy an image of podman to where bootc keeps bound images", ArgsUsage: "IMAGE",
		Description: "Takes IMAGE from containers-storage as it is there, under the same id, so that a system which will be bound to it need not " +
			"fetch it. One that no deployment is bound to goes with the next garbage.",
		Flags:  []cli.Flag{&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "show no progress"}},
		Action: e.imagePullDefault,
	}
}

func (e *env) imagePullDefault(c *cli.Context) error {
	args, err := operands(c)
	if err != nil {
		return err
	}
	if _, err := image.New("registry", args[0]); err != nil {
		return err
	}
	return e.withSysroot(c.Context, access{write: true, quiet: c.Bool("quiet"), local: true}, func(s opened) error {
		return s.PullBoundImages(c.Context, []string{args[0]})
	})
}

// imageReplacedCommands are upstream's commands for podman on a store that bootc keeps
// images of the host in. There is none here: the repository has them.
func (e *env) imageReplacedCommands() []*cli.Command {
	replaced := func(name, usage, instead string) *cli.Command {
		return &cli.Command{
			Name: name, Usage: usage, ArgsUsage: "[ARG...]", Hidden: true,
			Action: func(*cli.Context) error { return fmt.Errorf("cannot %s: %w; %s", usage, errNoUnifiedStore, instead) },
		}
	}
	return []*cli.Command{
		replaced("set-unified", "keep the host's image in containers-storage", "'bootc image copy-to-storage' copies it there"),
		replaced("cmd", "run podman on bootc's store of images",
			"'bootc image list' lists images, podman builds and pulls them, and 'bootc switch --transport containers-storage IMAGE' makes one the host's"),
	}
}

// errNoUnifiedStore says why some of upstream's commands have nothing to do here.
var errNoUnifiedStore = errors.New("bootc keeps the images of hosts in its repository alone")

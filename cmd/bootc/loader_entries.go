package main

import (
	"fmt"
	"regexp"

	"github.com/urfave/cli/v2"

	"github.com/bootc-go/bootc/kargs"
)

func (e *env) loaderEntriesCommand() *cli.Command {
	return &cli.Command{
		Name: "loader-entries", Usage: "change boot entries of this machine",
		Subcommands: []*cli.Command{{
			Name: "set-options-for-source", Usage: "set the kernel arguments that a program owns",
			Description: "Stages kernel arguments for the next boot. They belong to the source NAME, tuned for instance, and take the place of those that it " +
				"set before; what the image, an administrator and other sources have set stays. A staged update gets them and stays staged. " +
				"With an empty --options the source owns nothing, without --options it is forgotten.",
			Flags: []cli.Flag{
				&cli.StringFlag{Name: "source", Usage: "who owns the arguments: `NAME` is of letters, digits, - and _", Required: true},
				&cli.StringFlag{Name: "options", Usage: "all arguments of the source, as `LINE`"},
			},
			Action: e.setOptions,
		}},
	}
}

var sourceName = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

func (e *env) setOptions(c *cli.Context) error {
	if _, err := operands(c); err != nil {
		return err
	}
	source, line := c.String("source"), kargs.Parse(c.String("options"))
	if !sourceName.MatchString(source) {
		return usageError(c, "--source: %q is no name of letters, digits, - and _", source)
	}
	changed := false
	err := e.withSysroot(c.Context, access{write: true, quiet: true}, func(s opened) (err error) {
		changed, err = s.SetOptions(c.Context, source, line, c.IsSet("options"))
		return err
	})
	switch {
	case err != nil:
		return err
	case !changed:
		fmt.Fprintf(e.stdout, "No changes for source: %s\n", source)
	case len(line) > 0:
		fmt.Fprintf(e.stdout, "Queued for next boot: kernel arguments of source %s\n  Options: %s\n", source, printable(line.String()))
	default:
		fmt.Fprintf(e.stdout, "Queued for next boot: no kernel arguments of source %s\n", source)
	}
	return nil
}

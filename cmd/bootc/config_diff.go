package main

import (
	"encoding/json"

	"github.com/urfave/cli/v2"

	"github.com/bootc-go/bootc/etcmerge"
)

func (e *env) configDiffCommand() *cli.Command {
	return &cli.Command{
		Name: "config-diff", Usage: "print what was changed in /etc since the host was installed or upgraded",
		Description: "Compares /etc with that of the image that runs: what was added, modified and removed, and what of it stands in the way of the staged update.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "json", Usage: "print it as JSON"},
			&cli.BoolFlag{Name: "patch", Aliases: []string{"p"}, Usage: "print changes of text as a unified diff"},
			&cli.BoolFlag{Name: "private", Usage: "with --patch, show files that not everyone may read as well"},
		},
		Action: e.configDiff,
	}
}

func (e *env) configDiff(c *cli.Context) error {
	if _, err := operands(c); err != nil {
		return err
	}
	if err := exclusive(c, "json", "patch", "private"); err != nil {
		return err
	}
	return e.withSysroot(c.Context, access{quiet: true}, func(s opened) error {
		diff, err := s.ConfigDiff(c.Context)
		switch {
		case err != nil:
			return err
		case c.Bool("json"):
			return json.NewEncoder(e.stdout).Encode(diff.Diff)
		case c.Bool("patch"):
			return diff.WritePatch(e.stdout, diff.Pristine, diff.Current, etcmerge.PatchOptions{Private: c.Bool("private")})
		}
		return diff.WriteText(e.stdout)
	})
}

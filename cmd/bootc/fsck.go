package main

import (
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/bootc-go/bootc/deploy"
)

func (e *env) fsckCommand() *cli.Command {
	return &cli.Command{
		Name: "fsck", Usage: "check that what the host boots is here and whole",
		Description: "Of each deployment the boot entry, the kernel, the state directory and the image are looked at, and then every file in the repository is read. " +
			"Each check has a line; what is wrong goes to standard output as well. Nothing is changed.",
		Action: e.fsck,
	}
}

// errHostDamaged is the outcome of a check that found something.
var errHostDamaged = errors.New("the host is damaged")

func (e *env) fsck(c *cli.Context) error {
	if _, err := operands(c); err != nil {
		return err
	}
	var checks []deploy.Check
	err := e.withSysroot(c.Context, access{quiet: true}, func(s opened) (err error) {
		checks, err = s.Fsck(c.Context)
		return err
	})
	if err != nil {
		return err
	}
	damaged := false
	for _, check := range checks {
		if len(check.Problems) == 0 {
			fmt.Fprintf(e.stdout, "ok: %s\n", check.Name)
			continue
		}
		damaged = true
		for _, p := range check.Problems {
			fmt.Fprintf(e.stdout, "fsck error: %s: %s\n", check.Name, printable(p))
		}
	}
	if damaged {
		return errHostDamaged
	}
	return nil
}

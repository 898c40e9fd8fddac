package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/bootc-go/bootc/deploy"
)

func (e *env) whyCommand() *cli.Command {
	return &cli.Command{
		Name: "why", Usage: "explain what the host runs, what it will run, and why an update is not applied",
		Action: e.why,
	}
}

func (e *env) why(c *cli.Context) error {
	if _, err := operands(c); err != nil {
		return err
	}
	var w *deploy.Why
	err := e.withSysroot(c.Context, access{quiet: true}, func(s opened) (err error) {
		w, err = s.Why(c.Context)
		return err
	})
	if err != nil {
		return err
	}
	update := w.Update
	if len(update) == 0 {
		update = []string{"Nothing stands in the way of an update: 'bootc upgrade --check' tells whether there is one."}
	}
	for _, part := range []struct {
		title     string
		sentences []string
	}{{"Booted", w.Booted}, {"Next boot", w.Next}, {"Updates", update}} {
		fmt.Fprintf(e.stdout, "%s:\n", part.title)
		for _, s := range part.sentences {
			fmt.Fprintf(e.stdout, "  %s\n", printable(s))
		}
	}
	return nil
}

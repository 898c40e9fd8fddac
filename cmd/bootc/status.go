package main

import (
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/bootc-go/bootc/host"
	"github.com/bootc-go/bootc/sysroot"
)

func (e *env) statusCommand() *cli.Command {
	return &cli.Command{
		Name: "status", Usage: "print what the host runs, and what it will run",
		Description: "On a terminal the answer is for people, else it is YAML. Where no deployment runs, in a container or on a host " +
			"that was installed otherwise, the document says so by an empty status.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "format", Usage: "print it as `FORMAT`: humanreadable, yaml or json"},
			&cli.StringFlag{Name: "format-version", Usage: "print `VERSION` of the document, 0 or 1, which are the same", Value: "1"},
			&cli.BoolFlag{Name: "json", Hidden: true, Usage: "the same as --format=json"},
			&cli.BoolFlag{Name: "booted", Usage: "print only what runs"},
			&cli.BoolFlag{Name: "verbose", Aliases: []string{"v"}, Usage: "tell people more"},
		},
		Action: e.printStatus,
	}
}

func (e *env) printStatus(c *cli.Context) error {
	if _, err := operands(c); err != nil {
		return err
	}
	if v := c.String("format-version"); v != "0" && v != "1" {
		return usageError(c, "Unsupported format version: %s", v)
	}
	write, err := e.statusFormat(c)
	if err != nil {
		return err
	}
	doc, err := e.status(c.Context)
	switch {
	case errors.Is(err, sysroot.ErrContainer), errors.Is(err, sysroot.ErrNotBooted):
		doc = host.New()
	case err != nil:
		return err
	}
	if c.Bool("booted") {
		doc.Status.Staged, doc.Status.Rollback = nil, nil
	}
	return write(doc)
}

// statusFormat is how the flags want the document printed.
func (e *env) statusFormat(c *cli.Context) (func(*host.Host) error, error) {
	format := c.String("format")
	switch {
	case format != "":
	case c.Bool("json"):
		format = "json"
	case isTerminal(e.stdout):
		format = "humanreadable"
	default:
		format = "yaml"
	}
	switch format {
	case "json":
		return e.encoded((*host.Host).JSON), nil
	case "yaml":
		return e.encoded((*host.Host).YAML), nil
	case "humanreadable":
		return func(h *host.Host) error {
			return h.WriteHuman(e.stdout, host.HumanOptions{Verbose: c.Bool("verbose")})
		}, nil
	}
	return nil, usageError(c, "--format: unknown format %q (want humanreadable, yaml or json)", format)
}

func (e *env) encoded(encode func(*host.Host) ([]byte, error)) func(*host.Host) error {
	return func(h *host.Host) error {
		text, err := encode(h)
		if err == nil {
			_, err = e.stdout.Write(text)
		}
		if err != nil {
			return fmt.Errorf("cannot print the status: %w", err)
		}
		return nil
	}
}

package main

import (
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/bootc-go/bootc/host"
	"github.com/bootc-go/bootc/sysroot"
)

func (e *env) statusCommand() *cli.Command {
	documentVersion := newChoice("format-version", "print `VERSION` of the document, 0 or 1, which are the same", "1", "0", "1")
	documentVersion.refusal = "Unsupported format version: %s"
	return &cli.Command{
		Name: "status", Usage: "print what the host runs, and what it will run",
		Description: "On a terminal the answer is for people, else it is YAML. Where no deployment runs, in a container or on a host " +
			"that was installed otherwise, the document says so by an empty status.",
		Flags: []cli.Flag{
			newChoice("format", "print it as `FORMAT`:", "", "humanreadable", "yaml", "json"),
			documentVersion,
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
	return e.statusFormat(c)(doc)
}

// statusFormat is how the flags want the document printed.
func (e *env) statusFormat(c *cli.Context) func(*host.Host) error {
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
		return e.encoded((*host.Host).JSON)
	case "yaml":
		return e.encoded((*host.Host).YAML)
	}
	return func(h *host.Host) error {
		return h.WriteHuman(e.stdout, host.HumanOptions{Verbose: c.Bool("verbose")})
	}
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

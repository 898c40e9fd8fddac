package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"strings"

	"github.com/urfave/cli/v2"
)

// env is what a command may touch of the world outside: its streams, the root
// directory and the environment. Tests hand in their own.
type env struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	root           string
	getenv         func(string) string
}

// run is main without the process: it runs the command line args and returns
// its exit status, 0 for success, 2 for a command line that cannot be
// understood, 1 for all other failures.
func run(ctx context.Context, e *env, args []string) int {
	out := &answer{w: e.stdout}
	inner := *e
	inner.stdout = out
	app := inner.app()
	args, err := permute(app, byName(args))
	if err == nil {
		err = app.RunContext(ctx, args)
	}
	if out.err != nil && (err == nil || errors.Is(err, out.err)) {
		err = fmt.Errorf("cannot write the answer to standard output: %w", out.err)
	}
	return e.exit(ctx, err)
}

// exit tells the user of err and maps it to the exit status.
func (e *env) exit(ctx context.Context, err error) int {
	if err == nil {
		return 0
	}
	var usage *usageErr
	switch {
	case errors.As(err, &usage):
		fmt.Fprintf(e.stderr, "bootc: %s\n", oneLine(err))
		fmt.Fprintf(e.stderr, "bootc: hint: '%s --help' shows the usage\n", usage.command)
		return 2
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		fmt.Fprintln(e.stderr, "bootc: interrupted")
		return 1
	}
	fmt.Fprintf(e.stderr, "bootc: %s\n", oneLine(err))
	if h := hint(err); h != "" {
		fmt.Fprintf(e.stderr, "bootc: hint: %s\n", h)
	}
	return 1
}

// oneLine is the text of err, which nobody can break into lines of his own.
func oneLine(err error) string {
	return printable(strings.NewReplacer(":\n", ": ", "\n", "; ").Replace(err.Error()))
}

func (e *env) app() *cli.App {
	app := &cli.App{
		Name:            "bootc",
		Usage:           "make a container image the operating system of a host",
		Description:     "The host boots what a container image has in it. A newer image is fetched beside the one\nthat runs and boots next; the one before it stays, for 'bootc rollback'.\n'bootc internals --help' lists tools for administrators.",
		HideVersion:     true,
		Flags:           []cli.Flag{&cli.BoolFlag{Name: "version", Aliases: []string{"V"}, Usage: "print the version"}},
		HideHelpCommand: true,
		// A comma is a part of the value of a flag that can be repeated.
		DisableSliceFlagSeparator: true,
		Reader:                    e.stdin,
		Writer:                    e.stdout,
		ErrWriter:                 e.stderr,
		Commands: []*cli.Command{
			e.installCommand(),
			e.containerCommand(),
			e.statusCommand(),
			e.whyCommand(),
			e.upgradeCommand(),
			e.switchCommand(),
			e.rollbackCommand(),
			e.editCommand(),
			e.pinCommand(),
			e.unpinCommand(),
			e.usrOverlayCommand(),
			e.loaderEntriesCommand(),
			e.configDiffCommand(),
			e.diffCommand(),
			e.imageCommand(),
			e.deleteDeploymentCommand(),
			e.finalizeStagedCommand(),
			e.stateCommand(),
			e.execInHostCommand(),
			e.completionCommand(),
			e.internalsCommand(),
		},
		// Errors are printed and mapped to a status in one place, exit.
		ExitErrHandler: func(*cli.Context, error) {},
		Action: func(c *cli.Context) error {
			if c.Bool("version") {
				_, err := fmt.Fprintln(e.stdout, "bootc", version())
				return err
			}
			return needSubcommand(c)
		},
	}
	prepare(app.Commands)
	return app
}

// prepare gives all commands below the same manners.
func prepare(cmds []*cli.Command) {
	for _, c := range cmds {
		c.HideHelpCommand = true
		c.OnUsageError = func(cc *cli.Context, err error, _ bool) error {
			return usageError(cc, "%w", err)
		}
		if len(c.Subcommands) > 0 && c.Action == nil {
			c.Action = needSubcommand
		}
		prepare(c.Subcommands)
	}
}

// needSubcommand is the action of a command that only groups others.
func needSubcommand(c *cli.Context) error {
	if c.Args().Present() {
		return usageError(c, "unknown command %q", c.Args().First())
	}
	if c.Command == nil || len(c.Lineage()) <= 2 {
		return cli.ShowAppHelp(c)
	}
	var names []string
	for _, sub := range c.Command.Subcommands {
		if !sub.Hidden {
			names = append(names, sub.Name)
		}
	}
	return usageError(c, "missing command: one of %s", strings.Join(names, ", "))
}

// buildVersion is stamped into the program by the linker.
var buildVersion string

// userAgent is how the program introduces itself to registries.
func userAgent() string { return "bootc/" + version() }

// version is what the build was stamped with, else what Go knows of it.
func version() string {
	if buildVersion != "" {
		return buildVersion
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "devel"
}

package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/bootc-go/bootc/etcmerge/accounts"
	"github.com/bootc-go/bootc/systemd"
)

// generatorName is the name by which systemd starts the program as a generator.
const generatorName = "bootc-systemd-generator"

// byName makes the command line of what the program was started as: systemd knows
// generators by their file names only.
func byName(args []string) []string {
	if len(args) > 0 && filepath.Base(args[0]) == generatorName {
		return append([]string{"bootc", "internals", "systemd-generator"}, args[1:]...)
	}
	return args
}

func (e *env) generatorCommand() *cli.Command {
	return &cli.Command{
		Name: "systemd-generator", Usage: "make and enable the units that this host needs", ArgsUsage: "NORMAL_DIR [EARLY_DIR] [LATE_DIR]",
		Description: "systemd runs it early at boot, under the name " + generatorName + ", see systemd.generator(7).",
		Action: func(c *cli.Context) error {
			args, err := operands(c)
			if err != nil {
				return err
			}
			return systemd.Generate(e.root, args[0])
		},
	}
}

func (e *env) fixupFstabCommand() *cli.Command {
	return &cli.Command{
		Name: "fixup-etc-fstab", Usage: "make the root in /etc/fstab read-only, if Anaconda wrote it",
		Action: func(c *cli.Context) error {
			if _, err := operands(c); err != nil {
				return err
			}
			etc, err := os.Open(filepath.Join(e.root, "etc"))
			if err != nil {
				return err
			}
			defer etc.Close()
			changed, err := systemd.FixFstab(etc)
			if changed {
				fmt.Fprintln(e.stderr, "bootc: the root in /etc/fstab is read-only now")
			}
			return err
		},
	}
}

func (e *env) sysusersSyncCommand() *cli.Command {
	return &cli.Command{
		Name: "sysusers-sync", Usage: "drop lines of /etc/shadow and /etc/gshadow that no user or group has, or a second time",
		Description: "systemd-sysusers gives up at such lines. bootc-sysusers-shadow-sync.service runs this before it.",
		Action: func(c *cli.Context) error {
			if _, err := operands(c); err != nil {
				return err
			}
			etc, err := os.Open(filepath.Join(e.root, "etc"))
			if err != nil {
				return err
			}
			defer etc.Close()
			usrlib, err := os.Open(filepath.Join(e.root, "usr/lib"))
			if err == nil {
				defer usrlib.Close()
			}
			dropped, err := accounts.DropOrphans(etc, usrlib)
			for _, d := range dropped {
				fmt.Fprintf(e.stderr, "bootc: dropped from /etc/%s\n", printable(d))
			}
			return err
		},
	}
}

func (e *env) relabelCommand() *cli.Command {
	return &cli.Command{
		Name: "relabel", Usage: "label files by the SELinux policy of this system", ArgsUsage: "PATH",
		Description: "PATH and all below it get the labels that the policy gives them, but for other file systems that are mounted there.",
		Flags:       []cli.Flag{&cli.StringFlag{Name: "as-path", Usage: "give the labels that PATH would have if it was called `NAME`"}},
		Action: func(c *cli.Context) error {
			args, err := operands(c)
			if err != nil {
				return err
			}
			return systemd.Relabel(c.Context, e.root, args[0], cmp.Or(c.String("as-path"), args[0]))
		},
	}
}

func (e *env) relabelOverlaysCommand() *cli.Command {
	return &cli.Command{
		Name: "relabel-overlay-mountpoints", Usage: "label / and /etc by the SELinux policy where they are transient overlays",
		Action: func(c *cli.Context) error {
			if _, err := operands(c); err != nil {
				return err
			}
			done, err := systemd.RelabelOverlays(e.root)
			if len(done) > 0 {
				fmt.Fprintf(e.stderr, "bootc: labeled %s\n", strings.Join(done, " and "))
			}
			return err
		},
	}
}

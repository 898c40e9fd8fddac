package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/deploy"
)

// What upstream's bootc has for scripts and units, and users need not see.

var errNoOstree = errors.New("there is no ostree here whose deployments could be wiped")

func (e *env) stateCommand() *cli.Command {
	return &cli.Command{
		Name: "state", Usage: "change the state of the host", Hidden: true,
		Subcommands: []*cli.Command{{
			Name: "wipe-ostree", Usage: "is for hosts with ostree: deployments go one by one here, with delete-deployment",
			Action: func(c *cli.Context) error {
				if _, err := operands(c); err != nil {
					return err
				}
				return errNoOstree
			},
		}},
	}
}

// errNoCompletion is for the %post scripts of Anaconda's ostreecontainer.
var errNoCompletion = errors.New("there is no installation with ostree here that could be completed: 'bootc install to-filesystem' does all of an installation at once")

func ensureCompletionCommand() *cli.Command {
	return &cli.Command{
		Name: "ensure-completion", Usage: "is for installations with ostree: to-filesystem does all of one at once here", Hidden: true,
		Action: func(c *cli.Context) error {
			if _, err := operands(c); err != nil {
				return err
			}
			return errNoCompletion
		},
	}
}

func (e *env) execInHostCommand() *cli.Command {
	return &cli.Command{
		Name: "exec-in-host-mount-namespace", Usage: "run a program that sees the mounts of the host's first process", ArgsUsage: "CMD [ARG...]",
		Hidden: true, SkipFlagParsing: true,
		Action: func(c *cli.Context) error {
			args := c.Args().Slice()
			if len(args) > 0 && args[0] == "--" {
				args = args[1:]
			}
			if len(args) == 0 {
				return usageError(c, "missing operand CMD")
			}
			if err := execInHost(args); err != nil {
				return fmt.Errorf("cannot run %s in the host's mount namespace: %w", args[0], err)
			}
			return nil
		},
	}
}

// execInHost becomes the program. The thread that enters the namespace must share no
// working directory with others, and is the one that goes on.
func execInHost(args []string) error {
	host, err := os.Open("/proc/1/ns/mnt")
	if err != nil {
		return err
	}
	defer host.Close()
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return err
	}
	if err := unix.Setns(int(host.Fd()), unix.CLONE_NEWNS); err != nil {
		return err
	}
	name, err := exec.LookPath(args[0])
	if err != nil {
		return err
	}
	return unix.Exec(name, args, os.Environ())
}

func (e *env) cleanupCommand() *cli.Command {
	return &cli.Command{
		Name: "cleanup", Usage: "remove what belongs to no deployment, and say nothing",
		Action: func(c *cli.Context) error {
			if _, err := operands(c); err != nil {
				return err
			}
			return e.withSysroot(c.Context, access{write: true, quiet: true}, func(s opened) error {
				_, err := s.GC(c.Context, deploy.GCOptions{})
				return err
			})
		},
	}
}

func (e *env) rebootCommand() *cli.Command {
	return &cli.Command{
		Name: "reboot", Usage: "reboot as --apply does",
		Action: func(c *cli.Context) error {
			if _, err := operands(c); err != nil {
				return err
			}
			return e.reboot(c.Context)
		},
	}
}

// Bootc-initramfs makes a deployment the root file system. It runs in the
// initramfs, where it is called /usr/lib/bootc/initramfs-setup, after the root file
// system of the disk was mounted and before the initramfs gives way to it:
//
//	initramfs-setup setup-root [--sysroot DIR] [--target DIR] [--config FILE] [--run DIR] [--cmdline LINE]
//
// What it does is in docs/explanation/boot.md. It is small and links no library that
// fetches or unpacks images.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/bootc-go/bootc/kargs"
	"github.com/bootc-go/bootc/setuproot"
)

func main() { os.Exit(run(os.Args[1:], os.Stderr)) } //nolint:forbidigo // this is where the process ends

// run is main without the process. It returns the exit status: 2 for a command line
// that cannot be understood, 1 for all other failures.
func run(args []string, stderr io.Writer) int {
	o, err := parseArgs(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintf(stderr, "bootc: %v\n", err)
		return 2
	}
	if err := setuproot.Setup(o); err != nil {
		fmt.Fprintf(stderr, "bootc: cannot set up the root file system: %v\n", err)
		fmt.Fprintf(stderr, "bootc: hint: %s\n", setuproot.Hint(err))
		return 1
	}
	return 0
}

// parseArgs reads the arguments; what is left out has a default that is right in an
// initramfs.
func parseArgs(args []string, stderr io.Writer) (setuproot.Options, error) {
	var (
		o       = setuproot.Options{Warn: func(text string) { fmt.Fprintf(stderr, "bootc: warning: %s\n", text) }}
		cmdline string
	)
	flags := flag.NewFlagSet("initramfs-setup setup-root", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.Usage = func() {
		flags.SetOutput(stderr)
		fmt.Fprintln(stderr, "usage: initramfs-setup setup-root [options]")
		flags.PrintDefaults()
	}
	flags.StringVar(&o.Sysroot, "sysroot", "/sysroot", "`directory` where the root file system of the disk is mounted")
	flags.StringVar(&o.Target, "target", "", "`directory` to mount the deployment at, leaving sysroot alone (default: in the place of sysroot)")
	flags.StringVar(&o.Config, "config", "/usr/lib/composefs/setup-root-conf.toml", "configuration `file`")
	flags.StringVar(&o.Run, "run", "/run", "`directory` that the system will see as /run")
	flags.StringVar(&cmdline, "cmdline", "", "kernel command `line` (default: that of the running kernel)")
	if len(args) == 0 || args[0] != "setup-root" {
		return o, errors.New("want the command setup-root")
	}
	if err := flags.Parse(args[1:]); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if o.Target == "" {
		o.Target = o.Sysroot
	}
	if cmdline != "" {
		o.Cmdline = kargs.Parse(cmdline)
		return o, nil
	}
	data, err := os.ReadFile("/proc/cmdline")
	o.Cmdline = kargs.Parse(string(data))
	return o, err
}

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/bootc-go/bootc/install"
	"github.com/bootc-go/bootc/install/config"
	"github.com/bootc-go/bootc/kargs"
)

func (e *env) installCommand() *cli.Command {
	return &cli.Command{
		Name: "install", Usage: "make a host that boots an image",
		Subcommands: []*cli.Command{
			e.installToDiskCommand(),
			e.installToFilesystemCommand(),
			e.installToExistingRootCommand(),
			e.installResetCommand(),
			e.installFinalizeCommand(),
			e.printConfigurationCommand(),
			ensureCompletionCommand(),
		},
	}
}

func (e *env) installToDiskCommand() *cli.Command {
	return &cli.Command{
		Name: "to-disk", Usage: "partition a disk and install on it", ArgsUsage: "DEVICE",
		Description: "DEVICE gets a BIOS boot partition, an EFI system partition and a root, and boots with BIOS and UEFI, as far as the image has boot loaders for both. " +
			"In a container, what is installed is the container's image; elsewhere --source-imgref names it, and --filesystem is needed.",
		Flags: append([]cli.Flag{
			&cli.BoolFlag{Name: "wipe", Usage: "replace what is on the device"},
			newChoice("block-setup", "how the root lies on the disk, the `SETUP`: direct, or tpm2-luks, encrypted with a key of this machine's TPM 2.0 (default: the first that the configuration allows, else direct)", "", string(config.Direct), string(config.TPM2LUKS)),
			newChoice("filesystem", "make the root of the `TYPE`:", "", words(config.KnownFilesystems())...),
			&cli.StringFlag{Name: "root-size", Usage: "make the root `SIZE` large, in MiB or with M, G or T behind the number"},
			&cli.BoolFlag{Name: "via-loopback", Usage: "DEVICE is a regular file that becomes a disk image"},
		}, installFlags()...),
		Action: e.installToDisk,
	}
}

func (e *env) installToDisk(c *cli.Context) error {
	args, err := operands(c)
	if err != nil {
		return err
	}
	d := install.DiskOptions{Path: args[0], Loopback: c.Bool("via-loopback"), Wipe: c.Bool("wipe"), Host: e.root}
	if d.RootSize, err = mebibytes(c.String("root-size")); err != nil {
		return usageError(c, "--root-size: %w", err)
	}
	if c.IsSet("filesystem") {
		if d.Filesystem, err = config.ParseFilesystem(c.String("filesystem")); err != nil {
			return usageError(c, "--filesystem: %w", err)
		}
	}
	if c.IsSet("block-setup") {
		if d.Block, err = config.ParseBlockSetup(c.String("block-setup")); err != nil {
			return usageError(c, "--block-setup: %w", err)
		}
	}
	return e.installWith(c, func(ctx context.Context, o install.Options) (*install.Result, error) {
		return install.ToDisk(ctx, o, d)
	})
}

// mebibytes reads a size in MiB, or with a unit behind it; "" is 0.
func mebibytes(s string) (int64, error) {
	if s == "" {
		return 0, nil
	}
	digits, shift := s, 20
	if i := strings.IndexByte("MGT", s[len(s)-1]); i >= 0 {
		digits, shift = s[:len(s)-1], 20+10*i
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n <= 0 || n > 1<<62>>shift {
		return 0, fmt.Errorf("%q is no size (want a number, with M, G or T behind it)", s)
	}
	return n << shift, nil
}

// replaceable are the ways of --replace.
func replaceable() []string {
	return []string{string(install.ReplaceAll), string(install.ReplaceAlongside)}
}

var errExistingRoot = errors.New("interrupted before anything was changed")

func (e *env) installToFilesystemCommand() *cli.Command {
	return &cli.Command{
		Name: "to-filesystem", Usage: "install into file systems that are mounted", ArgsUsage: "ROOT_PATH",
		Description: "ROOT_PATH is where the root file system is mounted, with /boot and /var in it if they are file systems of their own, and the EFI system partition on boot/efi, unless the only one is on the disk of the root.",
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "root-mount-spec", Usage: "find the root by `SPEC`, such as LABEL=rootfs; empty for no root= argument (default: its UUID)"},
			&cli.StringFlag{Name: "boot-mount-spec", Usage: "find /boot by `SPEC`; empty for not mounting it (default: its UUID)"},
			newChoice("replace", "what happens to what is there, the `WAY`: wipe removes all, also what is mounted on var and boot, alongside what is in /boot and on the EFI system partition", "", replaceable()...),
			&cli.BoolFlag{Name: "acknowledge-destructive", Usage: "do not wait before the root that runs is changed"},
			&cli.BoolFlag{Name: "skip-finalize", Usage: "leave the file systems writable"},
		}, installFlags()...),
		Action: func(c *cli.Context) error { return e.installToFilesystem(c, install.FilesystemOptions{}) },
	}
}

func (e *env) installToExistingRootCommand() *cli.Command {
	return &cli.Command{
		Name: "to-existing-root", Usage: "install over the system that runs", ArgsUsage: "[ROOT_PATH]",
		Description: "ROOT_PATH is where a container sees the host's root, by default /target. What is in /boot and on the EFI system partition is removed; all else stays, and is below /sysroot afterwards, or on its own file system.",
		Flags: append([]cli.Flag{
			newChoice("replace", "what happens to what is there, the `WAY`, see to-filesystem:", string(install.ReplaceAlongside), replaceable()...),
			&cli.BoolFlag{Name: "acknowledge-destructive", Usage: "do not wait before anything is changed"},
			&cli.BoolFlag{Name: "cleanup", Usage: "have the image's cleanup unit remove the old system's files at the first boot"},
		}, installFlags()...),
		Action: func(c *cli.Context) error {
			b, err := os.ReadFile(filepath.Join(e.root, "proc/cmdline"))
			if err != nil {
				return fmt.Errorf("cannot read the kernel's command line: %w", err)
			}
			return e.installToFilesystem(c, install.FilesystemOptions{
				Path: "/target", SkipFinalize: true, Cleanup: c.Bool("cleanup"), Inherit: kargs.Parse(string(b)),
			})
		},
	}
}

func (e *env) installToFilesystem(c *cli.Context, f install.FilesystemOptions) error {
	args, err := operands(c)
	if err != nil {
		return err
	}
	if args[0] != "" {
		f.Path = args[0]
	}
	f.Replace = install.Replace(c.String("replace"))
	for name, spec := range map[string]**string{"root-mount-spec": &f.RootSpec, "boot-mount-spec": &f.BootSpec} {
		if c.IsSet(name) {
			s := c.String(name)
			*spec = &s
		}
	}
	f.SkipFinalize = f.SkipFinalize || c.Bool("skip-finalize") || f.Replace == install.ReplaceAlongside
	return e.installWith(c, func(ctx context.Context, o install.Options) (*install.Result, error) {
		if err := e.warnOfHostRoot(ctx, f.Path, c.Bool("acknowledge-destructive")); err != nil {
			return nil, err
		}
		return install.ToFilesystem(ctx, o, f)
	})
}

// hostRootDelay is how long one can think again.
const hostRootDelay = 20 * time.Second

// warnOfHostRoot gives time to interrupt if path is the root that runs.
func (e *env) warnOfHostRoot(ctx context.Context, path string, acknowledged bool) error {
	host, err := install.IsHostRoot(path)
	if err != nil || !host || acknowledged {
		return err
	}
	fmt.Fprintf(e.stderr, "bootc: warning: this replaces the boot loader and the kernel of the system that runs, and cannot be undone\n")
	fmt.Fprintf(e.stderr, "bootc: hint: interrupt it (Control-C) within %s, or never; --acknowledge-destructive does not wait\n", hostRootDelay)
	select {
	case <-ctx.Done():
		return errors.Join(errExistingRoot, ctx.Err())
	case <-time.After(hostRootDelay):
		return nil
	}
}

// installWith installs with what all ways of installing have in common.
func (e *env) installWith(c *cli.Context, to func(context.Context, install.Options) (*install.Result, error)) error {
	o, err := e.installOptions(c)
	if err != nil {
		return err
	}
	report, done := e.reporter(false)
	o.Progress, o.Image.Progress = report, report
	res, err := to(c.Context, o)
	done()
	if c.Err() != nil && errors.Is(err, install.ErrHalfway) {
		return fmt.Errorf("interrupted: %w: the target was changed, but it does not boot", install.ErrHalfway)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.stdout, "Installation complete!\n  image       %s\n  deployment  %s\n  boot loader %s\n", o.Source, res.ID, res.Loader)
	return err
}

func (e *env) installFinalizeCommand() *cli.Command {
	return &cli.Command{
		Name: "finalize", Usage: "check what an installation left", ArgsUsage: "ROOT_PATH",
		Description: "For installers that change what 'to-filesystem --skip-finalize' made. ROOT_PATH must have a deployment.",
		Action: func(c *cli.Context) error {
			args, err := operands(c)
			if err != nil {
				return err
			}
			return install.Finalize(args[0])
		},
	}
}

func (e *env) printConfigurationCommand() *cli.Command {
	return &cli.Command{
		Name: "print-configuration", Usage: "print the image's install configuration as JSON",
		Description: "It is read from /usr/lib/bootc/install and its kin, so this is run in a container of the image. It is what a program that partitions the disk itself needs to know.",
		Flags:       []cli.Flag{&cli.BoolFlag{Name: "all", Usage: "print also what the installation does by itself: kernel arguments"}},
		Action: func(c *cli.Context) error {
			if _, err := operands(c); err != nil {
				return err
			}
			cfg, err := e.installConfig()
			if err != nil {
				return err
			}
			b, err := cfg.JSON(c.Bool("all"))
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(e.stdout, "%s\n", b)
			return err
		},
	}
}

// installConfig is the configuration of the system that runs, in a container that
// of its image.
func (e *env) installConfig() (*config.Config, error) {
	cfg, warnings, err := config.Load(os.DirFS(e.root), runtime.GOARCH)
	for _, w := range warnings {
		fmt.Fprintf(e.stderr, "bootc: warning: %s\n", printable(w))
	}
	return cfg, err
}

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"github.com/bootc-go/bootc/composefs/verity"
	"github.com/bootc-go/bootc/deploy"
	"github.com/bootc-go/bootc/kargs"
	"github.com/bootc-go/bootc/setuproot"
	"github.com/bootc-go/bootc/sysroot"
)

// What --soft-reboot can be.
const (
	softRequired = "required"
	softAuto     = "auto"
)

func softRebootFlag() cli.Flag {
	return newChoice("soft-reboot", "prepare a reboot that leaves the kernel running. `MODE` is required, or auto: a whole reboot if there must be one", "", softRequired, softAuto)
}

// bootNext prepares a soft reboot if one is asked for, and reboots with --apply, if
// something else boots next than before. slot is what status calls that.
func (e *env) bootNext(c *cli.Context, changed bool, slot string) error {
	if !changed {
		return nil
	}
	soft := false
	if mode := c.String("soft-reboot"); mode != "" {
		var err error
		if soft, err = e.prepareNext(c, mode, slot); err != nil {
			return err
		}
	}
	switch {
	case !c.Bool("apply"):
		return nil
	case soft:
		return e.softReboot(c.Context)
	}
	return e.reboot(c.Context)
}

// prepareNext prepares a soft reboot into what boots next, if it can be done.
func (e *env) prepareNext(c *cli.Context, mode, slot string) (done bool, err error) {
	err = e.withSysroot(c.Context, access{write: true, quiet: true}, func(s opened) error {
		id, err := s.Next()
		if err != nil {
			return err
		}
		err = s.SoftRebootable(id)
		switch {
		case errors.Is(err, deploy.ErrNoSoftReboot) && mode == softAuto:
			fmt.Fprintf(e.stderr, "bootc: the %s deployment is %s\n", slot, printable(err.Error()))
			return nil
		case errors.Is(err, deploy.ErrNoSoftReboot):
			return softRefusal(slot, err)
		case err != nil:
			return err
		}
		fmt.Fprintf(e.stdout, "Preparing a soft reboot into the %s deployment\n", slot)
		done = true
		return e.prepareNextRoot(c.Context, s, id)
	})
	return done, err
}

// softRefusal begins with upstream's sentence, for programs look for it.
func softRefusal(slot string, err error) error {
	return fmt.Errorf("Soft reboot was required but %s deployment is %w", slot, err) //nolint:staticcheck // capitals and all
}

// prepareNextRoot makes the deployment boot next, however that comes about, and mounts
// it for a soft reboot.
func (e *env) prepareNextRoot(ctx context.Context, s opened, id verity.Digest) error {
	root, err := s.PrepareSoftReboot(ctx, id)
	if err != nil {
		return err
	}
	cmdline, err := os.ReadFile(filepath.Join(e.root, "proc/cmdline"))
	if err != nil {
		return err
	}
	target := filepath.Join(e.root, sysroot.NextRoot)
	if err := setuproot.Unmount(target); err != nil {
		return err
	}
	if err := os.Mkdir(target, 0o755); err != nil {
		return err
	}
	err = setuproot.Setup(setuproot.Options{
		Sysroot: filepath.Join(e.root, "sysroot"), Target: target, Run: filepath.Join(e.root, "run"),
		// What the initramfs has of it: that is the same for both deployments.
		Config:  filepath.Join(e.root, "usr/lib/composefs/setup-root-conf.toml"),
		Cmdline: kargs.Parse(string(cmdline)).WithRoot(root),
		Warn:    func(text string) { fmt.Fprintf(e.stderr, "bootc: warning: %s\n", printable(text)) },
	})
	if err != nil {
		return fmt.Errorf("cannot prepare a soft reboot, a whole one starts the deployment: %w", errors.Join(err, setuproot.Unmount(target)))
	}
	return nil
}

// dropStaleRoot takes away what was prepared for a soft reboot if it does not boot next
// any more: systemctl reboot would go there all the same.
func (e *env) dropStaleRoot(s opened) error {
	id, err := s.host.Prepared()
	if err != nil || id.IsZero() || s.Settled(id) {
		return err
	}
	return setuproot.Unmount(filepath.Join(e.root, sysroot.NextRoot))
}

// softReboot is reboot, but for the kernel.
func (e *env) softReboot(ctx context.Context) error {
	if err := e.command(ctx, "systemd-run", "--quiet", "--", "systemctl", "soft-reboot", "--message=Initiated by bootc"); err != nil {
		return fmt.Errorf("cannot reboot softly: %w", err)
	}
	return nil
}

func (e *env) prepSoftRebootCommand() *cli.Command {
	return &cli.Command{
		Name: "prep-soft-reboot", Usage: "prepare a soft reboot", ArgsUsage: "[DEPL]",
		Description: "Mounts the deployment DEPL, or what boots next, where systemd takes the root of a soft reboot from. The same deployment boots next then, " +
			"also after a whole reboot; what is staged is applied at once, with /etc as it is now. " +
			"'systemctl reboot' and 'systemctl soft-reboot' both reboot softly from then on. DEPL " + deploymentNames,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "reboot", Usage: "and reboot softly"},
			&cli.BoolFlag{Name: "reset", Usage: "take back what was prepared; what boots next stays so"},
		},
		Action: e.prepSoftReboot,
	}
}

func (e *env) prepSoftReboot(c *cli.Context) error {
	args, err := operands(c)
	if err == nil {
		err = exclusive(c, "reset", "reboot")
	}
	if err != nil {
		return err
	}
	if c.Bool("reset") && args[0] != "" {
		return usageError(c, "--reset takes no deployment")
	}
	err = e.withSysroot(c.Context, access{write: true, quiet: true}, func(s opened) error {
		if c.Bool("reset") {
			return setuproot.Unmount(filepath.Join(e.root, sysroot.NextRoot))
		}
		id, err := s.Next()
		if args[0] != "" {
			id, err = s.Find(args[0])
		}
		if err != nil {
			return err
		}
		return e.prepareNextRoot(c.Context, s, id)
	})
	if err != nil || !c.Bool("reboot") {
		return err
	}
	return e.softReboot(c.Context)
}

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/bootc-go/bootc/deploy"
	"github.com/bootc-go/bootc/health"
)

// The commands that systemd units run in each boot, in this order. What they do is
// described in docs/explanation/boot-safety.md.
func (e *env) bootCommands() []*cli.Command {
	return []*cli.Command{
		{
			Name: "boot-check", Usage: "look whether this boot is well; bootc-boot-check.service runs this",
			Description: "Takes note of the boot, waits until the system has started, and runs the health checks. " +
				"If a required one fails and the deployment is on trial, the host reboots.",
			Action: e.boot(e.bootCheck),
		},
		{
			Name: "boot-complete", Usage: "stop counting the boots of the deployment that runs; bootc-boot-complete.service runs this",
			Action: e.boot(e.bootComplete),
		},
		{
			Name: "boot-failed", Usage: "take note that boot-complete.target was not reached; bootc-boot-failed.service runs this",
			Action: e.boot(e.bootFailed),
		},
	}
}

// boot is the action of a command that has no operands and is part of a boot.
func (e *env) boot(do func(context.Context, deploy.Boot) error) cli.ActionFunc {
	return func(c *cli.Context) error {
		if _, err := operands(c); err != nil {
			return err
		}
		b, err := e.thisBoot(c.Context)
		if err != nil {
			return err
		}
		return do(c.Context, b)
	}
}

// thisBoot is the boot that runs.
func (e *env) thisBoot(ctx context.Context) (deploy.Boot, error) {
	id, err := os.ReadFile(filepath.Join(e.root, "proc/sys/kernel/random/boot_id"))
	if err != nil {
		return deploy.Boot{}, fmt.Errorf("cannot find out which boot this is: %w", err)
	}
	return deploy.Boot{ID: strings.TrimSpace(string(id)), Now: time.Now(), Watchdog: func() bool { return e.watchdogReset(ctx) }}, nil
}

// cardReset is WDIOF_CARDRESET of linux/watchdog.h: the watchdog reset the machine.
const cardReset = 0x20

// watchdogReset asks the watchdogs whether one of them is why the machine started. Early
// in a boot their drivers may have to be loaded yet.
func (e *env) watchdogReset(ctx context.Context) bool {
	if err := e.command(ctx, "udevadm", "settle", "--timeout=10"); err != nil {
		fmt.Fprintf(e.stderr, "bootc: warning: not all devices may be there: %s\n", oneLine(err))
	}
	files, _ := filepath.Glob(filepath.Join(e.root, "sys/class/watchdog/*/bootstatus")) // the pattern is good
	return slices.ContainsFunc(files, func(file string) bool {
		text, err := os.ReadFile(file)
		if err != nil {
			return false
		}
		status, err := strconv.ParseUint(strings.TrimSpace(string(text)), 0, 32)
		return err == nil && status&cardReset != 0
	})
}

// bootConfig is boot.toml, with a warning about what cannot be read.
func (e *env) bootConfig() health.Config {
	c, err := health.LoadConfig(e.root)
	if err != nil {
		fmt.Fprintf(e.stderr, "bootc: warning: %s\n", oneLine(err))
	}
	return c
}

func (e *env) bootCheck(ctx context.Context, boot deploy.Boot) error {
	err := e.withSysroot(ctx, access{write: true, quiet: true}, func(s opened) error {
		begun, err := s.BeginBoot(ctx, boot)
		if err == nil {
			e.tellGivenUp(begun.GivenUp)
		}
		return err
	})
	if err != nil { // of the note, not of the boot
		fmt.Fprintf(e.stderr, "bootc: warning: %s\n", oneLine(err))
	}
	c := e.bootConfig()
	if reason := e.waitStarted(ctx, c.Timeout); reason != "" {
		return e.failBoot(ctx, boot, reason, "")
	}
	if bad := e.runChecks(ctx, c); bad != nil {
		e.runHooks(ctx, "red", c)
		return e.failBoot(ctx, boot, fmt.Sprintf("the required check %s failed: %v", bad.Name, bad.Err), bad.Output)
	}
	e.runHooks(ctx, "green", c)
	return nil
}

func (e *env) tellGivenUp(given []deploy.Failed) {
	for _, f := range given {
		e.tell(givenUpID, fmt.Sprintf("bootc: gave up %s (%s): %s", f.Image, f.Digest, f.Reason), map[string]string{
			"BOOTC_IMAGE": f.Image, "BOOTC_DIGEST": f.Digest.String(), "BOOTC_DEPLOYMENT": f.ID.String(), "BOOTC_REASON": f.Reason,
		})
	}
}

// runChecks runs the checks and returns a required one that failed. Of wanted ones, and
// of files that are no checks, it only warns.
func (e *env) runChecks(ctx context.Context, c health.Config) *health.Result {
	checks, err := health.Find(e.root, c)
	if err != nil {
		fmt.Fprintf(e.stderr, "bootc: warning: health checks: %s\n", oneLine(err))
	}
	var bad *health.Result
	for _, check := range checks {
		r := check.Run(ctx, e.unitState)
		switch {
		case r.Err == nil:
			fmt.Fprintf(e.stderr, "bootc: check %s: well\n", printable(check.Name))
			continue
		case !check.Required:
			fmt.Fprintf(e.stderr, "bootc: warning: the wanted check %s failed: %v\n", printable(check.Name), r.Err)
		default:
			fmt.Fprintf(e.stderr, "bootc: the required check %s failed: %v\n", printable(check.Name), r.Err)
			if bad == nil {
				bad = &r
			}
		}
		for line := range strings.Lines(r.Output) {
			fmt.Fprintf(e.stderr, "bootc: check %s: %s\n", printable(check.Name), printable(strings.TrimRight(line, "\n")))
		}
	}
	return bad
}

// runHooks runs greenboot's programs for an outcome, which decide nothing.
func (e *env) runHooks(ctx context.Context, outcome string, c health.Config) {
	for _, h := range health.Hooks(e.root, outcome, c.CheckTimeout) {
		if r := h.Run(ctx, e.unitState); r.Err != nil {
			fmt.Fprintf(e.stderr, "bootc: warning: %s of %s.d: %v\n", printable(h.Name), outcome, r.Err)
		}
	}
}

// bootFailedError is that the boot is not well; what follows is decided already.
type bootFailedError struct{ text string }

func (b *bootFailedError) Error() string { return b.text }

// failBoot takes note that the boot failed and reboots if that leads anywhere.
//
// A check that a shutdown ended says nothing.
func (e *env) failBoot(ctx context.Context, boot deploy.Boot, reason, output string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var after deploy.After
	err := e.withSysroot(ctx, access{write: true, quiet: true}, func(s opened) (err error) {
		after, err = s.FailBoot(ctx, boot, reason, output)
		return err
	})
	if err != nil {
		return errors.Join(&bootFailedError{"this boot is not well: " + reason}, err)
	}
	then := map[deploy.After]string{
		deploy.StayUp:   "it goes on all the same: the deployment is not on trial, or there is no better one",
		deploy.TryAgain: "rebooting, to try again",
		deploy.GiveUp:   "rebooting into another deployment, for this was the last try",
	}[after]
	text := fmt.Sprintf("this boot is not well: %s; %s", reason, then)
	e.tell(bootFailedID, "bootc: "+text, map[string]string{"BOOTC_REASON": reason})
	if after != deploy.StayUp {
		if err := e.command(ctx, "systemctl", "--no-block", "reboot"); err != nil {
			return errors.Join(&bootFailedError{text}, err)
		}
	}
	return &bootFailedError{text}
}

func (e *env) bootComplete(ctx context.Context, boot deploy.Boot) error {
	return e.withSysroot(ctx, access{write: true, quiet: true}, func(s opened) error {
		proven, err := s.CompleteBoot(ctx, boot)
		if proven {
			e.tell(completedID, "bootc: the boot is complete; the deployment has proven that it boots", nil)
		}
		return err
	})
}

// bootFailed is for what else boot-complete.target needed. If a check of ours failed its
// reason stays.
func (e *env) bootFailed(ctx context.Context, boot deploy.Boot) error {
	failed, err := e.systemctl(ctx, "list-units", "--failed", "--plain", "--no-legend")
	if err != nil {
		return err
	}
	var units []string
	for line := range strings.Lines(failed) {
		if fields := strings.Fields(line); len(fields) > 0 {
			units = append(units, fields[0])
		}
	}
	return e.failBoot(ctx, boot, "boot-complete.target was not reached; units that failed: "+strings.Join(units, ", "), "")
}

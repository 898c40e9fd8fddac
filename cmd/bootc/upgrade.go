package main

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/bootc-go/bootc/deploy"
	"github.com/bootc-go/bootc/image"
)

func (e *env) upgradeCommand() *cli.Command {
	return &cli.Command{
		Name: "upgrade", Aliases: []string{"update"},
		Usage: "fetch the newest version of the host's image and have it boot next",
		Description: "Looks what the reference that the host follows names by now. If that is another image than the one that runs, " +
			"what is missing of it is fetched, and it boots next. Local changes of /etc are carried over when the host shuts down; /var is shared.\n\n" +
			"Nothing changes for the system that runs, and 'bootc rollback' leads back to it.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "quiet", Usage: "show no progress"},
			&cli.BoolFlag{Name: "check", Usage: "only tell whether there is a newer version, and what it would bring and cost"},
			&cli.BoolFlag{Name: "full", Usage: "with --check, read the layers that are not here, keep nothing of them, and tell all that would change"},
			&cli.BoolFlag{Name: "json", Usage: "with --check, print the answer as JSON"},
			&cli.BoolFlag{Name: "apply", Usage: "reboot if something is staged"},
			softRebootFlag(),
			&cli.BoolFlag{Name: "download-only", Usage: "stage it, but let a reboot not apply it"},
			&cli.BoolFlag{Name: "from-downloaded", Usage: "let a reboot apply what --download-only staged; ask no registry"},
			progressFdFlag(),
			allowFailedFlag(),
			&cli.StringFlag{Name: "tag", Usage: "follow the tag `TAG` of the same image from now on"},
			otherAddonsFlag(),
		},
		Action: e.upgrade,
	}
}

// allowFailedFlag is the flag that forgives an image.
func allowFailedFlag() cli.Flag {
	return &cli.BoolFlag{Name: "allow-failed", Usage: "even if the image did not boot well before and was given up"}
}

func (e *env) upgrade(c *cli.Context) error {
	if _, err := operands(c); err != nil {
		return err
	}
	if err := exclusive(c, "check", "apply", "soft-reboot", "download-only"); err != nil {
		return err
	}
	if err := exclusive(c, "download-only", "apply", "soft-reboot"); err != nil {
		return err
	}
	if err := exclusive(c, "from-downloaded", "check", "download-only", "tag", addonFlag); err != nil {
		return err
	}
	for _, flag := range []string{"full", "json"} {
		if c.Bool(flag) && !c.Bool("check") {
			return usageError(c, "--%s goes with --check", flag)
		}
	}
	switch {
	case c.Bool("check"):
		return e.upgradeCheck(c)
	case c.Bool("from-downloaded"):
		return e.upgradeFromDownloaded(c)
	}
	return e.update(c, deploy.StageOptions{DownloadOnly: c.Bool("download-only"), AllowFailed: c.Bool("allow-failed")}, func(s opened) (deploy.Target, error) {
		return upgradeTarget(c, s)
	})
}

// exclusive refuses the first flag together with any of the others.
func exclusive(c *cli.Context, first string, others ...string) error {
	for _, other := range others {
		if c.IsSet(first) && c.IsSet(other) {
			return usageError(c, "--%s and --%s cannot be used together", first, other)
		}
	}
	return nil
}

// upgradeTarget is what the host follows, with another tag if one is asked for.
func upgradeTarget(c *cli.Context, s opened) (deploy.Target, error) {
	t, err := s.Spec()
	if err != nil || !c.IsSet("tag") {
		return t, err
	}
	t.Switch = true
	t.Ref, err = withTag(t.Ref, c.String("tag"))
	return t, err
}

// withTag is ref with another tag, and without a digest.
func withTag(ref image.Reference, tag string) (image.Reference, error) {
	name, _, _ := strings.Cut(ref.Name(), "@")
	if colon := strings.LastIndexByte(name, ':'); colon > strings.LastIndexByte(name, '/') {
		name = name[:colon]
	}
	return image.New(ref.Transport(), name+":"+tag)
}

func (e *env) upgradeFromDownloaded(c *cli.Context) error {
	text := "Staged deployment will now be applied on reboot"
	err := e.withSysroot(c.Context, access{write: true, quiet: true}, func(s opened) error {
		doc, err := s.Status(c.Context)
		if err != nil {
			return err
		}
		if doc.Status.Staged != nil && !doc.Status.Staged.DownloadOnly {
			text = "Staged deployment is already set to apply on reboot"
			return nil
		}
		return s.Unlock(c.Context)
	})
	if err != nil {
		return err
	}
	fmt.Fprintln(e.stdout, text)
	return e.bootNext(c, true, "staged")
}

// An outcome is what became of an update.
type outcome struct {
	update *deploy.Update
	staged *deploy.Staged
	locked bool // something was staged, and not to be applied
}

// update has the host run the image that target names from its next boot on. It
// is an error of target's that ends it early.
func (e *env) update(c *cli.Context, o deploy.StageOptions, target func(opened) (deploy.Target, error)) error {
	wire, done, err := e.progressFd(c)
	if err != nil {
		return err
	}
	defer done()
	var out outcome
	err = e.withSysroot(c.Context, access{write: true, quiet: c.Bool("quiet"), wire: wire}, func(s opened) error {
		t, err := target(s)
		if err == nil {
			out, err = stage(c, s, t, o, wire)
		}
		return err
	})
	if err != nil {
		return err
	}
	out.print(e, o)
	boots := out.staged.Change == deploy.Available || out.staged.Change == deploy.AlreadyStaged
	return e.bootNext(c, boots, "staged")
}

func stage(c *cli.Context, s opened, t deploy.Target, o deploy.StageOptions, wire *wire) (outcome, error) {
	ctx := c.Context
	doc, err := s.Status(ctx)
	if err != nil {
		return outcome{}, err
	}
	u, err := s.Check(ctx, t)
	if err != nil {
		return outcome{}, err
	}
	defer u.Close() //nolint:errcheck // nothing more is read
	if u.Addons, err = addonChoice(c); err != nil {
		return outcome{}, err
	}
	if u.Change == deploy.Available && !c.Bool("quiet") {
		announce(s.report, u.Plan)
	}
	if u.Change == deploy.Available {
		wire.begin(refText(t.Ref), u.Plan)
	}
	staged, err := s.Stage(ctx, u, o)
	if err == nil {
		wire.end()
	}
	before := doc.Status.Staged
	return outcome{update: u, staged: staged, locked: before != nil && before.DownloadOnly}, err
}

// print tells the outcome in the sentences that upstream's bootc has for it,
// because programs look for them.
func (o *outcome) print(e *env, opts deploy.StageOptions) {
	u, out := o.update, e.stdout
	switch o.staged.Change {
	case deploy.Available:
		if opts.DownloadOnly {
			fmt.Fprintf(out, "Image downloaded, but will not be applied on reboot: %s\n", refText(u.Target.Ref))
		} else {
			fmt.Fprintf(out, "Queued for next boot: %s\n", refText(u.Target.Ref))
		}
		printVersion(e, u)
	case deploy.AlreadyStaged:
		fmt.Fprintln(out, o.stagedText(opts))
	case deploy.Unstage:
		fmt.Fprintf(out, "No changes in: %s\n", refText(u.Target.Ref))
		fmt.Fprintln(out, "  Staged deployment: dropped")
	case deploy.Unchanged:
		fmt.Fprintf(out, "No changes in: %s\n", refText(u.Target.Ref))
		if o.staged.Same && u.Target.Switch {
			fmt.Fprintln(out, "  Upgrades follow it from now on")
		}
	}
	for _, n := range o.staged.Notes {
		fmt.Fprintf(e.stderr, "bootc: /etc/%s: %s\n", printable(n.File), printable(n.Text))
	}
}

func (o *outcome) stagedText(opts deploy.StageOptions) string {
	switch {
	case o.locked == opts.DownloadOnly:
		return "Staged update present, not changed"
	case opts.DownloadOnly:
		return "Image downloaded, but will not be applied on reboot"
	}
	return "Staged deployment will now be applied on reboot"
}

// printVersion prints which image it is that a reference names.
func printVersion(e *env, u *deploy.Update) {
	if u.Version != "" {
		fmt.Fprintf(e.stdout, "  Version: %s\n", printable(u.Version))
	}
	fmt.Fprintf(e.stdout, "  Digest: %s\n", u.ManifestDigest)
}

// refText is the reference as people write it: what is in a registry goes
// without saying so.
func refText(ref image.Reference) string {
	if ref.Transport() == "registry" {
		return printable(ref.Name())
	}
	return printable(ref.String())
}

// upgradeCheck tells what upgrade would do. It opens the host for reading only.
func (e *env) upgradeCheck(c *cli.Context) error {
	var u *deploy.Update
	var f *deploy.Forecast
	err := e.withScratch(func(scratch func() (string, error)) error {
		return e.withSysroot(c.Context, access{quiet: c.Bool("quiet")}, func(s opened) (err error) {
			u, f, err = e.foresee(c, s, deploy.ForecastOptions{Scratch: scratch, Fetch: c.Bool("full")})
			return err
		})
	})
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return e.printJSON(f)
	}
	e.printCheck(u, f)
	return nil
}

func (e *env) foresee(c *cli.Context, s opened, o deploy.ForecastOptions) (*deploy.Update, *deploy.Forecast, error) {
	t, err := upgradeTarget(c, s)
	if err != nil {
		return nil, nil, err
	}
	u, err := s.Check(c.Context, t)
	if err != nil {
		return nil, nil, err
	}
	defer u.Close() //nolint:errcheck // nothing more is read
	if u.Addons, err = addonChoice(c); err != nil {
		return nil, nil, err
	}
	s.Remember(u)
	f, err := s.Forecast(c.Context, u, o)
	return u, f, err
}

func (e *env) printCheck(u *deploy.Update, f *deploy.Forecast) {
	if u.Change == deploy.Unchanged || u.Change == deploy.Unstage {
		fmt.Fprintf(e.stdout, "No changes in: %s\n", refText(u.Target.Ref))
		if u.Change == deploy.Unstage {
			fmt.Fprintln(e.stdout, "  Staged: another image, which an upgrade drops")
		}
		writeRefusals(e.stdout, f)
		return
	}
	fmt.Fprintf(e.stdout, "Update available for: %s\n", refText(u.Target.Ref))
	printVersion(e, u)
	fmt.Fprintf(e.stdout, "  Layers: %d, of which %d are here\n", f.Download.Layers, f.Download.Layers-f.Download.Fetched)
	fmt.Fprintf(e.stdout, "  Download: %s\n", bytesText(f.Download.Bytes))
	if u.Change == deploy.AlreadyStaged {
		fmt.Fprintln(e.stdout, "  Staged: yes")
	}
	writeForecast(e.stdout, f)
}

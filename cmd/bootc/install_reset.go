package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/bootc-go/bootc/deploy"
	"github.com/bootc-go/bootc/host"
	"github.com/bootc-go/bootc/image"
	"github.com/bootc-go/bootc/kargs"
)

func (e *env) installResetCommand() *cli.Command {
	return &cli.Command{
		Name: "reset", Usage: "have the host boot as on the day of its installation: a factory reset",
		Description: "The next boot has the /etc of the image, with nothing of what was changed on this host, and a /var as on the day of installation. " +
			"It is the image that runs, or that of --target-imgref. Nothing changes for the system that runs.\n\n" +
			"Until the new system has completed a boot the old /etc and /var are there, and 'bootc rollback' brings them back; then they go, " +
			"as far as no other deployment has them. Before the reboot 'bootc delete-deployment staged' calls the reset off.\n\n" +
			"Kernel arguments are those of the image, and those by which the root and /boot are found. " +
			"Lines of /etc/fstab for /boot, /boot/efi and /efi are taken over, and nothing else that --keep does not name.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "acknowledge-destructive", Usage: "what is in /etc and /var will be gone: one must say so"},
			&cli.BoolFlag{Name: "experimental", Usage: "the same, in upstream's word"},
			&cli.StringSliceFlag{Name: "keep", Usage: "copy the file or directory `PATH`, below /etc or /var, as it is now; can be repeated"},
			&cli.StringFlag{Name: "stateroot", Usage: "call the new /var `NAME`, of which it is the directory in /sysroot/state/os (default: s<year>-<number>)"},
			&cli.StringFlag{Name: "target-imgref", Usage: "boot the image `IMGREF` instead of the one that runs, and have upgrades follow it"},
			newChoice("target-transport", "where the image of --target-imgref is, the `TRANSPORT`:", image.Transports()[0], image.Transports()...).also("docker"),
			&cli.BoolFlag{Name: "enforce-container-sigpolicy", Usage: "refuse an image that containers-policy.json accepts unsigned, now and in upgrades"},
			&cli.BoolFlag{Name: "run-fetch-check", Hidden: true, Usage: "accepted for scripts: the image is fetched"},
			&cli.BoolFlag{Name: "skip-fetch-check", Hidden: true, Usage: "accepted for scripts: the image is fetched"},
			&cli.BoolFlag{Name: "target-no-signature-verification", Hidden: true, Usage: "accepted for scripts, and of no meaning"},
			&cli.BoolFlag{Name: "no-root-kargs", Usage: "do not take over the kernel arguments by which the root is found"},
			&cli.StringSliceFlag{Name: "karg", Usage: "add the kernel argument `ARG`; can be repeated"},
			allowFailedFlag(),
			&cli.BoolFlag{Name: "apply", Usage: "reboot"},
			progressFdFlag(),
			&cli.BoolFlag{Name: "quiet", Usage: "show no progress"},
		},
		Action: e.installReset,
	}
}

func (e *env) installReset(c *cli.Context) error {
	o, err := resetOptions(c)
	if err != nil {
		return err
	}
	target, err := resetTarget(c)
	if err != nil {
		return err
	}
	wire, done, err := e.progressFd(c)
	if err != nil {
		return err
	}
	defer done()
	var res *deploy.Reset
	err = e.withSysroot(c.Context, access{write: true, quiet: c.Bool("quiet"), wire: wire}, func(s opened) error {
		if err := e.resettable(s, o); err != nil {
			return fmt.Errorf("cannot stage a factory reset: %w", err)
		}
		res, err = reset(c, s, target, o, wire)
		return err
	})
	if err != nil {
		return err
	}
	e.printReset(res)
	return e.bootNext(c, true, "staged")
}

// resetOptions reads the flags, but for what concerns the image.
func resetOptions(c *cli.Context) (o deploy.ResetOptions, err error) {
	if _, err := operands(c); err != nil {
		return o, err
	}
	if !c.Bool("acknowledge-destructive") && !c.Bool("experimental") {
		return o, usageError(c, "a factory reset loses what is in /etc and /var: say --acknowledge-destructive, or --experimental as with upstream's bootc")
	}
	o = deploy.ResetOptions{
		Stateroot: c.String("stateroot"), Keep: c.StringSlice("keep"), NoRootKargs: c.Bool("no-root-kargs"), Now: time.Now(),
		AllowFailed: c.Bool("allow-failed"),
	}
	for _, k := range c.StringSlice("karg") {
		o.Kargs = append(o.Kargs, kargs.Parse(k)...)
	}
	return o, nil
}

// resetTarget is the image that is asked for; a zero one if none is.
func resetTarget(c *cli.Context) (t deploy.Target, err error) {
	if !c.IsSet("target-imgref") {
		for _, flag := range []string{"target-transport", "enforce-container-sigpolicy", "allow-failed"} {
			if c.IsSet(flag) {
				return t, usageError(c, "--%s goes with --target-imgref", flag)
			}
		}
		return t, nil
	}
	t.Switch = true
	if c.Bool("enforce-container-sigpolicy") {
		t.Signature = &host.Signature{Kind: host.ContainerPolicy}
	}
	t.Ref, err = image.New(c.String("target-transport"), c.String("target-imgref"))
	if err == nil {
		t.Ref, err = absolute(t.Ref)
	}
	return t, err
}

// resettable looks for file systems that a reset has no hand in: it would look as if it
// had reset or kept what is on them.
func (e *env) resettable(s opened, o deploy.ResetOptions) error {
	if m, own := s.host.OwnVar(); own {
		return fmt.Errorf("/var is a file system of its own, %s, and would stay as it is", m.Source)
	}
	var errs []error
	for _, p := range o.Keep {
		if to, ok := e.behindLink(p); ok {
			errs = append(errs, fmt.Errorf("cannot keep %s: it is %s, behind a symbolic link: say that", p, to))
		}
		if m, ok := s.host.MountOver(p); ok {
			errs = append(errs, fmt.Errorf("cannot keep %s: %s is mounted at %s, and no reset touches it", p, m.Source, m.Path))
		}
	}
	return errors.Join(errs...)
}

// behindLink is where a path leads that goes through a symbolic link to something below
// /etc or /var, as /home does on many hosts.
func (e *env) behindLink(p string) (string, bool) {
	if !filepath.IsAbs(p) {
		return "", false
	}
	dir, err := filepath.EvalSymlinks(filepath.Join(e.root, filepath.Dir(filepath.Clean(p))))
	if err != nil {
		return "", false
	}
	rel, err := filepath.Rel(e.root, filepath.Join(dir, filepath.Base(p)))
	to := "/" + rel
	below := strings.HasPrefix(to, "/etc/") || strings.HasPrefix(to, "/var/")
	return to, err == nil && below && to != filepath.Clean(p)
}

func reset(c *cli.Context, s opened, t deploy.Target, o deploy.ResetOptions, wire *wire) (*deploy.Reset, error) {
	if t.Ref.IsZero() {
		return s.Reset(c.Context, nil, o)
	}
	u, err := s.Check(c.Context, t)
	if err != nil {
		return nil, err
	}
	defer u.Close() //nolint:errcheck // nothing more is read
	if !c.Bool("quiet") {
		announce(s.report, u.Plan)
	}
	wire.begin(refText(t.Ref), u.Plan)
	res, err := s.Reset(c.Context, u, o)
	if err == nil {
		wire.end()
	}
	return res, err
}

// printReset tells what was staged.
func (e *env) printReset(r *deploy.Reset) {
	im := r.Entry.Image
	if im == nil {
		im = &host.ImageStatus{}
	}
	fmt.Fprintf(e.stdout, "Factory reset queued for next boot: %s\n", printable(im.Image.Image))
	if im.Version != nil {
		fmt.Fprintf(e.stdout, "  Version: %s\n", printable(*im.Version))
	}
	fmt.Fprintf(e.stdout, "  Digest: %s\n", im.ImageDigest)
	fmt.Fprintf(e.stdout, "  Stateroot: %s\n", printable(r.Stateroot))
	if len(r.Kept) > 0 {
		fmt.Fprintf(e.stdout, "  Kept: %s\n", printable(strings.Join(r.Kept, ", ")))
	}
}

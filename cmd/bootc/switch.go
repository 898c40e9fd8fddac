package main

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"github.com/bootc-go/bootc/deploy"
	"github.com/bootc-go/bootc/host"
	"github.com/bootc-go/bootc/image"
)

func (e *env) switchCommand() *cli.Command {
	return &cli.Command{
		Name: "switch", Usage: "have another image boot next, and follow it from then on", ArgsUsage: "TARGET",
		Description: "As upgrade, but for another image than so far: TARGET is what upgrades follow from then on. " +
			"Where the host follows it already nothing is done; 'bootc upgrade' looks for a newer version.",
		Flags: []cli.Flag{
			newChoice("transport", "where TARGET is, the `TRANSPORT`:", image.Transports()[0], image.Transports()...).also("docker"),
			&cli.BoolFlag{Name: "enforce-container-sigpolicy", Usage: "refuse an image that containers-policy.json accepts unsigned, now and in upgrades"},
			&cli.BoolFlag{Name: "apply", Usage: "reboot if something is staged"},
			&cli.BoolFlag{Name: "retain", Usage: "accepted for scripts; what other deployments need stays as long as they do"},
			&cli.BoolFlag{Name: "mutate-in-place", Hidden: true, Usage: "fetch nothing, stage nothing: only say what upgrades follow"},
			&cli.BoolFlag{Name: "no-signature-verification", Hidden: true, Usage: "accepted for scripts, and of no meaning"},
			softRebootFlag(),
			progressFdFlag(),
			allowFailedFlag(),
			otherAddonsFlag(),
			&cli.BoolFlag{Name: "quiet", Usage: "show no progress"},
		},
		Action: e.switchTo,
	}
}

// errSameSpec ends a switch to what the host follows already.
var errSameSpec = errors.New("image specification is unchanged")

func (e *env) switchTo(c *cli.Context) error {
	if err := exclusive(c, "mutate-in-place", "apply", "soft-reboot", addonFlag); err != nil {
		return err
	}
	want, err := switchTarget(c)
	if err != nil {
		return err
	}
	if c.Bool("mutate-in-place") {
		return e.withSysroot(c.Context, access{write: true, quiet: true}, func(s opened) error { return s.Retarget(want) })
	}
	staged := false
	err = e.update(c, deploy.StageOptions{AllowFailed: c.Bool("allow-failed")}, func(s opened) (deploy.Target, error) {
		now, err := s.Spec()
		if err != nil {
			return now, err
		}
		if now.Ref == want.Ref && verifies(now) == verifies(want) && !c.IsSet(addonFlag) {
			doc, err := s.Status(c.Context)
			staged = err == nil && doc.Status.Staged != nil && !doc.Status.Staged.DownloadOnly
			return now, errors.Join(errSameSpec, err)
		}
		return want, nil
	})
	if !errors.Is(err, errSameSpec) {
		return err
	}
	fmt.Fprintln(e.stdout, "Image specification is unchanged.")
	return e.bootNext(c, staged, "staged")
}

// verifies tells whether signatures are demanded of the target.
func verifies(t deploy.Target) bool {
	return t.Signature != nil && t.Signature.Kind != host.Insecure
}

func switchTarget(c *cli.Context) (deploy.Target, error) {
	args, err := operands(c)
	if err != nil {
		return deploy.Target{}, err
	}
	t := deploy.Target{Switch: true}
	if c.Bool("enforce-container-sigpolicy") {
		t.Signature = &host.Signature{Kind: host.ContainerPolicy}
	}
	if c.IsSet("transport") {
		t.Ref, err = image.New(c.String("transport"), args[0])
	} else {
		t.Ref, err = image.Parse(args[0])
	}
	if err == nil {
		t.Ref, err = absolute(t.Ref)
	}
	return t, err
}

// absolute is ref for those who follow it from wherever they are started.
func absolute(ref image.Reference) (image.Reference, error) {
	switch ref.Transport() {
	case "oci", "oci-archive", "dir", "docker-archive":
		name, err := filepath.Abs(ref.Name())
		if err != nil {
			return ref, err
		}
		return image.New(ref.Transport(), name)
	}
	return ref, nil
}

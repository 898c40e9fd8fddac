package main

import (
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/bootc-go/bootc/deploy"
)

func (e *env) rollbackCommand() *cli.Command {
	return &cli.Command{
		Name: "rollback", Usage: "have the previous deployment boot next",
		Description: "Puts the previous deployment first in the boot menu; run once more, the one that runs. " +
			"A staged deployment is dropped. Each deployment has its own /etc: what was changed in the one of the running system does not go with it.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "apply", Usage: "reboot"}, softRebootFlag(),
			&cli.BoolFlag{Name: "auto", Usage: "give up the running deployment, if it has not completed a boot yet, and do not install its image again"},
		},
		Action: e.rollback,
	}
}

func (e *env) rollback(c *cli.Context) error {
	if _, err := operands(c); err != nil {
		return err
	}
	return e.doRollback(c)
}

func (e *env) doRollback(c *cli.Context) error {
	var res *deploy.RollbackResult
	err := e.withSysroot(c.Context, access{write: true, quiet: true}, func(s opened) (err error) {
		if c.Bool("auto") {
			res, err = e.giveUp(c, s)
			return err
		}
		if c.String("soft-reboot") == softRequired {
			if err := canRollBackSoftly(s); err != nil {
				return err
			}
		}
		res, err = s.Rollback(c.Context)
		return err
	})
	if err != nil {
		return err
	}
	switch {
	case res.Reset:
		fmt.Fprintln(e.stdout, "Next boot: current deployment, as it was before the factory reset")
	case res.Queued:
		fmt.Fprintln(e.stdout, "Next boot: rollback deployment")
	default:
		fmt.Fprintln(e.stdout, "notice: Reverting queued rollback state\nNext boot: current deployment")
	}
	if im := res.Next.Image; im != nil {
		fmt.Fprintf(e.stdout, "  Image: %s\n", printable(im.Image.Image))
		if im.Version != nil {
			fmt.Fprintf(e.stdout, "  Version: %s\n", printable(*im.Version))
		}
		fmt.Fprintf(e.stdout, "  Digest: %s\n", im.ImageDigest)
	}
	return e.bootNext(c, true, "rollback")
}

// canRollBackSoftly looks before anything is changed.
func canRollBackSoftly(s opened) error {
	next, err := s.RollbackTarget()
	if err != nil {
		return err
	}
	err = s.SoftRebootable(next)
	if errors.Is(err, deploy.ErrNoSoftReboot) {
		return softRefusal("rollback", err)
	}
	return err
}

// giveUp is rollback --auto.
func (e *env) giveUp(c *cli.Context, s opened) (*deploy.RollbackResult, error) {
	boot, err := e.thisBoot(c.Context)
	if err != nil {
		return nil, err
	}
	return s.GiveUpBooted(c.Context, boot, "given up by 'bootc rollback --auto'")
}

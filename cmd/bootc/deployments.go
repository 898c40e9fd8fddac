package main

import (
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/bootc-go/bootc/composefs/verity"
	"github.com/bootc-go/bootc/deploy"
)

// deploymentNames says which names of deployments commands take.
const deploymentNames = "is booted, rollback or staged, or as many digits of what 'bootc status' calls Verity as tell it from the others."

func (e *env) deleteDeploymentCommand() *cli.Command {
	return &cli.Command{
		Name: "delete-deployment", Usage: "remove a deployment and what only it needs", ArgsUsage: "DEPL_ID",
		Description: "DEPL_ID " + deploymentNames + " The deployment that runs cannot be removed.",
		Action:      e.deleteDeployment,
	}
}

func (e *env) deleteDeployment(c *cli.Context) error {
	id, err := e.onDeployment(c, func(s opened, id verity.Digest) error { return s.Delete(c.Context, id) })
	if err == nil {
		fmt.Fprintf(e.stdout, "Deleted deployment %s\n", id)
	}
	return err
}

// onDeployment does something to the deployment that the operand names.
func (e *env) onDeployment(c *cli.Context, do func(s opened, id verity.Digest) error) (id verity.Digest, err error) {
	args, err := operands(c)
	if err != nil {
		return id, err
	}
	err = e.withSysroot(c.Context, access{write: true, quiet: true}, func(s opened) error {
		if id, err = s.Find(args[0]); err != nil {
			return err
		}
		return do(s, id)
	})
	return id, err
}

func (e *env) pinCommand() *cli.Command {
	return &cli.Command{
		Name: "pin", Usage: "keep a deployment until it is unpinned", ArgsUsage: "DEPLOYMENT",
		Description: "Updates leave a pinned deployment in the boot menu, and its files on the disk. DEPLOYMENT " + deploymentNames,
		Action:      func(c *cli.Context) error { return e.pin(c, true) },
	}
}

func (e *env) unpinCommand() *cli.Command {
	return &cli.Command{
		Name: "unpin", Usage: "let updates remove a deployment again", ArgsUsage: "DEPLOYMENT",
		Description: "The opposite of 'bootc pin'. Nothing is removed before the next update is applied. DEPLOYMENT " + deploymentNames,
		Action:      func(c *cli.Context) error { return e.pin(c, false) },
	}
}

func (e *env) pin(c *cli.Context, pinned bool) error {
	id, err := e.onDeployment(c, func(s opened, id verity.Digest) error { return s.Pin(c.Context, id, pinned) })
	if err != nil {
		return err
	}
	done := "Unpinned"
	if pinned {
		done = "Pinned"
	}
	fmt.Fprintf(e.stdout, "%s deployment %s\n", done, id)
	return nil
}

func (e *env) finalizeStagedCommand() *cli.Command {
	return &cli.Command{
		Name: "composefs-finalize-staged", Usage: "apply what is staged; bootc-finalize-staged.service runs this at shutdown",
		Description: "Merges /etc as it is now into that of the staged deployment and puts the new boot menu in the place of the old one. Where nothing is staged it does nothing.",
		Action: func(c *cli.Context) error {
			if _, err := operands(c); err != nil {
				return err
			}
			return e.withSysroot(c.Context, access{write: true}, func(s opened) error {
				return s.Finalize(c.Context)
			})
		},
	}
}

func (e *env) composefsGCCommand() *cli.Command {
	return &cli.Command{
		Name: "composefs-gc", Usage: "remove what belongs to no deployment",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "dry-run", Usage: "remove nothing, only say what would be removed"},
			&cli.BoolFlag{Name: "assert-no-op", Usage: "as --dry-run, and fail if there is something to remove"},
			&cli.BoolFlag{Name: "prune-repo", Usage: "nothing, for the repository is always included"},
		},
		Action: e.composefsGC,
	}
}

func (e *env) composefsGC(c *cli.Context) error {
	if _, err := operands(c); err != nil {
		return err
	}
	dry := c.Bool("dry-run") || c.Bool("assert-no-op")
	var res deploy.GCResult
	err := e.withSysroot(c.Context, access{write: !dry, quiet: true}, func(s opened) (err error) {
		res, err = s.GC(c.Context, deploy.GCOptions{DryRun: dry})
		return err
	})
	if err != nil {
		return err
	}
	if dry {
		fmt.Fprintln(e.stdout, "Dry run (no files deleted)")
	}
	for _, group := range []struct {
		what  string
		names []string
	}{{"Kernel", res.Kernels}, {"State", res.States}, {"Stateroot", res.Stateroots}, {"Tag", res.Tags}, {"Bound image", res.Bound}} {
		for _, name := range group.names {
			fmt.Fprintf(e.stdout, "%s: %s\n", group.what, printable(name))
		}
	}
	e.printRepoGC(res.Repo)
	if c.Bool("assert-no-op") && !res.Empty() {
		return errGarbage
	}
	return nil
}

var errGarbage = errors.New("there is something that belongs to no deployment")

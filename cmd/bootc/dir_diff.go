package main

import (
	"context"
	"fmt"
	"os"

	"github.com/urfave/cli/v2"

	"github.com/bootc-go/bootc/composefs/tree"
	"github.com/bootc-go/bootc/composefs/verity"
	"github.com/bootc-go/bootc/etcmerge"
)

// dirDiffCommand merges any directories as an update merges /etc.
func (e *env) dirDiffCommand() *cli.Command {
	return &cli.Command{
		Name: "dir-diff", Usage: "print what of CURRENT is no more as in PRISTINE, and merge it into NEW", ArgsUsage: "PRISTINE CURRENT NEW",
		Description: "The directories are compared as an update compares /etc of the image that runs, of the host, and of the image that will run. " +
			"What stands in the way of a merge is listed as unmergable, and then NEW is left as it is.",
		Flags:  []cli.Flag{&cli.BoolFlag{Name: "merge", Usage: "make NEW what the host's /etc would become"}},
		Action: e.dirDiff,
	}
}

func (e *env) dirDiff(c *cli.Context) error {
	args, err := operands(c)
	if err != nil {
		return err
	}
	var dirs [3]*os.File
	var trees [3]*tree.Node
	for i, name := range args {
		if dirs[i], err = os.Open(name); err != nil {
			return fmt.Errorf("cannot compare directories: %w", err)
		}
		defer dirs[i].Close() //nolint:revive // three
		if trees[i], err = readEtc(c.Context, dirs[i]); err != nil {
			return fmt.Errorf("cannot compare directories: %s: %w", name, err)
		}
	}
	plan, err := etcmerge.NewPlan(trees[0], trees[1], trees[2])
	if err != nil {
		return err
	}
	if err := plan.Local.WriteText(e.stdout); err != nil || !c.Bool("merge") {
		return err
	}
	for _, n := range plan.Notes {
		fmt.Fprintf(e.stderr, "bootc: %s: %s\n", printable(n.File), printable(n.Text))
	}
	if err = plan.Err(); err == nil {
		err = plan.Apply(c.Context, dirs[1], dirs[2])
	}
	if err != nil {
		return fmt.Errorf("cannot merge into %s: %w", args[2], err)
	}
	return nil
}

// readEtc reads a directory as a merge wants it.
func readEtc(ctx context.Context, dir *os.File) (*tree.Node, error) {
	root, err := etcmerge.Scan(ctx, fmt.Sprintf("/proc/self/fd/%d/.", dir.Fd()), verity.SHA256)
	if err == nil {
		err = etcmerge.LoadAccounts(root, etcmerge.DirOpener(dir))
	}
	return root, err
}

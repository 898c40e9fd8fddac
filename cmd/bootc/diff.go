package main

import (
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/bootc-go/bootc/composefs/tree"
	"github.com/bootc-go/bootc/deploy"
	"github.com/bootc-go/bootc/etcmerge"
)

func (e *env) diffCommand() *cli.Command {
	return &cli.Command{
		Name: "diff", Usage: "compare two deployments or images", ArgsUsage: "[A] [B]",
		Description: "Prints which packages, kernel, kernel arguments and files differ. A and B are deployments, as booted, staged, rollback " +
			"or as many digits of what 'bootc status' calls Verity as tell it from the others; images in the repository, by tag or by the digest " +
			"of the manifest; or references to images elsewhere, of which the layers that are not here are fetched to a temporary directory.\n\n" +
			"Where only one is named, what runs is compared with it; where none is, what runs with what is staged, else with the deployment to roll back to. Nothing changes on the host.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "json", Usage: "print it as JSON"},
			&cli.BoolFlag{Name: "files", Usage: "list the files that differ as well"},
			&cli.BoolFlag{Name: "quiet", Usage: "show no progress"},
		},
		Action: e.diff,
	}
}

// A diffDocument is a diff as a document of its own.
type diffDocument struct {
	APIVersion string `json:"apiVersion" enum:"bootc-go/v1"`
	Kind       string `json:"kind" enum:"SystemDiff"`
	*deploy.Diff
	Paths []changedPath `json:"paths,omitempty"`
}

type changedPath struct {
	Path   string `json:"path"`
	Change string `json:"change" enum:"added,removed,changed"`
}

func (e *env) diff(c *cli.Context) error {
	args, err := operands(c)
	if err != nil {
		return err
	}
	var d *deploy.Diff
	err = e.withScratch(func(scratch func() (string, error)) error {
		return e.withSysroot(c.Context, access{quiet: c.Bool("quiet")}, func(s opened) error {
			from, to, err := sides(s, args)
			if err != nil {
				return err
			}
			dir, err := scratch()
			if err == nil {
				d, err = s.Diff(c.Context, from, to, deploy.DiffOptions{Scratch: dir})
			}
			return err
		})
	})
	if err != nil {
		return err
	}
	if c.Bool("json") {
		doc := diffDocument{APIVersion: deploy.DocumentVersion, Kind: deploy.DiffKind, Diff: d}
		if c.Bool("files") {
			doc.Paths = changedPaths(d)
		}
		return e.printJSON(doc)
	}
	fmt.Fprintf(e.stdout, "From: %s\n  To: %s\n", sideText(d.From), sideText(d.To))
	writeSystemDiff(e.stdout, d, "")
	if c.Bool("files") {
		writeChanges(e.stdout, d.Changes())
	}
	return nil
}

// sides are what to compare, by names: as asked for, else what runs with what will.
func sides(s opened, args []string) (from, to string, err error) {
	switch {
	case args[1] != "":
		return args[0], args[1], nil
	case args[0] != "":
		return "booted", args[0], nil
	}
	_, err = s.Find("staged")
	if errors.Is(err, deploy.ErrNotStaged) {
		return "booted", "rollback", nil
	}
	return "booted", "staged", err
}

func sideText(s deploy.Side) string {
	text := s.Name
	if s.Image != "" {
		text += " " + s.Image
	}
	if s.Version != "" {
		text += " " + s.Version
	}
	return printable(text)
}

func changedPaths(d *deploy.Diff) []changedPath {
	names := map[tree.ChangeKind]string{tree.Added: "added", tree.Removed: "removed", tree.Changed: "changed"}
	paths := make([]changedPath, 0, len(d.Changes()))
	for _, c := range d.Changes() {
		paths = append(paths, changedPath{c.Path, names[c.Kind]})
	}
	return paths
}

// etcChanges are the changes by what they are: added, removed, changed.
func etcChanges(d *etcmerge.Diff) [][]tree.Change {
	return [][]tree.Change{d.Added, d.Removed, d.Modified}
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/bootc-go/bootc/composefs/oci"
	"github.com/bootc-go/bootc/composefs/repo"
)

func (e *env) cfsGCCommand() *cli.Command {
	return &cli.Command{
		Name:  "gc",
		Usage: "remove what no image and no stream with a name needs",
		Flags: []cli.Flag{
			&cli.StringSliceFlag{Name: "root", Aliases: []string{"r"}, Usage: "keep the image or stream called `NAME` as well"},
			&cli.BoolFlag{Name: "dry-run", Aliases: []string{"n"}, Usage: "remove nothing, only say what would be removed"},
		},
		Action: func(c *cli.Context) error {
			if _, err := operands(c); err != nil {
				return err
			}
			return e.withRepo(c, repo.OpenOptions{}, func(r *repo.Repo) error { return e.cfsGC(c, r) })
		},
	}
}

func (e *env) cfsGC(c *cli.Context, r *repo.Repo) error {
	res, err := r.GC(c.Context, repo.GCOptions{Roots: c.StringSlice("root"), DryRun: c.Bool("dry-run")})
	if err != nil {
		return err
	}
	if c.Bool("dry-run") {
		fmt.Fprintln(e.stdout, "Dry run (no files deleted):")
	}
	e.printRepoGC(res)
	return nil
}

// printRepoGC prints what became of a repository's garbage.
func (e *env) printRepoGC(res repo.GCResult) {
	fmt.Fprintf(e.stdout, "Objects: %d removed (%d bytes)\n", res.ObjectsRemoved, res.ObjectsBytes)
	if res.ImagesPruned > 0 || res.StreamsPruned > 0 {
		fmt.Fprintf(e.stdout, "Pruned symlinks: %d images, %d streams\n", res.ImagesPruned, res.StreamsPruned)
	}
	if res.TempFiles > 0 {
		fmt.Fprintf(e.stdout, "Leftovers: %d removed\n", res.TempFiles)
	}
}

func (e *env) cfsFsckCommand() *cli.Command {
	return &cli.Command{
		Name:  "fsck",
		Usage: "check the repository and name all damage",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "json", Usage: "print the findings as JSON, with status 0 whatever they are"},
			&cli.BoolFlag{Name: "metadata-only", Usage: "do not read the objects"},
			&cli.BoolFlag{Name: "repair", Usage: "remove damaged objects, so that the next pull fetches them again"},
		},
		Action: func(c *cli.Context) error {
			if _, err := operands(c); err != nil {
				return err
			}
			// A check looks at a repository whatever state it is in.
			repair := c.Bool("repair")
			return e.withRepo(c, repo.OpenOptions{ReadOnly: !repair, Damaged: !repair}, func(r *repo.Repo) error { return e.cfsFsck(c, r) })
		},
	}
}

// errDamaged is the outcome of a check that found something.
var errDamaged = errors.New("the repository is damaged")

func (e *env) cfsFsck(c *cli.Context, r *repo.Repo) error {
	if c.Bool("repair") {
		return e.cfsRepair(c, r)
	}
	report, err := r.Fsck(c.Context, repo.FsckOptions{MetadataOnly: c.Bool("metadata-only")})
	if err != nil {
		return err
	}
	return e.printReport(c, report, report.OK())
}

// printReport prints what a check found and fails if that is damage, except
// that JSON is for programs, which read it.
func (e *env) printReport(c *cli.Context, report any, ok bool) error {
	if c.Bool("json") {
		return e.printJSON(report)
	}
	if _, err := fmt.Fprint(e.stdout, report); err != nil {
		return err
	}
	if !ok {
		return errDamaged
	}
	return nil
}

// cfsRepair prints what was found and removes it.
func (e *env) cfsRepair(c *cli.Context, r *repo.Repo) error {
	report, res, err := r.Repair(c.Context)
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return e.printJSON(report)
	}
	if report.OK() {
		_, err = fmt.Fprintf(e.stdout, "%sNothing to repair\n", report)
		return err
	}
	_, err = fmt.Fprintf(e.stdout, "%sRepaired: %d objects and %d names removed; pull the images again to restore them\n",
		report, res.Objects, res.Links)
	if err != nil {
		return err
	}
	return e.incomplete(c, r)
}

// incomplete names the images that miss something.
func (e *env) incomplete(c *cli.Context, r *repo.Repo) error {
	refs, err := oci.Refs(r)
	if err != nil {
		return err
	}
	for _, ref := range refs {
		if !complete(c.Context, r, ref.Tag) {
			fmt.Fprintf(e.stdout, "Incomplete until pulled again: %s\n", printable(ref.Tag))
		}
	}
	return nil
}

// complete reports whether an image has all its layers and their objects.
func complete(ctx context.Context, r *repo.Repo, tag string) bool {
	img, err := oci.OpenTag(r, tag)
	if err != nil {
		return false
	}
	for _, l := range img.Layers {
		if ctx.Err() != nil {
			return true
		}
		s, err := oci.OpenLayer(r, l.ID)
		if err != nil {
			return false
		}
		missing, err := r.Missing(s.ObjectRefs())
		s.Close() //nolint:errcheck // only read
		if err != nil || len(missing) > 0 {
			return false
		}
	}
	return true
}

// printJSON prints v as people read it.
func (e *env) printJSON(v any) error {
	enc := json.NewEncoder(e.stdout)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

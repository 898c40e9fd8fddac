package main

import (
	"fmt"
	"os"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/bootc-go/bootc/composefs/erofs"
	"github.com/bootc-go/bootc/composefs/mount"
	"github.com/bootc-go/bootc/composefs/repo"
	"github.com/bootc-go/bootc/composefs/tree"
	"github.com/bootc-go/bootc/composefs/verity"
)

// cfsImageCommands work on single images and streams.
func (e *env) cfsImageCommands() []*cli.Command {
	return append([]*cli.Command{
		{
			Name: "cat", Usage: "write the stream called NAME, reassembled, to standard output", ArgsUsage: "NAME",
			Action: e.repoAction(true, e.cfsCat),
		},
		{
			Name: "images", Aliases: []string{"list-images"}, Usage: "list the images that have a name",
			Flags: []cli.Flag{
				&cli.BoolFlag{Name: "json", Usage: "print JSON"},
				&cli.BoolFlag{Name: "no-trunc", Usage: "print whole digests"},
			},
			Action: e.repoAction(true, e.cfsImages),
		},
		{
			Name: "image-objects", Usage: "list the objects that the image called NAME refers to", ArgsUsage: "NAME",
			Action: e.repoAction(true, e.cfsImageObjects),
		},
		{
			Name: "mount", Usage: "mount the image called NAME: its digest, or refs/…", ArgsUsage: "NAME MOUNTPOINT",
			Flags:  mountFlags(),
			Action: e.repoAction(true, e.cfsMount),
		},
	}, e.cfsScanCommands()...)
}

// repoAction is an action on an open repository, with checked operands.
func (e *env) repoAction(readOnly bool, fn func(*cli.Context, *repo.Repo, []string) error) cli.ActionFunc {
	return func(c *cli.Context) error {
		args, err := operands(c)
		if err != nil {
			return err
		}
		return e.withRepo(c, repo.OpenOptions{ReadOnly: readOnly}, func(r *repo.Repo) error { return fn(c, r, args) })
	}
}

func (e *env) cfsCat(_ *cli.Context, r *repo.Repo, args []string) error {
	s, err := r.OpenStream(args[0])
	if err != nil {
		return err
	}
	defer s.Close() //nolint:errcheck // only read
	return s.Cat(e.stdout)
}

func (e *env) cfsImages(c *cli.Context, r *repo.Repo, _ []string) error {
	refs, err := r.ImageRefs("")
	if err != nil {
		return err
	}
	type entry struct {
		Name   string `json:"name"`
		Digest string `json:"digest"`
	}
	list := make([]entry, len(refs))
	rows := [][]string{{"NAME", "DIGEST"}}
	for i, ref := range refs {
		list[i] = entry{ref.Name, ref.Target}
		short := ref.Target
		if !c.Bool("no-trunc") {
			short = short[:min(12, len(short))]
		}
		rows = append(rows, []string{ref.Name, short})
	}
	switch {
	case c.Bool("json"):
		return e.printJSON(map[string][]entry{"images": list})
	case len(refs) == 0:
		_, err = fmt.Fprintln(e.stdout, "No images found")
		return err
	}
	return printTable(e.stdout, rows...)
}

func (e *env) cfsImageObjects(_ *cli.Context, r *repo.Repo, args []string) error {
	root, err := readImage(r, args[0])
	if err != nil {
		return err
	}
	seen := map[verity.Digest]bool{}
	var ids []string
	err = tree.Walk(root, func(_ string, n *tree.Node) error {
		if n.File != nil && !n.File.Digest.IsZero() && !seen[n.File.Digest] {
			seen[n.File.Digest] = true
			ids = append(ids, n.File.Digest.Algorithm().String()+":"+n.File.Digest.String())
		}
		return nil
	})
	if err != nil {
		return err
	}
	slices.Sort(ids)
	for _, id := range ids {
		if _, err := fmt.Fprintln(e.stdout, id); err != nil {
			return err
		}
	}
	return nil
}

// readImage is the tree of the image called name.
func readImage(r *repo.Repo, name string) (*tree.Node, error) {
	f, _, err := r.OpenImage(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("cannot read image %s: %w", name, err)
	}
	root, err := erofs.Read(f, st.Size())
	if err != nil {
		return nil, fmt.Errorf("cannot read image %s: %w", name, err)
	}
	return root, nil
}

func mountFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "upperdir", Usage: "keep changes in `DIR`, with --workdir"},
		&cli.StringFlag{Name: "workdir", Usage: "overlayfs's own `DIR` beside --upperdir"},
		&cli.BoolFlag{Name: "read-write", Usage: "mount for writing, with --upperdir"},
	}
}

func (e *env) cfsMount(c *cli.Context, r *repo.Repo, args []string) error {
	return mountImage(c, r, args[0], args[1])
}

// mountImage mounts the image called name at target, as the flags say.
func mountImage(c *cli.Context, r *repo.Repo, name, target string) error {
	image, id, err := r.OpenImage(name)
	if err != nil {
		return err
	}
	defer image.Close()
	if st, err := os.Stat(target); err != nil {
		return fmt.Errorf("cannot mount %s: %w", name, err)
	} else if !st.IsDir() {
		return fmt.Errorf("cannot mount %s: %s is no directory", name, target)
	}
	objects, err := r.ObjectsDir()
	if err != nil {
		return err
	}
	o := mount.Options{Image: image, Objects: objects, Source: "composefs:" + id.String(), RequireVerity: !r.Insecure(), ReadWrite: c.Bool("read-write")}
	if c.IsSet("upperdir") != c.IsSet("workdir") || o.ReadWrite && !c.IsSet("upperdir") {
		return usageError(c, "--upperdir and --workdir go together, and --read-write needs them")
	}
	if c.IsSet("upperdir") {
		if o.Upper, err = os.Open(c.String("upperdir")); err != nil {
			return fmt.Errorf("cannot mount %s: %w", name, err)
		}
		defer o.Upper.Close()
		if o.Work, err = os.Open(c.String("workdir")); err != nil {
			return fmt.Errorf("cannot mount %s: %w", name, err)
		}
		defer o.Work.Close()
	}
	return mount.MountAt(o, target)
}

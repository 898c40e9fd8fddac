package main

import (
	"bufio"
	"fmt"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/urfave/cli/v2"

	"github.com/bootc-go/bootc/composefs/oci"
	"github.com/bootc-go/bootc/composefs/repo"
	"github.com/bootc-go/bootc/composefs/tree"
	"github.com/bootc-go/bootc/layers"
)

// cfsOCICommand works on the OCI images of a repository.
func (e *env) cfsOCICommand() *cli.Command {
	return &cli.Command{
		Name:  "oci",
		Usage: "work on the OCI images of a repository",
		Subcommands: append([]*cli.Command{
			e.cfsPullCommand(),
			{
				Name: "images", Usage: "list the images that have a tag",
				Flags:  []cli.Flag{&cli.BoolFlag{Name: "json", Usage: "print JSON"}},
				Action: e.repoAction(true, e.ociImages),
			},
			{
				Name: "inspect", Usage: "print what is known of an image, as JSON", ArgsUsage: "IMAGE",
				Flags: []cli.Flag{
					&cli.BoolFlag{Name: "manifest", Usage: "print only the manifest, byte for byte"},
					&cli.BoolFlag{Name: "config", Usage: "print only the config, byte for byte"},
				},
				Action: e.repoAction(true, e.ociInspect),
			},
			{
				Name: "layer", Usage: "write a layer's tar to standard output", ArgsUsage: "DIFFID",
				Flags: []cli.Flag{
					&cli.BoolFlag{Name: "dumpfile", Usage: "print its entries as a composefs dump, whiteouts included"},
					&cli.BoolFlag{Name: "json", Usage: "print only what is known of it"},
				},
				Action: e.repoAction(true, e.ociLayer),
			},
			{
				Name: "tag", Usage: "give an image, by its tag or digest, one more name", ArgsUsage: "IMAGE NAME",
				Action: e.repoAction(false, e.ociTag),
			},
			{
				Name: "untag", Usage: "take a name from an image", ArgsUsage: "NAME",
				Action: e.repoAction(false, e.ociUntag),
			},
			{
				Name: "fsck", Usage: "check the images and the repository", ArgsUsage: "[IMAGE]",
				Flags:  []cli.Flag{&cli.BoolFlag{Name: "json", Usage: "print the findings as JSON, with status 0 whatever they are"}},
				Action: e.repoAction(true, e.ociFsck),
			},
		}, e.cfsTreeCommands()...),
	}
}

// openImage opens an image by its tag or, as "@sha256:…" or "sha256:…", by the
// digest of its manifest.
func openImage(r *repo.Repo, name string) (*oci.Image, error) {
	if s, ok := strings.CutPrefix(name, "@"); ok || strings.HasPrefix(name, "sha256:") {
		d, err := digest.Parse(s)
		if err != nil {
			return nil, fmt.Errorf("cannot open image %s: %w", name, err)
		}
		return oci.Open(r, d)
	}
	return oci.OpenTag(r, name)
}

func (e *env) ociImages(c *cli.Context, r *repo.Repo, _ []string) error {
	entries, damaged, err := oci.List(r)
	if err != nil {
		return err
	}
	for _, d := range damaged {
		fmt.Fprintf(e.stderr, "bootc: warning: %v\n", d)
	}
	switch {
	case c.Bool("json"):
		return e.printJSON(map[string][]oci.Entry{"images": entries})
	case len(entries) == 0:
		_, err = fmt.Fprintln(e.stdout, "No images found")
		return err
	}
	rows := [][]string{{"NAME", "DIGEST", "ARCH", "LAYERS", "REFS"}}
	for _, i := range entries {
		arch := i.Architecture
		if arch == "" {
			arch = "artifact"
		}
		short := i.ManifestDigest.Encoded()
		rows = append(rows, []string{i.Name, short[:min(12, len(short))], arch, strconv.Itoa(i.LayerCount), strconv.Itoa(i.ReferrerCount)})
	}
	return printTable(e.stdout, rows...)
}

func (e *env) ociInspect(c *cli.Context, r *repo.Repo, args []string) error {
	img, err := openImage(r, args[0])
	if err != nil {
		return err
	}
	switch {
	case c.Bool("manifest"):
		_, err = fmt.Fprintf(e.stdout, "%s\n", img.ManifestJSON)
		return err
	case c.Bool("config"):
		_, err = fmt.Fprintf(e.stdout, "%s\n", img.ConfigJSON)
		return err
	}
	info, err := oci.Inspect(r, img)
	if err != nil {
		return err
	}
	return e.printJSON(info)
}

func (e *env) ociTag(_ *cli.Context, r *repo.Repo, args []string) error {
	img, err := openImage(r, args[0])
	if err != nil {
		return err
	}
	if err := oci.Tag(r, img.ManifestDigest, args[1]); err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.stdout, "Tagged %s as %s\n", img.ManifestDigest, printable(args[1]))
	return err
}

func (e *env) ociUntag(_ *cli.Context, r *repo.Repo, args []string) error {
	if err := oci.Untag(r, args[0]); err != nil {
		return err
	}
	_, err := fmt.Fprintf(e.stdout, "Removed tag %s\n", printable(args[0]))
	return err
}

func (e *env) ociFsck(c *cli.Context, r *repo.Repo, args []string) error {
	report, err := oci.Fsck(c.Context, r, args[0])
	if err != nil {
		return err
	}
	return e.printReport(c, report, report.OK())
}

func (e *env) ociLayer(c *cli.Context, r *repo.Repo, args []string) error {
	id, err := digest.Parse(args[0])
	if err != nil {
		return fmt.Errorf("cannot open layer %s: it is no diff_id, such as sha256:… (%w)", args[0], err)
	}
	if c.Bool("json") && c.Bool("dumpfile") {
		return usageError(c, "--json and --dumpfile exclude each other")
	}
	if c.Bool("json") {
		info, err := oci.InspectLayer(r, id)
		if err != nil {
			return err
		}
		return e.printJSON(info)
	}
	if !c.Bool("dumpfile") && isTerminal(e.stdout) {
		return fmt.Errorf("cannot write layer %s: a tar archive does not belong on a terminal: redirect it, or use --json", id)
	}
	s, err := oci.OpenLayer(r, id)
	if err != nil {
		return err
	}
	defer s.Close() //nolint:errcheck // only read
	if c.Bool("dumpfile") {
		return e.layerDump(s)
	}
	return s.Cat(e.stdout)
}

// layerDump prints the entries of a layer in the order of its tar.
func (e *env) layerDump(s *repo.StreamReader) error {
	out := bufio.NewWriter(e.stdout)
	var line []byte
	for entry, err := range layers.Entries(s) {
		if err != nil {
			return err
		}
		if entry.Node != nil {
			entry.Node.Nlink = 1 // a tar does not count
		}
		line = tree.AppendDumpLine(line[:0], entry.Path, entry.Link, entry.Node)
		if _, err := out.Write(line); err != nil {
			return err
		}
	}
	return out.Flush()
}

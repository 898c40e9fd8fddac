package main

import (
	"fmt"
	"os"

	"github.com/urfave/cli/v2"

	"github.com/bootc-go/bootc/composefs/repo"
	"github.com/bootc-go/bootc/image"
	"github.com/bootc-go/bootc/internal/progress"
	"github.com/bootc-go/bootc/pull"
)

func (e *env) cfsPullCommand() *cli.Command {
	return &cli.Command{
		Name:      "pull",
		Usage:     "bring an image from a registry, or any other place, into the repository",
		ArgsUsage: "IMGREF [NAME]",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "bootable", Usage: "make the boot image as well"},
			&cli.BoolFlag{Name: "boot-only", Usage: "make the boot image alone, which is all that an upgrade needs"},
			xattrsFlag(),
			&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "show no progress"},
			&cli.IntFlag{Name: "parallel", Usage: "fetch `N` layers at once", Value: pull.DefaultParallel},
			&cli.StringFlag{Name: "authfile", Usage: "take credentials from `FILE`"},
			&cli.StringFlag{Name: "policy", Usage: "take the signature policy from `FILE`"},
			&cli.BoolFlag{Name: "require-signature", Usage: "refuse an image that the policy accepts unsigned"},
			&cli.BoolFlag{Name: "tls-verify", Usage: "demand https and a trusted certificate", Value: true},
			&cli.BoolFlag{Name: "any-platform", Usage: "accept an image for another machine"},
		},
		Action: e.repoAction(false, e.ociPull),
	}
}

// ociPull pulls and prints what was stored as cfsctl does.
func (e *env) ociPull(c *cli.Context, r *repo.Repo, args []string) error {
	tag := args[1]
	if len(c.Args().Slice()) < 2 {
		tag = args[0]
	}
	if c.Int("parallel") < 1 {
		return usageError(c, "--parallel: %d is no number of layers", c.Int("parallel"))
	}
	for _, f := range []string{"authfile", "policy"} {
		if _, err := os.Stat(c.String(f)); c.IsSet(f) && err != nil {
			return fmt.Errorf("cannot use --%s: %w", f, err)
		}
	}
	res, err := e.pull(c, r, args[0], tag)
	if err != nil {
		return err
	}
	s := res.Stats
	fmt.Fprintf(e.stdout, "manifest %s\nconfig   %s\nverity   %s\ntagged   %s\n", res.ManifestDigest, res.ConfigDigest, res.ManifestStream, printable(tag))
	fmt.Fprintf(e.stdout, "layers   %d fetched (%s) + %d already here\n", s.LayersFetched, bytesText(s.BytesFetched), s.LayersReused)
	fmt.Fprintf(e.stdout, "objects  %d new (%s stored) + %d already present objects\n", s.ObjectsNew, bytesText(s.BytesNew), s.ObjectsReused)
	if !res.BootImage.IsZero() {
		fmt.Fprintf(e.stdout, "Boot image: %s\n", res.BootImage)
	}
	return nil
}

// pull brings the image that ref names into r and tags it.
func (e *env) pull(c *cli.Context, r *repo.Repo, name, tag string) (*pull.Result, error) {
	ref, err := image.Parse(name)
	if err != nil {
		return nil, err
	}
	filter, err := xattrFilter(c)
	if err != nil {
		return nil, err
	}
	version, err := erofsFlag(c, r.ErofsVersion())
	if err != nil {
		return nil, err
	}
	report, done := e.reporter(c.Bool("quiet"))
	defer done()
	img, err := image.Open(c.Context, ref, image.Options{
		Root: e.root, UserAgent: userAgent(), Progress: report,
		AuthFile: c.String("authfile"), PolicyPath: c.String("policy"),
		RequireSignature: c.Bool("require-signature"), AnyPlatform: c.Bool("any-platform"),
		InsecureTLS: !c.Bool("tls-verify"),
		Config:      pull.StoredConfig(r),
	})
	if err != nil {
		return nil, err
	}
	defer img.Close() //nolint:errcheck // nothing more is read
	plan, err := pull.NewPlan(c.Context, r, img)
	if err != nil {
		return nil, err
	}
	announce(report, plan)
	return pull.Apply(c.Context, r, plan, pull.Options{
		Tag: tag, Bootable: c.Bool("bootable") || c.Bool("boot-only"), NoPlain: c.Bool("boot-only"),
		Xattrs: filter, Parallel: c.Int("parallel"), Progress: report, ErofsVersion: &version,
	})
}

// announce tells what the plan will cost.
func announce(report progress.Func, p *pull.Plan) {
	fetch, size := p.Fetch()
	text := fmt.Sprintf("all %d layers are here already", len(p.Layers))
	if len(fetch) > 0 {
		text = fmt.Sprintf("fetching %d of %d layers, %s", len(fetch), len(p.Layers), bytesText(size))
		if here := len(p.Layers) - len(fetch); here > 0 {
			text += fmt.Sprintf("; %d already here", here)
		}
	}
	report.Report(progress.Event{Kind: progress.Message, Text: text})
	if len(fetch) > 1 {
		report.Report(progress.Event{Kind: progress.Started, Task: totalTask, Text: "total", Total: size})
	}
}

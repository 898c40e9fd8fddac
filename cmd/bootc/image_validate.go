package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/urfave/cli/v2"

	"github.com/bootc-go/bootc/conform"
	"github.com/bootc-go/bootc/image"
	"github.com/bootc-go/bootc/internal/progress"
)

func (e *env) imageValidateCommand() *cli.Command {
	return &cli.Command{
		Name: "validate", Usage: "check an image against the OCI image specification, and whether it can boot", ArgsUsage: "IMGREF",
		Description: "Reads all of the image, wherever it is: IMGREF is an image in a registry, or TRANSPORT:NAME as with " +
			"'bootc switch --transport'. Of a layout, 'oci:DIR[:NAME]', the files themselves are checked. " +
			"Prints a line for each finding: an error is against a MUST of the specification or keeps the image from booting, " +
			"a warning is against a SHOULD. The status is 1 if there is an error.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "json", Usage: "print a document instead of lines"},
			&cli.StringFlag{Name: "platform", Usage: "check only the image for `OS/ARCH[/VARIANT]`; without it all of an index are checked"},
			&cli.BoolFlag{Name: "oci-only", Usage: "do not check whether the image can boot"},
			&cli.BoolFlag{Name: "fatal-warnings", Usage: "take warnings for errors"},
			&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "show no progress"},
			&cli.StringFlag{Name: "authfile", Usage: "take credentials from `FILE`"},
			&cli.BoolFlag{Name: "tls-verify", Usage: "demand https and a trusted certificate", Value: true},
		},
		Action: e.imageValidate,
	}
}

// errInvalid is the outcome of a check that found something.
var errInvalid = errors.New("the image is not valid")

func (e *env) imageValidate(c *cli.Context) error {
	args, err := operands(c)
	if err != nil {
		return err
	}
	ref, err := image.Parse(args[0])
	if err != nil {
		return err
	}
	platform, err := platformFlag(c)
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp(cmp.Or(e.getenv("TMPDIR"), "/var/tmp"), "bootc-validate-")
	if err != nil {
		return fmt.Errorf("cannot make a temporary directory: %w", err)
	}
	defer os.RemoveAll(work) //nolint:errcheck // it is temporary
	report, done := e.reporter(c.Bool("quiet") || c.Bool("json"))
	defer done()
	v := validation{
		ref: ref, platform: platform, work: work, report: report,
		options: image.Options{
			Root: e.root, UserAgent: userAgent(), Progress: report,
			AuthFile: c.String("authfile"), InsecureTLS: !c.Bool("tls-verify"),
		},
	}
	found, err := v.run(c.Context, !c.Bool("oci-only"))
	if err != nil {
		return err
	}
	done()
	return e.printValidation(c, ref, found)
}

// platformFlag is the platform that is asked for, or nil.
func platformFlag(c *cli.Context) (*v1.Platform, error) {
	if !c.IsSet("platform") {
		return nil, nil
	}
	parts := strings.Split(c.String("platform"), "/")
	if len(parts) < 2 || len(parts) > 3 || strings.Contains("/"+c.String("platform")+"/", "//") {
		return nil, usageError(c, "--platform: %q is not OS/ARCH[/VARIANT]", c.String("platform"))
	}
	p := &v1.Platform{OS: parts[0], Architecture: parts[1]}
	if len(parts) == 3 {
		p.Variant = parts[2]
	}
	return p, nil
}

// validation is one run.
type validation struct {
	ref      image.Reference
	platform *v1.Platform
	work     string // an empty directory
	options  image.Options
	report   progress.Func
}

// run checks the image and, if boot is set, whether what it has can boot.
func (v *validation) run(ctx context.Context, boot bool) (*conform.Report, error) {
	o := conform.Options{Platform: v.platform}
	var found *conform.Report
	var layout string
	var err error
	switch v.ref.Transport() {
	case "oci":
		layout, o.Ref, _ = strings.Cut(v.ref.Name(), ":")
		found, err = v.layout(ctx, layout, o)
	case "oci-archive":
		var archive string
		archive, o.Ref, _ = strings.Cut(v.ref.Name(), ":")
		layout = v.path("archive")
		if err := extract(archive, layout); err != nil {
			return nil, fmt.Errorf("cannot read %s: %w", v.ref, err)
		}
		found, err = v.layout(ctx, layout, o)
	default:
		layout = v.path("layout")
		found, err = v.fetched(ctx, layout, o)
	}
	if err != nil {
		return nil, err
	}
	if len(found.Images) == 0 && v.platform != nil {
		return nil, fmt.Errorf("%s: %w %s/%s", v.ref, image.ErrNoPlatform, v.platform.OS, v.platform.Architecture)
	}
	if !boot {
		return found, nil
	}
	for _, im := range found.Images {
		faults, err := v.boots(ctx, layout, im)
		if err != nil {
			return nil, err
		}
		found.Findings = append(found.Findings, faults...)
	}
	return found, nil
}

// layout checks the files of a layout.
func (v *validation) layout(ctx context.Context, dir string, o conform.Options) (*conform.Report, error) {
	o.Progress = v.report
	found, err := conform.Layout(ctx, os.DirFS(dir), o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", v.ref, err)
	}
	return found, nil
}

// verdict is what a validation found, as a document.
type verdict struct {
	Image    string            `json:"image"`
	Valid    bool              `json:"valid"`
	Errors   int               `json:"errors"`
	Warnings int               `json:"warnings"`
	Images   []verdictImage    `json:"images"`
	Findings []conform.Finding `json:"findings"`
}

type verdictImage struct {
	Digest    string `json:"digest"`
	MediaType string `json:"mediaType"`
	Platform  string `json:"platform"`
	Layers    int    `json:"layers"`
}

func (e *env) printValidation(c *cli.Context, ref image.Reference, found *conform.Report) error {
	doc := verdict{
		Image: ref.String(), Errors: found.Count(conform.Error), Warnings: found.Count(conform.Warning),
		Images: []verdictImage{}, Findings: append([]conform.Finding{}, found.Findings...),
	}
	doc.Valid = doc.Errors == 0 && (doc.Warnings == 0 || !c.Bool("fatal-warnings"))
	for _, im := range found.Images {
		doc.Images = append(doc.Images, verdictImage{
			Digest: im.Descriptor.Digest.String(), MediaType: im.Descriptor.MediaType, Platform: platformText(im.Platform), Layers: im.Layers,
		})
	}
	err := e.printVerdict(c, doc)
	if err == nil && !doc.Valid {
		err = fmt.Errorf("%s: %w", printable(ref.String()), errInvalid)
	}
	return err
}

func (e *env) printVerdict(c *cli.Context, doc verdict) error {
	if c.Bool("json") {
		return e.printJSON(doc)
	}
	for _, f := range doc.Findings {
		if _, err := fmt.Fprintf(e.stdout, "%-7s %s: %s [%s; %s]\n", f.Severity, printable(where(f)), printable(f.Text), f.Code, f.Section); err != nil {
			return err
		}
	}
	of := func(n int, what string) string {
		if n != 1 {
			what += "s"
		}
		return fmt.Sprintf("%d %s", n, what)
	}
	_, err := fmt.Fprintf(e.stdout, "%s: %s, %s, %s\n", printable(doc.Image), of(len(doc.Images), "image"), of(doc.Errors, "error"), of(doc.Warnings, "warning"))
	return err
}

// where says in which document a finding is, and where in it.
func where(f conform.Finding) string {
	w := f.Document
	if f.Digest != "" {
		algorithm, encoded, _ := strings.Cut(f.Digest, ":")
		w += fmt.Sprintf(" %s:%.12s", algorithm, encoded)
	}
	if f.Path != "" {
		w += " " + f.Path
	}
	return w
}

func platformText(p v1.Platform) string {
	text := cmp.Or(p.OS, "?") + "/" + cmp.Or(p.Architecture, "?")
	if p.Variant != "" {
		text += "/" + p.Variant
	}
	return text
}

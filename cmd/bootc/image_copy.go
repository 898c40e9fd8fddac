package main

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/bootc-go/bootc/image"
)

func (e *env) imageCopyCommand() *cli.Command {
	return &cli.Command{
		Name: "copy-to-storage", Usage: "copy an image of the host to where podman has its images",
		Description: "The copy is what was pulled: its configuration is the same, and so the id that podman shows; its layers are the " +
			"same tars, uncompressed. A container can be run from it, and an image built on it.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "source", Usage: "copy `IMAGE`, as 'bootc status' calls that of a deployment, or the digest of its manifest; the one that runs without it"},
			&cli.StringFlag{Name: "target", Usage: "call the copy `IMAGE`; with a transport, containers-storage, oci, oci-archive or dir, it goes there", Value: defaultCopy},
			&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "show no progress"},
		},
		Action: e.imageCopy,
	}
}

// defaultCopy is what a copy is called if nobody says otherwise.
const defaultCopy = "localhost/bootc"

func (e *env) imageCopy(c *cli.Context) error {
	if _, err := operands(c); err != nil {
		return err
	}
	target, err := copyTarget(c.String("target"))
	if err != nil {
		return err
	}
	return e.withSysroot(c.Context, access{quiet: c.Bool("quiet")}, func(s opened) error {
		x, err := s.Export(c.Context, c.String("source"))
		if err != nil {
			return err
		}
		report := s.report
		if c.Bool("quiet") {
			report = nil
		}
		d, err := x.Write(c.Context, target, image.Options{UserAgent: userAgent(), Progress: report})
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(e.stdout, "Copied to %s\n  Digest: %s\n", printable(target.String()), d)
		return err
	})
}

// copyTarget reads the name of a copy. Without a transport it is podman's.
func copyTarget(name string) (image.Reference, error) {
	ref, err := image.Parse(name)
	if err != nil {
		return image.Reference{}, err
	}
	if ref.Transport() == "registry" && !strings.HasPrefix(name, "docker://") && !strings.HasPrefix(name, "registry:") {
		return image.New("containers-storage", name)
	}
	return ref, nil
}

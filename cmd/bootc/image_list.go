package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"unicode/utf8"

	"github.com/urfave/cli/v2"

	"github.com/bootc-go/bootc/boundimage"
	"github.com/bootc-go/bootc/host"
	"github.com/bootc-go/bootc/internal/rootdir"
	"github.com/bootc-go/bootc/sysroot"
)

func (e *env) imageListCommand() *cli.Command {
	return &cli.Command{
		Name: "list", Usage: "list the images that the host has, and those that it is bound to",
		Description: "A host image is that of a deployment. A logical one is a container image that the operating system " +
			"which runs is bound to. Within a container only the latter are listed.",
		Flags: []cli.Flag{
			newChoice("type", "list images of `TYPE`:", "all", "all", "logical", "host"),
			newChoice("format", "print `FORMAT`:", "table", "table", "json"),
		},
		Action: e.imageList,
	}
}

// listedImage is a line of the list; its JSON is upstream's.
type listedImage struct {
	Type  string `json:"image_type"` // "host" or "logical"
	Image string `json:"image"`
}

func (e *env) imageList(c *cli.Context) error {
	if _, err := operands(c); err != nil {
		return err
	}
	images, err := e.images(c)
	if err != nil {
		return err
	}
	if c.String("format") == "json" {
		return e.printJSON(images)
	}
	return e.printImages(images)
}

// images are those of the type that is asked for.
func (e *env) images(c *cli.Context) ([]listedImage, error) {
	images := []listedImage{}
	kind := c.String("type")
	if kind != "logical" {
		doc, err := e.status(c.Context)
		elsewhere := errors.Is(err, sysroot.ErrContainer) || errors.Is(err, sysroot.ErrNotBooted)
		if err != nil && (kind == "host" || !elsewhere) {
			return nil, err
		}
		if err == nil {
			images = hostImages(doc)
		}
	}
	if kind == "host" {
		return images, nil
	}
	root, err := rootdir.Open(filepath.Clean(e.root))
	if err != nil {
		return nil, err
	}
	defer root.Close()
	bound, err := boundimage.Load(root)
	if err != nil {
		return nil, err
	}
	for _, im := range bound {
		images = append(images, listedImage{"logical", im.Ref})
	}
	return images, nil
}

// hostImages are the images of the deployments, each once, the one that runs first.
func hostImages(doc *host.Host) []listedImage {
	images := []listedImage{}
	seen := map[string]bool{}
	add := func(e *host.BootEntry) {
		if e == nil || e.Image == nil || seen[e.Image.Image.String()] {
			return
		}
		seen[e.Image.Image.String()] = true
		images = append(images, listedImage{"host", e.Image.Image.String()})
	}
	add(doc.Status.Booted)
	add(doc.Status.Staged)
	add(doc.Status.Rollback)
	for i := range doc.Status.OtherDeployments {
		add(&doc.Status.OtherDeployments[i])
	}
	return images
}

func (e *env) printImages(images []listedImage) error {
	rows := append([]listedImage{{"TYPE", "REPOSITORY"}}, images...)
	width := 0
	for i := range rows {
		rows[i].Image = printable(rows[i].Image)
		width = max(width, utf8.RuneCountInString(rows[i].Image))
	}
	for _, r := range rows {
		if _, err := fmt.Fprintf(e.stdout, " %-*s  %s\n", width, r.Image, r.Type); err != nil {
			return err
		}
	}
	return nil
}

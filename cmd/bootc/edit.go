package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"

	"github.com/urfave/cli/v2"

	"github.com/bootc-go/bootc/deploy"
	"github.com/bootc-go/bootc/host"
	"github.com/bootc-go/bootc/image"
)

func (e *env) editCommand() *cli.Command {
	return &cli.Command{
		Name: "edit", Usage: "change what the host is to run, in the document that status prints",
		Description: "Opens the document with $EDITOR, and does what its changes under spec ask for: another image is fetched and boots next, " +
			"as with 'bootc switch'; another bootOrder is a 'bootc rollback'. One of them at a time; what stands elsewhere in the document counts for nothing.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "filename", Aliases: []string{"f"}, Usage: "take the changed document from `FILE`, - for standard input, instead of an editor"},
			&cli.BoolFlag{Name: "quiet", Usage: "show no progress"},
		},
		Action: e.edit,
	}
}

func (e *env) edit(c *cli.Context) error {
	if _, err := operands(c); err != nil {
		return err
	}
	now, err := e.status(c.Context)
	if err != nil {
		return err
	}
	want, err := e.edited(c, now)
	if err != nil {
		return err
	}
	target, err := specChange(now.Spec, want.Spec)
	switch {
	case err != nil:
		return fmt.Errorf("cannot edit the host: %w", err)
	case now.Spec.BootOrder != want.Spec.BootOrder:
		return e.doRollback(c)
	case target.Ref.IsZero():
		fmt.Fprintln(e.stdout, "Edit cancelled, no changes made.")
		return nil
	}
	return e.update(c, deploy.StageOptions{}, func(opened) (deploy.Target, error) { return target, nil })
}

// errTransition is upstream's sentence, for programs look for it.
var errTransition = errors.New("Invalid state transition: rollback and image change") //nolint:staticcheck // capitals and all

// specChange is the image that a changed spec asks for; a zero target if it asks for
// the one of now.
func specChange(now, want host.Spec) (deploy.Target, error) {
	if want.Image == nil {
		return deploy.Target{}, errors.New("spec.image is missing")
	}
	same := now.Image != nil && now.Image.Image == want.Image.Image && now.Image.Transport == want.Image.Transport &&
		signatureOf(now.Image) == signatureOf(want.Image)
	switch {
	case same:
		return deploy.Target{}, nil
	case now.BootOrder != want.BootOrder:
		return deploy.Target{}, errTransition
	}
	ref, err := image.New(want.Image.Transport, want.Image.Image)
	if err != nil {
		return deploy.Target{}, fmt.Errorf("spec.image: %w", err)
	}
	return deploy.Target{Ref: ref, Signature: want.Image.Signature, Switch: true}, nil
}

// signatureOf is how an image is verified, comparable.
func signatureOf(r *host.ImageReference) host.Signature {
	if r.Signature == nil {
		return host.Signature{Kind: host.Insecure}
	}
	return *r.Signature
}

// maxDocument bounds the document that a user hands in, in bytes.
const maxDocument = 4 << 20

// edited is the document as the user wants it.
func (e *env) edited(c *cli.Context, now *host.Host) (*host.Host, error) {
	var (
		data []byte
		err  error
	)
	switch name := c.String("filename"); name {
	case "":
		data, err = e.inEditor(c.Context, now)
	case "-":
		data, err = io.ReadAll(io.LimitReader(e.stdin, maxDocument))
	default:
		var f *os.File
		if f, err = os.Open(name); err == nil {
			defer f.Close()
			data, err = io.ReadAll(io.LimitReader(f, maxDocument))
		}
	}
	if err != nil {
		return nil, fmt.Errorf("cannot edit the host: %w", err)
	}
	return host.Decode(data)
}

// inEditor has the user edit the document.
func (e *env) inEditor(ctx context.Context, now *host.Host) ([]byte, error) {
	text, err := now.YAML()
	if err != nil {
		return nil, err
	}
	f, err := os.CreateTemp("", "bootc-*.yaml")
	if err != nil {
		return nil, err
	}
	defer os.Remove(f.Name()) //nolint:errcheck // in the directory for temporary files
	_, err = f.Write(text)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	if err := e.runEditor(ctx, f.Name()); err != nil {
		return nil, err
	}
	edited, err := os.Open(f.Name()) // anew, for editors like to replace a file
	if err != nil {
		return nil, err
	}
	defer edited.Close()
	return io.ReadAll(io.LimitReader(edited, maxDocument))
}

// runEditor runs $EDITOR, which may have arguments.
func (e *env) runEditor(ctx context.Context, name string) error {
	editor := e.getenv("EDITOR")
	if editor == "" {
		for _, known := range []string{"editor", "nano", "vim", "vi"} {
			if _, err := exec.LookPath(known); err == nil {
				editor = known
				break
			}
		}
	}
	if editor == "" {
		return errors.New("there is no editor: set $EDITOR, or say --filename")
	}
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", editor+` "$1"`, "sh", name)
	cmd.Stdin, cmd.Stderr = e.stdin, e.stderr
	cmd.Stdout = e.stdout
	if a, ok := e.stdout.(*answer); ok {
		cmd.Stdout = a.w // the terminal itself
	}
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("editor %s: %w", editor, err)
	}
	return nil
}

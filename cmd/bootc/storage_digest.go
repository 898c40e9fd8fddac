package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/oci"
	"github.com/bootc-go/bootc/composefs/repo"
	"github.com/bootc-go/bootc/composefs/tree"
	"github.com/bootc-go/bootc/composefs/verity"
	"github.com/bootc-go/bootc/image"
	"github.com/bootc-go/bootc/layers"
	"github.com/bootc-go/bootc/pull"
)

// hostStorage is where a container has the containers-storage of the host, read-only.
const hostStorage = "run/host-container-storage"

// storageDigestCommand is compute-composefs-digest for who has an image, not its files.
func (e *env) storageDigestCommand(dumpfile cli.Flag) *cli.Command {
	return &cli.Command{
		Name: "compute-composefs-digest-from-storage", Usage: "print the id that the deployment of an image in containers-storage has", ArgsUsage: "[IMAGE]", Hidden: true,
		Description: "IMAGE is as podman calls it. Without it, it is the image of the container that runs, which must have the host's storage at /" + hostStorage + ".",
		Flags:       []cli.Flag{dumpfile},
		Action: func(c *cli.Context) error {
			args, err := operands(c)
			if err != nil {
				return err
			}
			id, err := e.storageDigest(c, args[0])
			if err != nil {
				return fmt.Errorf("cannot compute the id of the image: %w", err)
			}
			_, err = fmt.Fprintln(e.stdout, id)
			return err
		},
	}
}

func (e *env) storageDigest(c *cli.Context, name string) (id verity.Digest, err error) {
	err = e.withScratch(func(scratch func() (string, error)) error {
		dir, err := scratch()
		if err != nil {
			return err
		}
		if name == "" {
			// The library leaves its storage mounted on itself.
			defer unix.Unmount(filepath.Join(dir, "storage/overlay"), unix.MNT_DETACH) //nolint:errcheck // it may not have come to that
			if name, err = e.ownImage(dir); err != nil {
				return err
			}
		}
		ref, err := image.New("containers-storage", name)
		if err != nil {
			return err
		}
		r, _, err := repo.Init(c.Context, filepath.Join(dir, "repo"), repo.Config{Algorithm: verity.SHA512, Insecure: true})
		if err != nil {
			return err
		}
		defer r.Close() //nolint:errcheck // it is temporary
		var root *tree.Node
		if id, root, err = bootID(c.Context, r, ref, dir); err != nil {
			return err
		}
		if dump := c.String("write-dumpfile-to"); dump != "" {
			return writeOutput(dump, func(w io.Writer) error { return tree.WriteDump(w, root) })
		}
		return nil
	})
	return id, err
}

// bootID pulls the image into r and returns what a deployment of it would be. Nothing of
// the image runs, so that no policy is asked.
func bootID(ctx context.Context, r *repo.Repo, ref image.Reference, dir string) (id verity.Digest, root *tree.Node, err error) {
	policy, err := acceptAll(dir)
	if err != nil {
		return id, nil, err
	}
	img, err := image.Open(ctx, ref, image.Options{PolicyPath: policy, UserAgent: userAgent(), AnyPlatform: true})
	if err != nil {
		return id, nil, err
	}
	defer img.Close() //nolint:errcheck // only read from
	plan, err := pull.NewPlan(ctx, r, img)
	if err != nil {
		return id, nil, err
	}
	res, err := pull.Apply(ctx, r, plan, pull.Options{Tag: "image", Bootable: true, NoPlain: true})
	if err != nil {
		return id, nil, err
	}
	stored, err := oci.Open(r, img.ManifestDigest)
	if err != nil {
		return id, nil, err
	}
	root, err = pull.Tree(ctx, r, stored, true, layers.AllowlistOnly)
	return res.BootImage, root, err
}

// acceptAll writes a signature policy that accepts everything.
func acceptAll(dir string) (name string, err error) {
	name = filepath.Join(dir, "policy.json")
	return name, writeTemporaryJSON(name, map[string]any{"default": []any{map[string]string{"type": "insecureAcceptAnything"}}})
}

// ownImage is the image of the container that runs, in the host's storage. The library
// wants a storage of its own besides, which is empty.
func (e *env) ownImage(dir string) (string, error) {
	values, err := readContainerEnv(filepath.Join(e.root, "run/.containerenv"))
	if errors.Is(err, fs.ErrNotExist) {
		return "", errors.New("this is no podman container: name an IMAGE")
	}
	if err != nil {
		return "", err
	}
	id := strings.TrimPrefix(values["imageid"], "sha256:")
	if id == "" {
		return "", errors.New("/run/.containerenv names no image: start the container with podman run --privileged, or name an IMAGE")
	}
	store := filepath.Join(e.root, hostStorage)
	if _, err := os.Stat(store); err != nil {
		return "", fmt.Errorf("the host's storage is not there: start the container with --volume /var/lib/containers/storage:/%s:ro: %w", hostStorage, err)
	}
	return fmt.Sprintf("[overlay@%s/storage+%s/run:additionalimagestore=%s]@%s", dir, dir, store, id), nil
}

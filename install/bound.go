package install

import (
	"context"
	"errors"
	"fmt"

	"github.com/bootc-go/bootc/boundimage"
	"github.com/bootc-go/bootc/deploy"
	"github.com/bootc-go/bootc/image"
	"github.com/bootc-go/bootc/internal/mounts"
)

// store is where the images go that the image is bound to.
func (in *installer) store(mount func() (*mounts.View, error)) image.Store {
	return image.Store{Mount: mount, Dir: deploy.BoundDir, Options: in.Image, Local: in.Bound == BoundStored}
}

// checkBound makes sure that bound images are here, if they are to be taken from here.
func (in *installer) checkBound(ctx context.Context) error {
	if in.Bound != BoundStored {
		return nil
	}
	images, err := boundimage.Load(in.Files)
	if err != nil {
		return err
	}
	var names []string
	for _, im := range images {
		names = append(names, im.Ref)
	}
	return hintStored(in.store(nil).Check(ctx, names))
}

// hintStored says what to do where bound images are missing here.
func hintStored(err error) error {
	if errors.Is(err, image.ErrNotStored) {
		return fmt.Errorf("%w: pull it with podman, or install with --bound-images=pull", err)
	}
	return err
}

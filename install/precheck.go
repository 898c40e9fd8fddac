package install

import (
	"context"

	"github.com/bootc-go/bootc/osimage"
)

// checkFiles refuses an image that cannot boot, or that lacks what it is bound to,
// before anything is changed: as far as its files are here, which they are in a
// container of it.
func (in *installer) checkFiles(ctx context.Context) error {
	if in.Files == nil {
		return nil
	}
	if _, err := osimage.Inspect(in.Files, in.Arch); err != nil {
		return err
	}
	if _, err := in.chooseLoader(in.Files); err != nil {
		return err
	}
	return in.checkBound(ctx)
}

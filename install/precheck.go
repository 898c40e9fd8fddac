package install

import (
	"context"
	"fmt"
	"io/fs"

	"github.com/bootc-go/bootc/osimage"
)

// checkFiles refuses an image that cannot boot, or that lacks what it is bound to,
// before anything is changed: as far as its files are here, which they are in a
// container of it.
func (in *installer) checkFiles(ctx context.Context) error {
	if in.Files == nil {
		return nil
	}
	os, err := osimage.Inspect(in.Files, in.Arch)
	if err != nil {
		return err
	}
	if _, err := os.Kernel.WithAddons(in.Files, in.Addons); err != nil {
		return err
	}
	if err := in.checkEncrypted(in.Files, os.Kernel); err != nil {
		return err
	}
	for _, name := range []string{"boot", "sysroot"} {
		if st, err := fs.Stat(in.Files, name); err != nil || !st.IsDir() {
			return fmt.Errorf("%w: the image has no directory /%s", osimage.ErrNotBootable, name)
		}
	}
	if _, err := in.chooseLoader(in.Files); err != nil {
		return err
	}
	return in.checkBound(ctx)
}

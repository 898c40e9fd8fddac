package deploy

import (
	"context"
	"io/fs"

	"github.com/opencontainers/go-digest"

	"github.com/bootc-go/bootc/bootloader"
	"github.com/bootc-go/bootc/composefs/verity"
	"github.com/bootc-go/bootc/kargs"
	"github.com/bootc-go/bootc/osimage"
)

// Pulled is an image that is in the repository and can boot.
type Pulled struct {
	ID             verity.Digest // of the deployment that it makes
	ManifestDigest digest.Digest
	OS             *osimage.Image
	FS             fs.FS // the image's files, of use until the Sysroot is closed
}

// Pull fetches an image into the repository, which it makes if there is none, for
// Deploy: with fs-verity if the file system has it. It is for a disk that nothing
// runs from yet; a running host uses Check and Stage.
func (s *Sysroot) Pull(ctx context.Context, t Target) (*Pulled, error) { return nil, nil }

// FirstOptions say how the first deployment comes about.
type FirstOptions struct {
	Loader bootloader.Loader // which often depends on what was pulled
	Target Target            // what upgrades will follow; zero for what was pulled

	// Kargs makes the whole kernel command line, but for what names the
	// deployment, of the arguments that the image asks for. A unified kernel
	// image has its own.
	Kargs func(ofImage kargs.Line) kargs.Line
}

// Deploy makes of an image the first deployment of a disk, which is live at once:
// /etc and /var are those of the image, and the menu has this one entry.
func (s *Sysroot) Deploy(ctx context.Context, p *Pulled, o FirstOptions) (*bootloader.Entry, error) {
	return nil, nil
}

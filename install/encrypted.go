package install

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/bootc-go/bootc/install/disk"
	"github.com/bootc-go/bootc/kargs"
	"github.com/bootc-go/bootc/osimage"
)

// errEncryptedUKI is for images whose command line is sealed.
var errEncryptedUKI = errors.New("the image has a unified kernel image, to which the kernel arguments that open an encrypted root cannot be added")

// checkEncrypted refuses an image that would not open its encrypted root.
func (in *installer) checkEncrypted(fsys fs.FS, kernel osimage.Kernel) error {
	if !in.encrypted {
		return nil
	}
	if kernel.Type == osimage.UKI {
		return errEncryptedUKI
	}
	return osimage.CheckTPM(fsys, kernel)
}

// encryptRoot installs into a root that only this machine's TPM opens. The files of the
// ESP go into esp.
func (j *diskJob) encryptRoot(ctx context.Context, part *disk.Partition, esp *os.File) (*Result, error) {
	j.say("encrypting the root with a key of this machine's TPM")
	volume, err := part.Encrypt(ctx)
	if err != nil {
		return nil, err
	}
	// rd.: without it systemd would heed no other entry of /etc/crypttab. headless: nobody
	// is there who could be asked. x-initrd.attach: it is closed when the root is
	// unmounted, not before.
	open := kargs.Line{kargs.Arg("rd.luks.uuid=" + volume.UUID), "rd.luks.options=tpm2-device=auto,headless=true,x-initrd.attach"}
	res, err := j.fillRoot(ctx, volume.Partition, esp, open)
	return res, errors.Join(err, volume.Close(ctx))
}

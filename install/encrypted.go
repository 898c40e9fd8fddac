package install

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/bootc-go/bootc/install/disk"
	"github.com/bootc-go/bootc/internal/initrd"
	"github.com/bootc-go/bootc/kargs"
	"github.com/bootc-go/bootc/osimage"
)

// errEncryptedUKI is for images whose command line is sealed.
var errEncryptedUKI = errors.New("the image has a unified kernel image, to which the kernel arguments that open an encrypted root cannot be added")

// errCannotOpen is for images that lack what opens an encrypted root.
var errCannotOpen = errors.New("the image cannot open an encrypted root")

// checkEncrypted refuses an image that would not open its encrypted root.
func (in *installer) checkEncrypted(fsys fs.FS, kernel osimage.Kernel) error {
	if !in.encrypted {
		return nil
	}
	if kernel.Type == osimage.UKI {
		return errEncryptedUKI
	}
	f, err := fsys.Open(kernel.Initrd)
	if err != nil {
		return err
	}
	defer f.Close()
	var opener, tpm bool
	both, err := initrd.Has(f, func(name string) bool {
		opener = opener || path.Base(name) == "systemd-cryptsetup"
		tpm = tpm || strings.HasPrefix(path.Base(name), "libtss2-esys.so")
		return opener && tpm
	})
	switch {
	case both, errors.Is(err, initrd.ErrUnknownFormat):
		return nil
	case err != nil:
		return fmt.Errorf("/%s: %w", kernel.Initrd, err)
	case !opener:
		return fmt.Errorf("%w: its initramfs has no systemd-cryptsetup; install it (Debian packages cryptsetup-bin, systemd-cryptsetup, tpm2-tools), then make the initramfs anew with dracut", errCannotOpen)
	}
	return fmt.Errorf("%w: its initramfs has no libtss2-esys, which talks to the TPM; install it (Debian package tpm2-tools), then make the initramfs anew with dracut", errCannotOpen)
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

package osimage

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strconv"
	"strings"

	"github.com/bootc-go/bootc/internal/initrd"
)

// ErrUnfit means that the image boots, but not on a host with the disks in question.
var ErrUnfit = errors.New("the image does not fit the host's disks")

// CheckTPM refuses an image whose initramfs lacks what opens an encrypted root by the
// machine's TPM, with ErrUnfit, as far as that can be read. The kernel is no unified one.
func CheckTPM(fsys fs.FS, k Kernel) error {
	f, err := fsys.Open(k.Initrd)
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
	const unfit = "%w: its initramfs cannot open an encrypted root: it has no %s; install it (Debian packages cryptsetup-bin, systemd-cryptsetup, tpm2-tools), then make the initramfs anew with dracut"
	switch {
	case both, errors.Is(err, initrd.ErrUnknownFormat):
		return nil
	case err != nil:
		return fmt.Errorf("/%s: %w", k.Initrd, err)
	case !opener:
		return fmt.Errorf(unfit, ErrUnfit, "systemd-cryptsetup")
	}
	return fmt.Errorf(unfit, ErrUnfit, "libtss2-esys, which talks to the TPM")
}

// MountExtra is the kernel argument by which systemd mounts what is in no fstab.
const MountExtra = "systemd.mount-extra"

// extraSystemd is the first version of systemd that knows it.
const extraSystemd = 254

var systemdLibrary = regexp.MustCompile(`/libsystemd-shared-(\d+)[^/]*\.so$`)

// CheckMountExtra refuses an image whose systemd would not mount the file system of a
// directory by a kernel argument, with ErrUnfit and what helps, as far as its library
// tells the version.
func CheckMountExtra(fsys fs.FS, dir, help string) error {
	for _, lib := range []string{"usr/lib/systemd", "usr/lib64/systemd", "usr/lib/*/systemd"} {
		names, err := fs.Glob(fsys, lib+"/libsystemd-shared-*.so")
		if err != nil {
			return err
		}
		for _, name := range names {
			m := systemdLibrary.FindStringSubmatch(name)
			if m == nil {
				continue
			}
			if n, err := strconv.Atoi(m[1]); err == nil && n < extraSystemd {
				return fmt.Errorf("%w: %s is a file system of its own, and systemd %d of the image does not know %s=, by which the host mounts it: that came with systemd %d; %s",
					ErrUnfit, dir, n, MountExtra, extraSystemd, help)
			}
		}
	}
	return nil
}

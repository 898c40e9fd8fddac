package bootloader

import (
	"errors"
	"fmt"
	"strings"

	"github.com/bootc-go/bootc/bootloader/bls"
	"github.com/bootc-go/bootc/bootloader/grubcfg"
	"github.com/bootc-go/bootc/composefs/verity"
	"github.com/bootc-go/bootc/kargs"
)

// Entry is one line of the boot menu.
type Entry struct {
	ID   verity.Digest // the deployment that it boots
	Root kargs.Root    // what the command line says of it; of a UKI, whose command line is not read back, its ID only

	Title   string // what the menu shows
	Version string
	OSID    string // ID of os-release

	Options kargs.Line // the whole command line, Root's argument included; a UKI has its own, which is not written or read
	UKI     bool
	Kernel  string // [KernelName] or [UKIName] of this deployment, or of another one with the identical kernel
	Tries   *Tries // boot counting; nil for an entry that needs no proof

	Extra []bls.Field // what else its file says, in order; kept when it is written again
	File  string      // the file that it was read from; of no meaning when writing
}

// Tries counts attempts to boot, as systemd's automatic boot assessment does in the
// file's name.
type Tries struct{ Left, Done uint }

// MaxTries is how many tries an entry can be given: a digit, so that the length of
// its file's name never changes.
const MaxTries = 9

// Proven reports whether e needs no proof that it boots.
func (e Entry) Proven() bool { return e.Tries == nil }

// Bad reports whether e has used up its tries and never proved that it boots. Loaders
// put it behind all others.
func (e Entry) Bad() bool { return e.Tries != nil && e.Tries.Left == 0 }

// kernelPrefix begins the names of all kernels.
const kernelPrefix = "bootc_composefs-"

// KernelName is the name of a deployment's kernel and initramfs.
func KernelName(id verity.Digest) string { return kernelPrefix + id.String() }

// UKIName is the name of a deployment's unified kernel image.
func UKIName(id verity.Digest) string { return KernelName(id) + ".efi" }

// kernelID is the deployment after which a kernel is named.
func kernelID(name string) (verity.Digest, error) {
	hex, ok := strings.CutPrefix(strings.TrimSuffix(name, ".efi"), kernelPrefix)
	if !ok {
		return verity.Digest{}, fmt.Errorf("%q is no name of a kernel", name)
	}
	return verity.ParseHex(hex)
}

// Check returns an error if e cannot be written.
func (e Entry) Check() error {
	if e.ID.IsZero() || e.Root.ID != e.ID {
		return errors.New("internal error: entry without a deployment")
	}
	if _, err := kernelID(e.Kernel); err != nil {
		return fmt.Errorf("internal error: %w", err)
	}
	if e.UKI != strings.HasSuffix(e.Kernel, ".efi") {
		return fmt.Errorf("internal error: kernel %s is of the wrong kind", e.Kernel)
	}
	if e.UKI {
		return nil
	}
	root, err := kargs.FindRoot(e.Options)
	if err != nil {
		return fmt.Errorf("kernel arguments: %w", err)
	}
	if root != e.Root {
		return fmt.Errorf("internal error: kernel arguments boot %s", root.Arg())
	}
	return nil
}

// CheckMenu returns an error if a menu of these entries cannot be written.
func CheckMenu(menu []Entry) error {
	if len(menu) == 0 {
		return errors.New("internal error: a boot menu without entries")
	}
	for _, e := range menu {
		if err := e.Check(); err != nil {
			return fmt.Errorf("boot entry %q: %w", e.Title, err)
		}
	}
	return nil
}

// What a kernel of amd64 or arm64 takes of its command line. It drops the rest without a
// word, which is where the deployment is named. GRUB puts the kernel's path before it.
const (
	maxOptions = 2047
	grubAdds   = len("BOOT_IMAGE=/boot/"+kernelPrefix+"/vmlinuz ") + 128
)

// CheckOptions returns an error unless a loader of kind k gives the kernel all of l.
func CheckOptions(k Kind, l kargs.Line) error {
	limit := maxOptions
	if k == GRUB {
		limit -= grubAdds
		if _, err := grubcfg.Menu([]grubcfg.Entry{{Options: l}}); err != nil {
			return err
		}
	}
	if n := len(l.String()); n > limit {
		return fmt.Errorf("the kernel arguments have %d characters: the kernel ignores what is beyond %d", n, limit)
	}
	if i := strings.IndexFunc(l.String(), func(r rune) bool { return r < ' ' || r == 0x7f }); i >= 0 {
		return fmt.Errorf("the kernel arguments have %q in them, which cannot be in a boot entry", l.String()[i])
	}
	return nil
}

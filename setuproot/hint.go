package setuproot

import "errors"

// What to try is said in the words of who sits before a console: there is no other
// documentation at hand.
const (
	hintPrevious = "choose the other entry in the boot loader's menu to start the previous system"
	hintCmdline  = "correct the boot entry in the boot loader's menu (systemd-boot and GRUB: press e), or choose another one"
	hintDisk     = "root= on the kernel command line must name the file system that bootc was installed on"
	hintRepair   = "choose the other entry in the boot loader's menu; there, 'bootc internals cfs fsck --repair' and 'bootc upgrade' fetch anew what is damaged"
	hintVerity   = "choose the other entry in the boot loader's menu, or give up the check of all files by writing composefs=? for composefs= in this one"
	hintModules  = "the initramfs lacks kernel modules: choose the other entry in the boot loader's menu and build the initramfs of this image again"
	hintConfig   = "the image's configuration is wrong: " + hintPrevious
)

// advised is an error with what to try.
type advised struct {
	error

	hint string
}

func (a *advised) Unwrap() error { return a.error }

// advise adds to err what to try; nil stays nil.
func advise(err error, hint string) error {
	if err == nil {
		return nil
	}
	return &advised{err, hint}
}

// Hint is what to try after err.
func Hint(err error) string {
	if a := (*advised)(nil); errors.As(err, &a) {
		return a.hint
	}
	return hintPrevious
}

// Package grubcfg writes GRUB's configuration: the menu, the file that sources it, and
// what is embedded in GRUB itself to find that file. Everything works without
// extensions of GRUB, on BIOS and UEFI.
package grubcfg

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/bootc-go/bootc/kargs"
)

// Entry is one entry of the menu. It has either Linux, Initrd and Options, or UKI.
type Entry struct {
	ID, Title     string
	Linux, Initrd string // paths below /boot
	Options       kargs.Line
	UKI           string // path on the ESP
}

// Menu writes the entries. The file expects $bootdir as [Main] sets it, and $esp as
// [Embedded] does.
func Menu(entries []Entry) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("# bootc writes this file together with the entries beside it.\n")
	for _, e := range entries {
		fmt.Fprintf(&b, "menuentry %s --id %s {\n", Quote(e.Title), Quote(e.ID))
		if e.UKI != "" {
			fmt.Fprintf(&b, "\tchainloader \"$esp\"%s\n}\n", Quote(e.UKI))
			continue
		}
		fmt.Fprintf(&b, "\tlinux \"$bootdir\"%s", Quote(e.Linux))
		for _, a := range e.Options {
			word, err := argument(a)
			if err != nil {
				return nil, err
			}
			b.WriteString(" " + Quote(word))
		}
		fmt.Fprintf(&b, "\n\tinitrd \"$bootdir\"%s\n}\n", Quote(e.Initrd))
	}
	return b.Bytes(), nil
}

// Quote makes one word of s for GRUB's shell, in which nothing is expanded.
func Quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// argument is the word that makes GRUB's command linux hand a to the kernel. GRUB puts
// double quotes around a word with a blank in it, which is where the kernel wants
// them, and a backslash before a quote or backslash in it, which the kernel does not
// take away.
func argument(a kargs.Arg) (string, error) {
	word := a.Key()
	if value, ok := a.Value(); ok {
		word += "=" + value
	}
	if i := strings.IndexFunc(word, unfit); i >= 0 {
		return "", fmt.Errorf("GRUB cannot give the kernel the argument %s: it has %q in it", a, word[i])
	}
	return word, nil
}

func unfit(r rune) bool { return strings.ContainsRune("\"'\\\x7f", r) || r < ' ' }

// Main writes grub/grub.cfg in /boot, which is static and sources the menu. bootPath is
// where /boot is in its file system: "/boot", or "" if it is a file system of its own.
func Main(bootPath string) []byte {
	return fmt.Appendf(nil, `# bootc writes this file when it installs GRUB, and the menu to loader/entries/grub.cfg.
# Put own settings and entries into grub/custom.cfg; neither is changed later.
set default=0
set timeout=5
set bootdir=%s
export bootdir
source "$bootdir/loader/entries/grub.cfg"
if [ -f "$bootdir/grub/custom.cfg" ]; then
	source "$bootdir/grub/custom.cfg"
fi
`, Quote(bootPath))
}

// Embedded writes what GRUB starts with: it finds the file system of /boot by its UUID
// and goes on with the file of [Main]. Until then $root is the device that firmware
// read GRUB from, with UEFI the ESP, where unified kernel images are; $cmdpath, which
// would tell as well, is not in every GRUB.
func Embedded(uuid, bootPath string) []byte {
	return fmt.Appendf(nil, `set esp="($root)"
export esp
search --no-floppy --fs-uuid --set=root %s
set prefix="($root)"%s
configfile "$prefix/grub.cfg"
`, Quote(uuid), Quote(bootPath+"/grub"))
}

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
	Count         *Count // nil if boots of it are not counted
}

// Count has GRUB count the boots of an entry. The variable Var of the environment block
// says "<left>-<done>", as the entry's file name does; as long as the block has none of
// that name it counts from Left and Done. A variable that no boot has left yet need not
// be written by anybody, and one that nobody names any more means nothing.
type Count struct {
	Var        string
	Left, Done uint
}

// Value is the variable's value for so many boots.
func (c Count) Value(left, done uint) string { return fmt.Sprintf("%d-%d", left, done) }

// exhausted is the variable's value when no try is left.
func (c Count) exhausted() string { return c.Value(0, c.Left+c.Done) }

// ParseCount reads the variable of an entry. What nobody could have counted down to
// reports false.
func (c Count) ParseCount(value string) (left, done uint, ok bool) {
	for left = 0; left <= c.Left; left++ {
		if done = c.Left + c.Done - left; value == c.Value(left, done) {
			return left, done, true
		}
	}
	return 0, 0, false
}

// EnvPath is the environment block's path below /boot.
const EnvPath = "/grub/grubenv"

const envFile = `"$bootdir"'` + EnvPath + `'`

// Menu writes the entries. The file expects $bootdir as [Main] sets it, and $esp as
// [Embedded] does. Entries that have used up their tries come last, whenever GRUB reads
// it. An entry that cannot be started gives way to the one behind it.
func Menu(entries []Entry) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("# bootc writes this file together with the entries beside it.\n")
	if len(entries) > 1 {
		b.WriteString("set fallback=\"1")
		for i := 2; i < len(entries); i++ {
			fmt.Fprintf(&b, " %d", i)
		}
		b.WriteString("\"\n")
	}
	writeLoad(&b, entries)
	for _, last := range []bool{false, true} {
		for _, e := range entries {
			if err := e.writeIf(&b, last); err != nil {
				return nil, err
			}
		}
	}
	return b.Bytes(), nil
}

// writeLoad reads the counts of the entries.
func writeLoad(b *bytes.Buffer, entries []Entry) {
	var vars []string
	for _, e := range entries {
		if e.Count != nil {
			vars = append(vars, e.Count.Var)
		}
	}
	if len(vars) == 0 {
		return
	}
	fmt.Fprintf(b, "if [ -f %s ]; then\n\tload_env --file %s %s\nfi\n", envFile, envFile, strings.Join(vars, " "))
	for _, e := range entries {
		if c := e.Count; c != nil {
			fmt.Fprintf(b, "if [ -z \"$%s\" ]; then\n\tset %s=%s\nfi\n", c.Var, c.Var, c.Value(c.Left, c.Done))
		}
	}
}

// writeIf writes the entry into the one or the other half of the menu: where it stands,
// or at the end with those that have no tries left.
func (e Entry) writeIf(b *bytes.Buffer, last bool) error {
	if e.Count == nil {
		if last {
			return nil
		}
		return e.write(b)
	}
	op := "!="
	if last {
		op = "="
	}
	fmt.Fprintf(b, "if [ \"$%s\" %s %s ]; then\n", e.Count.Var, op, e.Count.exhausted())
	err := e.write(b)
	b.WriteString("fi\n")
	return err
}

func (e Entry) write(b *bytes.Buffer) error {
	fmt.Fprintf(b, "menuentry %s --id %s {\n", Quote(e.Title), Quote(e.ID))
	e.writeCount(b)
	if e.UKI != "" {
		fmt.Fprintf(b, "\tchainloader \"$esp\"%s\n}\n", Quote(e.UKI))
		return nil
	}
	fmt.Fprintf(b, "\tlinux \"$bootdir\"%s", Quote(e.Linux))
	for _, a := range e.Options {
		word, err := argument(a)
		if err != nil {
			return err
		}
		b.WriteString(" " + Quote(word))
	}
	fmt.Fprintf(b, "\n\tinitrd \"$bootdir\"%s\n}\n", Quote(e.Initrd))
	return nil
}

// writeCount takes one of the tries. GRUB's language cannot subtract, so every number
// has its successor. If the block cannot be written GRUB says so and goes on.
func (e Entry) writeCount(b *bytes.Buffer) {
	c := e.Count
	if c == nil || c.Left == 0 {
		return
	}
	word := "if"
	for left := c.Left; left > 0; left-- {
		done := c.Left + c.Done - left
		fmt.Fprintf(b, "\t%s [ \"$%s\" = %s ]; then\n\t\tset %s=%s\n", word, c.Var, c.Value(left, done), c.Var, c.Value(left-1, done+1))
		word = "elif"
	}
	fmt.Fprintf(b, "\tfi\n\tsave_env --file %s %s\n", envFile, c.Var)
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

package grubcfg

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"

	"github.com/bootc-go/bootc/internal/testtool"
	"github.com/bootc-go/bootc/kargs"
)

// check has GRUB's own parser look at a script.
func check(t *testing.T, script []byte) {
	t.Helper()
	cmd := exec.Command(testtool.Path(t, "grub-script-check"))
	cmd.Stdin = bytes.NewReader(script)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s\n%s", err, out, script)
	}
}

func TestMenu(t *testing.T) {
	t.Parallel()
	got, err := Menu([]Entry{
		{
			ID: "bootc_debian-13-1", Title: "Debian's $best { 13; `x` \\",
			Linux: "/bootc_composefs-00/vmlinuz", Initrd: "/bootc_composefs-00/initrd",
			Options: kargs.Parse(`quiet foo="a b" "bar=c d" x=$y;{}&|`),
		},
		{ID: "bootc_debian-12-0", Title: "UKI", UKI: "/EFI/Linux/bootc/x.efi"},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := `# bootc writes this file together with the entries beside it.
set fallback="1"
menuentry 'Debian'\''s $best { 13; ` + "`x`" + ` \' --id 'bootc_debian-13-1' {
	linux "$bootdir"'/bootc_composefs-00/vmlinuz' 'quiet' 'foo=a b' 'bar=c d' 'x=$y;{}&|'
	initrd "$bootdir"'/bootc_composefs-00/initrd'
}
menuentry 'UKI' --id 'bootc_debian-12-0' {
	chainloader "$esp"'/EFI/Linux/bootc/x.efi'
}
`
	if string(got) != want {
		t.Errorf("got:\n%s", got)
	}
	check(t, got)
}

// The menu counts down from what the file's name says, in GRUB's words, and puts an
// entry without tries last.
func TestMenuCounts(t *testing.T) {
	t.Parallel()
	got, err := Menu([]Entry{
		{ID: "new", Title: "new", UKI: "/n.efi", Count: &Count{Var: "bootc_tries_7_ab", Left: 2, Done: 1}},
		{ID: "old", Title: "old", UKI: "/o.efi"},
	})
	if err != nil {
		t.Fatal(err)
	}
	entry := `menuentry 'new' --id 'new' {
	if [ "$bootc_tries_7_ab" = 2-1 ]; then
		set bootc_tries_7_ab=1-2
	elif [ "$bootc_tries_7_ab" = 1-2 ]; then
		set bootc_tries_7_ab=0-3
	fi
	save_env --file "$bootdir"'/grub/grubenv' bootc_tries_7_ab
	chainloader "$esp"'/n.efi'
}
`
	want := `# bootc writes this file together with the entries beside it.
set fallback="1"
if [ -f "$bootdir"'/grub/grubenv' ]; then
	load_env --file "$bootdir"'/grub/grubenv' bootc_tries_7_ab
fi
if [ -z "$bootc_tries_7_ab" ]; then
	set bootc_tries_7_ab=2-1
fi
if [ "$bootc_tries_7_ab" != 0-3 ]; then
` + entry + `fi
menuentry 'old' --id 'old' {
	chainloader "$esp"'/o.efi'
}
if [ "$bootc_tries_7_ab" = 0-3 ]; then
` + entry + `fi
`
	if string(got) != want {
		t.Errorf("got:\n%s", got)
	}
	check(t, got)
}

func TestParseCount(t *testing.T) {
	t.Parallel()
	c := Count{Left: 3}
	for value, want := range map[string]string{
		"3-0": "3-0", "2-1": "2-1", "0-3": "0-3", "": "-", "4-0": "-", "3-1": "-", "-1-4": "-", "2-1 ": "-", "02-1": "-",
	} {
		got := "-"
		if left, done, ok := c.ParseCount(value); ok {
			got = c.Value(left, done)
		}
		if got != want {
			t.Errorf("%q: %s, want %s", value, got, want)
		}
	}
}

// What GRUB would alter is refused, with its name.
func TestMenuRefuses(t *testing.T) {
	t.Parallel()
	for _, arg := range []string{`a=it's`, `a=b\c`, `a=b\x2dc`, `a=x"y"z`, "a=\"b\tc\""} {
		_, err := Menu([]Entry{{Options: kargs.Parse(arg)}})
		if err == nil || !strings.Contains(err.Error(), arg) {
			t.Errorf("%s: %v", arg, err)
		}
	}
}

func TestScripts(t *testing.T) {
	t.Parallel()
	for _, bootPath := range []string{"", "/boot", "/@ it's/boot"} {
		check(t, Main(bootPath))
		check(t, Embedded("0123-ABCD", bootPath))
	}
}

func FuzzMenu(f *testing.F) {
	f.Add("Debian", "quiet")
	f.Add("'{$(", `a="b c" '`)
	f.Fuzz(func(t *testing.T, title, line string) {
		if strings.ContainsAny(title, "\n\x00") {
			return // Stage makes one line of titles
		}
		menu, err := Menu([]Entry{{ID: "x", Title: title, Linux: "/l", Initrd: "/i", Options: kargs.Parse(line)}})
		if err == nil {
			check(t, menu)
		}
	})
}

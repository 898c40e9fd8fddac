package osimage

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/bootc-go/bootc/internal/testtool"
)

// TestValuesAreThoseOfAShell compares with a shell, which os-release(5) defines the
// format by.
func TestValuesAreThoseOfAShell(t *testing.T) {
	t.Parallel()
	sh := testtool.Path(t, "sh")
	for _, word := range []string{
		"", `""`, `''`, "44", "a-b_c.d~e", `"Acme Linux 44 (Rocky)"`, `'Acme Linux'`, `"it's"`, `'say "x"'`,
		`"a\"b"`, `"a\\b"`, `"\$x"`, "\"\\`x\\`\"", `"a\nb"`, `'a\nb'`, `'\'`, `a\ b`, `a\\b`, `a"b c"'d e'f`, `"é 😀"`, `44 # why`, `"#"`, "a#b",
	} {
		text := "# first\nVERSION_ID=old\n\nVERSION_ID=" + word + "\nOTHER='x'\n"
		name := filepath.Join(t.TempDir(), "os-release")
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		want, err := exec.CommandContext(t.Context(), sh, "-c", `. "$0"; printf %s "$VERSION_ID"`, name).Output()
		if err != nil {
			t.Fatalf("%s: %v", word, err)
		}
		if got := parseOSRelease(text).VersionID; got != string(want) {
			t.Errorf("%s: %q, a shell says %q", word, got, want)
		}
	}
}

func TestOSRelease(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, text string
		want       OSRelease
	}{
		{name: "empty"},
		{
			"all", "ID=acme\nNAME=Acme\nPRETTY_NAME='Acme 44'\nVERSION_ID=44\nVERSION='44 (x)'\nBUILD_ID=b\nIMAGE_VERSION=7",
			OSRelease{"acme", "Acme 44", "44", "44 (x)", "b", "7"},
		},
		{"named by NAME", "ID=acme\nNAME=Acme", OSRelease{ID: "acme", PrettyName: "Acme"}},
		{"named by ID", "ID=acme", OSRelease{ID: "acme", PrettyName: "acme"}},
		{"blanks", "  ID=acme\r\n\tBUILD_ID=rolling", OSRelease{ID: "acme", PrettyName: "acme", BuildID: "rolling"}},
		{"no assignments", "VERSION_ID\n=x\nVERSION_ID=\"44\nVERSION='4\nBUILD_ID=a b\nIMAGE_VERSION=a\\\n", OSRelease{}},
	} {
		got, err := readOSRelease(fstest.MapFS{"usr/lib/os-release": file(c.text)})
		if err != nil || got != c.want {
			t.Errorf("%s: %+v, %v", c.name, got, err)
		}
	}
	if got, err := readOSRelease(fstest.MapFS{}); err != nil || got != (OSRelease{}) {
		t.Errorf("no file: %+v, %v", got, err)
	}
}

func FuzzOSRelease(f *testing.F) {
	f.Add("ID=acme\nPRETTY_NAME=\"Acme \\\" 44\"\nVERSION_ID='44'\n")
	f.Fuzz(func(t *testing.T, text string) {
		o := parseOSRelease(text)
		if len(o.VersionID) > len(text) || len(o.PrettyName) > len(text) {
			t.Fatalf("%q: %+v", text, o)
		}
	})
}

// Package testtool finds the independent tools that tests compare with.
package testtool

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Path returns the tool called name: from the bin directory below
// $BOOTC_TOOLS, where make setup puts what Debian's stable release lacks, or
// else from $PATH. A missing tool fails the test: a check that did not run has
// not passed.
func Path(t testing.TB, name string) string {
	t.Helper()
	if dir := os.Getenv("BOOTC_TOOLS"); dir != "" {
		if p := filepath.Join(dir, "bin", name); executable(p) {
			return p
		}
	}
	p, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("the tool %s is missing (run make setup): %v", name, err)
	}
	return p
}

// Run runs the tool called name with stdin as its input, and returns what it wrote to
// its standard output. A failure of it fails the test.
func Run(t testing.TB, stdin, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(Path(t, name), args...)
	var stderr strings.Builder
	cmd.Stdin, cmd.Stderr = strings.NewReader(stdin), &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, stderr.String())
	}
	return string(out)
}

// CPIO is an archive with files of these names, made by cpio(1).
func CPIO(t testing.TB, names ...string) []byte {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte("content"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return []byte(Run(t, "", "sh", "-c", `cd "$0" && find . | "$1" --quiet -o -H newc`, dir, Path(t, "cpio")))
}

func executable(p string) bool {
	st, err := os.Stat(p)
	return err == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0
}

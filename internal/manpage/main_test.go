package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bootc-go/bootc/internal/testtool"
)

// Groff has nothing to say against the pages, with warnings on, and shows the keys.
func TestPages(t *testing.T) {
	t.Parallel()
	for page, want := range map[string]string{"install-config.md": "match-architectures", "setup-root-conf.md": "transient", "units.md": "bootc-finalize-staged.service"} {
		dir := t.TempDir()
		if err := run([]string{"name", "what it is", "../../docs/reference/" + page, dir, "bootc"}); err != nil {
			t.Fatal(err)
		}
		out, err := exec.CommandContext(t.Context(), testtool.Path(t, "groff"), "-man", "-t", "-Tutf8", "-ww", "-z", filepath.Join(dir, "name.5")).CombinedOutput()
		if err != nil || len(out) > 0 {
			t.Errorf("%s: %v: %s", page, err, out)
		}
		if text := tool(t, filepath.Join(dir, "name.5")); !strings.Contains(text, want) || !strings.Contains(text, "name - what it is") {
			t.Errorf("%s: no %q in %s", page, want, text)
		}
		if alias, err := os.ReadFile(filepath.Join(dir, "bootc.5")); err != nil || string(alias) != ".so man5/name.5\n" {
			t.Errorf("%q, %v", alias, err)
		}
	}
}

// tool is what man(1) shows, without the marks of bold and underlined letters.
func tool(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), testtool.Path(t, "groff"), "-man", "-t", "-Tutf8", "-P-cbou", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestRefused(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"name"}, {"name", "what", "missing.md", "."}, {"name", "what", "../../docs/reference/units.md", t.TempDir(), "no-such-unit"}} {
		if err := run(args); err == nil {
			t.Errorf("%q: no error", args)
		}
	}
}

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
		out, err := exec.CommandContext(t.Context(), testtool.Path(t, "groff"), "-man", "-t", "-Tutf8", "-ww", filepath.Join(dir, "name.5")).CombinedOutput()
		if err != nil || strings.Contains(string(out), "warning") || !strings.Contains(string(out), want) || !strings.Contains(string(out), "what it is") {
			t.Errorf("%s: %v: %s", page, err, out)
		}
		if alias, err := os.ReadFile(filepath.Join(dir, "bootc.5")); err != nil || string(alias) != ".so man5/name.5\n" {
			t.Errorf("%q, %v", alias, err)
		}
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"name"}, {"name", "what", "missing.md", "."}, {"name", "what", "../../docs/reference/units.md", t.TempDir(), "no-such-unit"}} {
		if err := run(args); err == nil {
			t.Errorf("%q: no error", args)
		}
	}
}

package systemd

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bootc-go/bootc/internal/testtool"
)

// installed is a tree with all that scripts/install.sh puts into an image, beside the
// units of this system.
func installed(t *testing.T) string {
	t.Helper()
	root, bin := t.TempDir(), t.TempDir()
	for _, name := range []string{"bootc", "bootc-initramfs"} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(root, "usr/lib/systemd"), 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("cp", "-a", "/usr/lib/systemd/system", filepath.Join(root, "usr/lib/systemd")).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := exec.Command("../scripts/install.sh")
	cmd.Env = append(os.Environ(), "DESTDIR="+root, "BIN="+bin)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return root
}

// systemd finds nothing wrong with any unit, installed or generated.
func TestUnitsVerify(t *testing.T) {
	t.Parallel()
	analyze := testtool.Path(t, "systemd-analyze")
	root := installed(t)
	host := hostWith(t, transientRoot+transientEtc, nil)
	units := filepath.Join(root, "usr/lib/systemd/system")
	if err := Generate(host, units); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(units, fstabUnit), []byte(fstabText), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.MkdirAll(filepath.Join(root, "bin"), 0o755), os.WriteFile(filepath.Join(root, "bin/sh"), nil, 0o755)); err != nil {
		t.Fatal(err)
	}
	const bad = "bootc-bad.service"
	if err := os.WriteFile(filepath.Join(units, bad), []byte("[Unit]\nAftr=x\n[Service]\nExecStart=/usr/bin/missing\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	ours, err := filepath.Glob(filepath.Join(units, "bootc-*.*"))
	if err != nil || len(ours) < 13 {
		t.Fatalf("units %q, %v", ours, err)
	}
	for _, unit := range ours {
		name := filepath.Base(unit)
		out, err := exec.Command(analyze, "verify", "--recursive-errors=no", "--man=no", "--root="+root, name).CombinedOutput()
		if wrong := err != nil || strings.Contains(string(out), name); wrong != (name == bad) {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

// What a unit says of its documentation is there.
func TestUnitsDocumented(t *testing.T) {
	t.Parallel()
	units, err := filepath.Glob("bootc-*.*")
	if err != nil {
		t.Fatal(err)
	}
	texts := []string{fstabText, relabelText}
	for _, u := range units {
		b, err := os.ReadFile(u)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(b))
	}
	for _, text := range texts {
		_, doc, ok := strings.Cut(text, "Documentation=")
		if !ok {
			t.Errorf("no documentation:\n%s", text)
			continue
		}
		doc, _, _ = strings.Cut(doc, "\n")
		name, _ := strings.CutPrefix(doc, "https://github.com/bootc-go/bootc/blob/main/")
		if page, ok := strings.CutPrefix(doc, "man:"); ok {
			name = "docs/man/" + strings.NewReplacer("(", ".", ")", "").Replace(page)
		}
		if _, err := os.Stat(filepath.Join("..", name)); err != nil {
			t.Errorf("%s: %v", doc, err)
		}
	}
}

// systemctl preset does as the generator does, and as docs/reference/units.md says.
func TestUnitsPreset(t *testing.T) {
	t.Parallel()
	root := installed(t)
	ours, err := filepath.Glob(filepath.Join(root, "usr/lib/systemd/system/bootc-*.*"))
	if err != nil {
		t.Fatal(err)
	}
	var enabled []string
	for _, u := range ours {
		name := filepath.Base(u)
		out, err := exec.Command(testtool.Path(t, "systemctl"), "--root="+root, "preset", name).CombinedOutput()
		if err != nil {
			t.Errorf("preset %s: %v\n%s", name, err, out)
		}
		if exec.Command("systemctl", "--root="+root, "--quiet", "is-enabled", name).Run() == nil {
			if b, err := os.ReadFile(u); err == nil && strings.Contains(string(b), "[Install]") {
				enabled = append(enabled, name)
			}
		}
	}
	want := []string{
		"bootc-boot-check.service", "bootc-boot-complete.service",
		"bootc-destructive-cleanup.service", "bootc-enable-verity.service", "bootc-status-updated-onboot.target",
		"bootc-status-updated.path", "bootc-sysusers-shadow-sync.service",
	}
	if !slices.Equal(enabled, want) {
		t.Errorf("enabled: %q, want %q", enabled, want)
	}
}

package main

import (
	"debug/elf"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/bootc-go/bootc/internal/testcache"
	"github.com/bootc-go/bootc/internal/testtool"
)

// buildProgram builds the program as make does.
func buildProgram(t *testing.T, name string) {
	t.Helper()
	run := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", name, ".")
	if out, err := run.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// TestProgramIsSmall keeps the initramfs small, which the loader reads on each boot
// and each deployment has a copy of.
func TestProgramIsSmall(t *testing.T) {
	t.Parallel()
	name := t.TempDir() + "/program"
	buildProgram(t, name)
	st, err := os.Stat(name)
	check(t, err)
	if st.Size() >= 6<<20 {
		t.Errorf("%d bytes", st.Size())
	}
	t.Logf("%d bytes", st.Size())
	program, err := elf.Open(name)
	check(t, err)
	defer program.Close()
	for _, p := range program.Progs {
		if p.Type == elf.PT_INTERP {
			t.Error("it is not static")
		}
	}
	deps, err := exec.Command("go", "list", "-deps", ".").Output()
	check(t, err)
	allowed := regexp.MustCompile(`^(golang\.org/x/sys/unix|golang\.org/x/sync/errgroup|github\.com/pelletier/go-toml/v2(/.*)?|` +
		`github\.com/bootc-go/bootc/(kargs|composefs/(mount|verity)|setuproot|cmd/bootc-initramfs))$`)
	for dep := range strings.Lines(string(deps)) {
		dep = strings.TrimSpace(dep)
		domain, _, _ := strings.Cut(dep, "/")
		if strings.Contains(domain, ".") && !allowed.MatchString(dep) {
			t.Errorf("it links %s", dep)
		}
	}
}

// install runs scripts/install.sh on what a clone has and make build builds, and
// returns the directory that it filled.
func install(t *testing.T) string {
	t.Helper()
	from, to := testcache.ModuleRoot(t), t.TempDir()
	for _, dir := range []string{"scripts", "systemd", "initramfs", "docs/man", "docs/completions"} {
		check(t, os.CopyFS(to+"/"+dir, os.DirFS(from+"/"+dir)))
	}
	check(t, os.Mkdir(to+"/bin", 0o755))
	buildProgram(t, to+"/bin/bootc-initramfs")
	check(t, os.WriteFile(to+"/bin/bootc", []byte("#!/bin/sh\n"), 0o755))
	cmd := exec.Command(to + "/scripts/install.sh")
	cmd.Dir, cmd.Env = "/", append(os.Environ(), "DESTDIR="+to+"/image")
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Fatalf("%v\n%s", err, out)
	}
	return to + "/image"
}

// checkLink makes sure that the link name below root leads to target, if root is /.
func checkLink(t *testing.T, root, name, target string) {
	t.Helper()
	got, err := os.Readlink(root + name)
	check(t, err)
	if !filepath.IsAbs(got) {
		got = filepath.Join(filepath.Dir(name), got)
	}
	if got != target {
		t.Errorf("%s leads to %s; the documentation says %s", name, got, target)
	}
}

// TestInstall compares what is installed with what docs/reference/files.md says.
func TestInstall(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile(testcache.ModuleRoot(t) + "/docs/reference/files.md")
	check(t, err)
	said := map[string]string{} // pattern → mode
	for _, m := range regexp.MustCompile("(?m)^\\| `(/[^`]+)` \\| ([0-7]+|link to `[^`]+`) \\|").FindAllSubmatch(doc, -1) {
		said[string(m[1])] = string(m[2])
	}
	used := map[string]bool{}
	root := install(t)
	check(t, filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		check(t, err)
		name = strings.TrimPrefix(name, root)
		if _, ok := said[name]; d.IsDir() && !ok {
			return nil
		}
		mode := ""
		for pattern, m := range said {
			if ok, err := filepath.Match(pattern, name); ok && err == nil {
				used[pattern], mode = true, m
			}
		}
		if target, ok := strings.CutPrefix(mode, "link to "); ok {
			checkLink(t, root, name, strings.Trim(target, "`"))
			return nil
		}
		if got := strings.TrimLeft(strings.TrimPrefix(info.Mode().String(), "d"), "-"); mode == "" || symbolic(mode) != got {
			t.Errorf("%s has mode %s; the documentation says %q", name, got, mode)
		}
		return nil
	}))
	for pattern := range said {
		if !used[pattern] {
			t.Errorf("the documentation has %s, which is not installed", pattern)
		}
	}
}

func symbolic(mode string) string {
	return map[string]string{"755": "rwxr-xr-x", "644": "rw-r--r--"}[mode]
}

// TestUnits has systemd check the units among its own.
func TestUnits(t *testing.T) {
	t.Parallel()
	root := install(t)
	units := root + "/usr/lib/systemd/system"
	ours, err := filepath.Glob(units + "/bootc-*")
	check(t, err)
	for _, name := range []string{"/usr/lib/systemd/system", "/lib/systemd/system"} {
		if _, err := os.Stat(name + "/basic.target"); err == nil {
			copyUnits(t, name, units)
			break
		}
	}
	write(t, units+"/sysroot.mount", "[Mount]\nWhat=/dev/null\nWhere=/sysroot\n") // made by generators
	for _, program := range []string{"/sbin/modprobe", "/bin/sh"} {
		check(t, os.MkdirAll(filepath.Dir(root+program), 0o755))
		check(t, os.WriteFile(root+program, []byte("#!/bin/sh\n"), 0o755))
	}
	for _, unit := range ours {
		cmd := exec.Command(testtool.Path(t, "systemd-analyze"), "verify", "--root="+root, "--man=no", "--generators=no", filepath.Base(unit))
		out, err := cmd.CombinedOutput()
		for line := range strings.Lines(string(out)) {
			if strings.Contains(line, "bootc") || strings.Contains(line, "sysroot") {
				t.Errorf("%s: %s", filepath.Base(unit), line)
			}
		}
		if err != nil {
			t.Errorf("%s: %v\n%s", filepath.Base(unit), err, out)
		}
	}
}

// copyUnits copies units that are files; links between them are left out.
func copyUnits(t *testing.T, from, to string) {
	t.Helper()
	entries, err := os.ReadDir(from)
	check(t, err)
	for _, e := range entries {
		if !e.Type().IsRegular() {
			continue
		}
		data, err := os.ReadFile(from + "/" + e.Name())
		check(t, err)
		check(t, os.WriteFile(to+"/"+e.Name(), data, 0o644))
	}
}

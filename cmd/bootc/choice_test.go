package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	"github.com/bootc-go/bootc/composefs/verity"
	"github.com/bootc-go/bootc/image"
	"github.com/bootc-go/bootc/install/config"
)

// every calls fn for each flag of each command.
func every(name string, flags []cli.Flag, cmds []*cli.Command, fn func(command string, f cli.Flag)) {
	for _, f := range flags {
		fn(name, f)
	}
	for _, c := range cmds {
		every(name+" "+c.Name, c.Flags, c.Subcommands, fn)
	}
}

// A usage that lists words is one of a choice, and lists all of them.
func TestChoicesAreTold(t *testing.T) {
	t.Parallel()
	app := (&env{}).app()
	choices := 0
	every(app.Name, app.Flags, app.Commands, func(command string, f cli.Flag) {
		x, ok := f.(*choice)
		if s, plain := f.(*cli.StringFlag); plain && oneOf.MatchString(s.Usage) && s.Name != "target" && s.Name != "source" {
			t.Errorf("%s --%s lists values, and accepts any: %s", command, s.Name, s.Usage)
		}
		if !ok {
			return
		}
		choices++
		for _, w := range x.words {
			if !strings.Contains(x.Usage, w) {
				t.Errorf("%s --%s does not tell of %s: %s", command, x.Name, w, x.Usage)
			}
		}
	})
	if choices < 20 {
		t.Errorf("%d choices", choices)
	}
}

// The words mean something to what reads them.
func TestChoicesMeanSomething(t *testing.T) {
	t.Parallel()
	app := (&env{}).app()
	means := map[string]func(string) error{
		"transport":        func(s string) error { _, err := image.New(s, "localhost/a"); return err },
		"target-transport": func(s string) error { _, err := image.New(s, "localhost/a"); return err },
		"filesystem":       func(s string) error { _, err := config.ParseFilesystem(s); return err },
		"bootloader":       func(s string) error { _, err := config.ParseBootloader(s); return err },
		"block-setup":      func(s string) error { _, err := config.ParseBlockSetup(s); return err },
		"hash":             func(s string) error { _, err := verity.ParseAlgorithm(s); return err },
		"hash-alg":         func(s string) error { _, err := verity.ParseAlgorithm(s); return err },
		"algorithm":        func(s string) error { _, err := verity.ParseAlgorithm(s); return err },
		"digest":           func(s string) error { _, err := verity.ParseAlgorithm(s); return err },
	}
	seen := map[string]bool{}
	every(app.Name, app.Flags, app.Commands, func(command string, f cli.Flag) {
		x, ok := f.(*choice)
		if !ok || means[x.Name] == nil {
			return
		}
		seen[x.Name] = true
		for _, w := range append(x.words, x.silent...) {
			if err := means[x.Name](w); err != nil && !strings.Contains(err.Error(), "relative") {
				t.Errorf("%s --%s %s: %v", command, x.Name, w, err)
			}
		}
	})
	for name := range means {
		if !seen[name] {
			t.Errorf("no flag --%s", name)
		}
	}
}

// Another word is refused before anything is done, with those that there are.
func TestChoicesRefuse(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"switch --transport ftp x":              `--transport: unknown transport "ftp" (want registry, containers-storage, dir, docker-archive, docker-daemon, oci or oci-archive)`,
		"install to-disk --filesystem=vfat x":   `--filesystem: unknown type "vfat" (want ext4, xfs or btrfs)`,
		"internals cfs --hash md5 images":       `--hash: unknown algorithm "md5" (want sha256 or sha512)`,
		"upgrade --soft-reboot=":                `--soft-reboot: unknown mode "" (want required or auto)`,
		"install to-filesystem --replace all x": `--replace: unknown way "all" (want wipe or alongside)`,
	} {
		var stderr bytes.Buffer
		e := &env{stdin: strings.NewReader(""), stdout: &bytes.Buffer{}, stderr: &stderr, root: t.TempDir(), getenv: func(string) string { return "" }}
		if code := run(t.Context(), e, append([]string{"bootc"}, strings.Fields(line)...)); code != 2 || !strings.HasPrefix(stderr.String(), "bootc: "+want+"\n") {
			t.Errorf("%s: %d, %s", line, code, &stderr)
		}
	}
}

package main

import (
	"bytes"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	"github.com/bootc-go/bootc/internal/testtool"
)

func fullApp() *cli.App {
	e := &env{stdin: strings.NewReader(""), stdout: &bytes.Buffer{}, stderr: &bytes.Buffer{}, root: "/", getenv: func(string) string { return "" }}
	return e.app()
}

// publicVerbs are those that users see in 'bootc --help' and below.
func publicVerbs(above string, cmds []*cli.Command) (names []string) {
	for _, c := range cmds {
		switch name := above + " " + c.Name; {
		case c.Hidden:
		case len(c.Subcommands) == 0:
			names = append(names, name)
		default:
			names = append(names, publicVerbs(name, c.Subcommands)...)
		}
	}
	return names
}

func TestEveryVerbHasExamples(t *testing.T) {
	t.Parallel()
	app := fullApp()
	known := map[string]bool{}
	for _, v := range verbs(verb{name: app.Name}, app.Commands) {
		known[v.name] = true
	}
	for name := range examples() {
		if !known[name] {
			t.Errorf("there are examples for %s, which is no command", name)
		}
	}
	for _, name := range publicVerbs(app.Name, app.Commands) {
		if len(examples()[name]) == 0 {
			t.Errorf("%s has no example: add one to examples.go", name)
		}
	}
}

// TestExamplesAreUnderstood reads each command line of an example as bootc does.
func TestExamplesAreUnderstood(t *testing.T) {
	t.Parallel()
	for name, list := range examples() {
		for _, x := range list {
			checkExample(t, name, x.line)
		}
	}
}

func checkExample(t *testing.T, name, line string) {
	t.Helper()
	if name == "bootc composefs-finalize-staged" {
		return // a line about its unit
	}
	from := strings.Index(line, name)
	if from < 0 {
		t.Errorf("%s: the example %q is of another command", name, line)
		return
	}
	line = line[from:]
	if before, after, ok := strings.Cut(line, "$("); ok {
		line = before + "x" + after[strings.LastIndexByte(after, ')')+1:]
	}
	line, _, _ = strings.Cut(line, " |")
	line, _, _ = strings.Cut(line, " &&")
	app := fullApp()
	args, err := permute(app, strings.Fields(line))
	if err != nil {
		t.Errorf("%s: %q: %v", name, line, err)
		return
	}
	stub(app.Commands)
	app.OnUsageError = func(_ *cli.Context, err error, _ bool) error { return err }
	if err := app.Run(args); err != nil {
		t.Errorf("%s: %q: %v", name, line, err)
	}
}

// stub has every command do no more than count its operands.
func stub(cmds []*cli.Command) {
	for _, c := range cmds {
		stub(c.Subcommands)
		if len(c.Subcommands) == 0 {
			c.Before, c.After = nil, nil
			c.Action = func(cc *cli.Context) error {
				_, err := operands(cc)
				return err
			}
		}
	}
}

// TestManPages has groff judge every page.
func TestManPages(t *testing.T) {
	t.Parallel()
	app := fullApp()
	all := verbs(verb{name: app.Name, path: app.Name}, app.Commands)
	pages := map[string]string{}
	for _, v := range all {
		pages[v.pageName()] = v.manPage()
	}
	for _, v := range groups(app) {
		pages[v.pageName()] = v.groupPage()
	}
	for name, page := range pages {
		// What a page refers to is a page.
		for _, m := range regexp.MustCompile(`(?m)^\.BR (\S+) \(8\)$`).FindAllStringSubmatch(page, -1) {
			if to := strings.ReplaceAll(m[1], `\-`, "-"); pages[to] == "" {
				t.Errorf("%s refers to %s, which is no page", name, to)
			}
		}
		cmd := exec.CommandContext(t.Context(), testtool.Path(t, "groff"), "-man", "-Tutf8", "-ww", "-z")
		cmd.Stdin = strings.NewReader(page)
		if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s: %v: %s", name, err, out)
		}
	}
	for _, name := range []string{"bootc", "bootc-install", "bootc-container", "bootc-internals-cfs-oci"} {
		if !strings.Contains(pages[name], ".SH COMMANDS\n.TP\n") {
			t.Errorf("%s lists no commands: %s", name, pages[name])
		}
	}
	if to := aliasPages(all)["bootc-update"]; to != ".so man8/bootc-upgrade.8\n" {
		t.Errorf("bootc-update: %q", to)
	}
}

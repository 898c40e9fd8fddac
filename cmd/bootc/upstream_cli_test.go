package main

import (
	"os"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

// Upstream's command lines are understood: each command and flag of it is here, but for
// those that are listed as missing, which are.
func TestUpstreamsCommandLine(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/upstream-cli.list")
	if err != nil {
		t.Fatal(err)
	}
	app := (&env{}).app()
	var install []string
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "#"):
			continue
		case strings.HasPrefix(line, "[install]"):
			install = append(install, strings.Fields(line)[1:]...)
			continue
		case strings.HasPrefix(line, "("):
			if c := findCommand(app.Commands, strings.Fields(strings.Trim(line, "()"))); c != nil {
				t.Errorf("%s is here", line)
			}
			continue
		}
		var path, flags []string
		for word := range strings.FieldsSeq(line) {
			switch {
			case word == "[install]":
				flags = append(flags, install...)
			case strings.ContainsAny(word[:1], "-("):
				flags = append(flags, word)
			default:
				path = append(path, word)
			}
		}
		c := findCommand(app.Commands, path)
		if c == nil {
			t.Errorf("there is no %s", strings.Join(path, " "))
			continue
		}
		for _, f := range flags {
			name := strings.TrimLeft(strings.Trim(f, "()"), "-")
			if _, has := (&permuter{flags: c.Flags}).lookup(name); has != (f[0] == '-') {
				t.Errorf("%s %s: here is %t", strings.Join(path, " "), f, has)
			}
		}
	}
}

func findCommand(cmds []*cli.Command, path []string) *cli.Command {
	for _, c := range cmds {
		if !c.HasName(path[0]) {
			continue
		}
		if len(path) == 1 {
			return c
		}
		return findCommand(c.Subcommands, path[1:])
	}
	return nil
}

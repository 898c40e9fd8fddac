package main

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"
)

// usageErr is a command line that cannot be understood.
type usageErr struct {
	command string
	err     error
}

func (e *usageErr) Error() string { return e.err.Error() }
func (e *usageErr) Unwrap() error { return e.err }

// usageError is an error for which the exit status is 2.
func usageError(c *cli.Context, format string, args ...any) error {
	name := c.App.Name
	if c.Command != nil && c.Command.HelpName != "" {
		name = c.Command.HelpName
	}
	return &usageErr{command: strings.TrimSpace(name), err: fmt.Errorf(format, args...)}
}

// operands returns the command's operands after checking their number against
// its ArgsUsage, whose words are NAME (required), [NAME] (optional) and
// NAME... or [NAME...] (any number more). A missing optional operand is "".
func operands(c *cli.Context) ([]string, error) {
	words := strings.Fields(c.Command.ArgsUsage)
	got := c.Args().Slice()
	for i, w := range words {
		if i >= len(got) && !strings.HasPrefix(w, "[") {
			return nil, usageError(c, "missing operand %s", strings.TrimSuffix(w, "..."))
		}
	}
	many := len(words) > 0 && strings.Contains(words[len(words)-1], "...")
	if len(got) > len(words) && !many {
		return nil, usageError(c, "unexpected operand %q", got[len(words)])
	}
	for len(got) < len(words) && !many {
		got = append(got, "")
	}
	return got, nil
}

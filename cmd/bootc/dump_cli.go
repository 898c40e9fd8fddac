package main

import (
	"strings"

	"github.com/urfave/cli/v2"
)

// What dump-cli-json prints has the keys of upstream's.
type (
	dumpedCommand struct {
		Name        string          `json:"name"`
		About       *string         `json:"about"`
		Options     []dumpedOption  `json:"options"`
		Positionals []dumpedOperand `json:"positionals"`
		Subcommands []dumpedCommand `json:"subcommands"`
	}

	dumpedOption struct {
		Long           string   `json:"long"`
		Short          *string  `json:"short"`
		ValueName      *string  `json:"value_name"`
		Default        *string  `json:"default"`
		Help           string   `json:"help"`
		PossibleValues []string `json:"possible_values"`
		Required       bool     `json:"required"`
		IsBoolean      bool     `json:"is_boolean"`
	}

	dumpedOperand struct {
		Name     string  `json:"name"`
		Help     *string `json:"help"`
		Required bool    `json:"required"`
		Multiple bool    `json:"multiple"`
	}
)

// dumpCLICommand prints the command tree for programs that make documents of it. It
// comes from where manual pages and completions come from.
func (e *env) dumpCLICommand() *cli.Command {
	return &cli.Command{
		Name: "dump-cli-json", Usage: "print the tree of commands, with their options and operands, as JSON",
		Description: "What is hidden is left out, with all below it.",
		Action: func(c *cli.Context) error {
			if _, err := operands(c); err != nil {
				return err
			}
			app := e.app()
			return e.printJSON(dumpCommand(&cli.Command{Name: app.Name, Usage: app.Usage, Flags: app.Flags, Subcommands: app.Commands}))
		},
	}
}

func dumpCommand(c *cli.Command) dumpedCommand {
	out := dumpedCommand{Name: c.Name, Options: []dumpedOption{}, Positionals: []dumpedOperand{}, Subcommands: []dumpedCommand{}}
	if c.Usage != "" {
		out.About = &c.Usage
	}
	for _, f := range c.Flags {
		if d, ok := f.(cli.DocGenerationFlag); ok && shown(f) && f.Names()[0] != "version" {
			out.Options = append(out.Options, dumpOption(f, d))
		}
	}
	if len(c.Subcommands) == 0 {
		for word := range strings.FieldsSeq(c.ArgsUsage) {
			out.Positionals = append(out.Positionals, dumpedOperand{
				Name:     strings.ToLower(strings.Trim(word, "[].")),
				Required: !strings.HasPrefix(word, "["), Multiple: strings.Contains(word, "..."),
			})
		}
	}
	for _, sub := range c.Subcommands {
		if !sub.Hidden {
			out.Subcommands = append(out.Subcommands, dumpCommand(sub))
		}
	}
	return out
}

// shown says whether documents have the flag.
func shown(f cli.Flag) bool {
	v, can := f.(cli.VisibleFlag)
	return (!can || v.IsVisible()) && f.Names()[0] != "help"
}

func dumpOption(f cli.Flag, d cli.DocGenerationFlag) dumpedOption {
	value, help := valueName(d.GetUsage())
	out := dumpedOption{Long: f.Names()[0], Help: help, PossibleValues: []string{}, IsBoolean: !d.TakesValue()}
	for _, n := range f.Names()[1:] {
		if len(n) == 1 {
			out.Short = &n
		}
	}
	if r, ok := f.(cli.RequiredFlag); ok {
		out.Required = r.IsRequired()
	}
	if d.TakesValue() {
		out.ValueName = &value
	}
	switch f := f.(type) {
	case *choice:
		out.PossibleValues, out.Default = f.words, declared(f.Value)
	case *cli.StringFlag:
		out.Default = declared(f.Value)
	}
	return out
}

// declared is a default that a flag has, nil if it has none.
func declared(value string) *string {
	if value == "" {
		return nil
	}
	return &value
}

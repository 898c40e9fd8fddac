package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// permute moves the flags of each command before its operands, because the
// library stops reading flags at the first operand, while users write
// "bootc switch IMAGE --apply". It refuses flags that the command does not
// have.
func permute(app *cli.App, args []string) ([]string, error) {
	if len(args) == 0 {
		return args, nil
	}
	p := &permuter{name: app.Name, flags: app.Flags, commands: app.Commands}
	out := []string{args[0]}
	for args = args[1:]; ; {
		rest, sub, err := p.level(args)
		if err != nil {
			return nil, &usageErr{command: p.name, err: err}
		}
		out = append(out, p.seen...)
		if sub == nil {
			if err := p.complete(); err != nil {
				return nil, &usageErr{command: p.name, err: err}
			}
			if len(p.operands) > 0 {
				out = append(append(out, "--"), p.operands...)
			}
			return out, nil
		}
		out = append(out, sub.Name)
		if sub.SkipFlagParsing { // what follows is another program's
			return append(out, rest...), nil
		}
		p = &permuter{name: p.name + " " + sub.Name, flags: sub.Flags, commands: sub.Subcommands}
		args = rest
	}
}

// permuter reads the words that belong to one command.
type permuter struct {
	name     string
	flags    []cli.Flag
	commands []*cli.Command
	seen     []string // flags with their values
	operands []string
}

// level reads up to the name of a subcommand, which it returns with the words
// after it, or to the end.
func (p *permuter) level(args []string) (rest []string, sub *cli.Command, err error) {
	for len(args) > 0 {
		word := args[0]
		args = args[1:]
		switch {
		case word == "--":
			p.operands = append(p.operands, args...)
			return nil, nil, nil
		case len(word) > 1 && word[0] == '-':
			if args, err = p.flag(word, args); err != nil {
				return nil, nil, err
			}
		case len(p.operands) == 0 && p.command(word) != nil:
			return args, p.command(word), nil
		case len(p.commands) > 0:
			return nil, nil, fmt.Errorf("unknown command %q", p.name+" "+word)
		default:
			p.operands = append(p.operands, word)
		}
	}
	return nil, nil, nil
}

func (p *permuter) command(name string) *cli.Command {
	for _, c := range p.commands {
		if c.HasName(name) {
			return c
		}
	}
	return nil
}

// flag takes one word that begins with a hyphen, and its value if that is the
// next word.
func (p *permuter) flag(word string, args []string) ([]string, error) {
	if !strings.HasPrefix(word, "--") {
		return p.shortFlags(word, args)
	}
	name, value, hasValue := strings.Cut(word[2:], "=")
	takes, ok := p.lookup(name)
	switch {
	case !ok || len(name) == 1:
		return nil, fmt.Errorf("unknown flag --%s for '%s'", name, p.name)
	case !takes && hasValue && value != "true" && value != "false":
		return nil, fmt.Errorf("flag --%s takes no value, got %q", name, value)
	case takes && !hasValue:
		return p.value(word, args)
	case !takes && !hasValue && len(args) > 0 && (args[0] == "true" || args[0] == "false"):
		return nil, fmt.Errorf("flag %s takes its value after an equals sign: %s=%s", word, word, args[0])
	}
	p.seen = append(p.seen, word)
	return args, nil
}

// value takes the next word as the value of the flag word.
func (p *permuter) value(word string, args []string) ([]string, error) {
	if len(args) == 0 {
		return nil, fmt.Errorf("flag %s needs a value", word)
	}
	p.seen = append(p.seen, word, args[0])
	return args[1:], nil
}

// complete makes sure that the flags are there without which the command does nothing.
// The library would print the usage as its answer.
func (p *permuter) complete() error {
	if slices.ContainsFunc(p.seen, func(w string) bool { return w == "--help" || w == "-h" }) {
		return nil
	}
	for _, f := range p.flags {
		r, ok := f.(cli.RequiredFlag)
		given := func(w string) bool { name, _, _ := strings.Cut(w, "="); return name == "--"+f.Names()[0] }
		if ok && r.IsRequired() && !slices.ContainsFunc(p.seen, given) {
			return fmt.Errorf("--%s is needed", f.Names()[0])
		}
	}
	return nil
}

// shortFlags takes "-v", "-vn" (two flags) and "-fFILE" (a value).
func (p *permuter) shortFlags(word string, args []string) ([]string, error) {
	for i, r := range word[1:] {
		name, rest := string(r), word[1+i+len(string(r)):]
		takes, ok := p.lookup(name)
		switch {
		case !ok:
			return nil, fmt.Errorf("unknown flag -%s for '%s'", name, p.name)
		case takes && rest != "":
			p.seen = append(p.seen, "-"+name, strings.TrimPrefix(rest, "="))
			return args, nil
		case takes:
			return p.value("-"+name, args)
		}
		p.seen = append(p.seen, "-"+name)
	}
	return args, nil
}

// lookup reports whether the command has the flag and whether that takes a
// value.
func (p *permuter) lookup(name string) (takesValue, ok bool) {
	if name == "help" || name == "h" {
		return false, true
	}
	for _, f := range p.flags {
		if slices.Contains(f.Names(), name) {
			d, isDoc := f.(cli.DocGenerationFlag)
			return isDoc && d.TakesValue(), true
		}
	}
	return false, false
}

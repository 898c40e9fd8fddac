package main

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"
)

// groups are the program itself and the commands that only have others below them, in the
// order of the tree.
func groups(app *cli.App) []verb {
	root := verb{name: app.Name, path: app.Name, cmd: &cli.Command{
		Name: app.Name, Usage: app.Usage, Description: app.Description, Flags: app.Flags, Subcommands: app.Commands,
	}}
	return append([]verb{root}, groupsBelow(root)...)
}

func groupsBelow(above verb) []verb {
	var out []verb
	for _, c := range above.cmd.Subcommands {
		if len(c.Subcommands) > 0 {
			v := verb{name: above.name + " " + c.Name, path: above.path + " " + c.Name, cmd: c}
			out = append(append(out, v), groupsBelow(v)...)
		}
	}
	return out
}

// groupPage is the manual page of a group: what it is for, and which commands it has.
// Those that are hidden from a group that is not have pages, but are not listed.
func (v verb) groupPage() string {
	var b strings.Builder
	v.writeHead(&b)
	fmt.Fprintf(&b, ".SH SYNOPSIS\n.B %s [OPTIONS] COMMAND\n", roff(v.path))
	if v.cmd.Description != "" {
		fmt.Fprintf(&b, ".SH DESCRIPTION\n%s\n", roff(v.cmd.Description))
	}
	writeManOptions(&b, "OPTIONS", visible(v.cmd.Flags))
	b.WriteString(".SH COMMANDS\n")
	for _, c := range v.cmd.Subcommands {
		if c.Hidden {
			continue
		}
		sub := verb{name: v.name + " " + c.Name}
		fmt.Fprintf(&b, ".TP\n.BR %s (8)\n%s\n", roff(sub.pageName()), roff(c.Usage))
	}
	return b.String()
}

// aliasPages are pages that lead to others, by name.
func aliasPages(all []verb) map[string]string {
	out := map[string]string{}
	for _, v := range all {
		for _, a := range v.cmd.Aliases {
			alias := verb{name: v.name[:strings.LastIndexByte(v.name, ' ')+1] + a}
			out[alias.pageName()] = fmt.Sprintf(".so man8/%s.8\n", v.pageName())
		}
	}
	return out
}

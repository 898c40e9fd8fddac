package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/bootc-go/bootc/internal/atomicfile"
)

//go:generate go run . internals generate-docs ../../docs

// generateDocsCommand writes the documents that are made from the command
// tree, so that they cannot say what the program does not do.
func (e *env) generateDocsCommand() *cli.Command {
	return &cli.Command{
		Name: "generate-docs", Usage: "write the command reference, the manual pages, the completions and the schemas below DIR", ArgsUsage: "DIR",
		Action: func(c *cli.Context) error {
			args, err := operands(c)
			if err != nil {
				return err
			}
			return generateDocs(e.app(), args[0])
		},
	}
}

// verb is one command that does something, by its whole name.
type verb struct {
	name string // "bootc internals cfs gc"
	path string // the same as it is typed: "bootc internals cfs [OPTIONS] gc"
	cmd  *cli.Command
	over []cli.Flag // the flags of the commands above it
}

// verbs lists the commands below cmds that are no mere groups, in the order of
// the tree.
func verbs(above verb, cmds []*cli.Command) []verb {
	var out []verb
	for _, c := range cmds {
		v := verb{name: above.name + " " + c.Name, path: above.path + " " + c.Name, cmd: c, over: above.over}
		if len(visible(c.Flags)) > 0 {
			v.path += " [OPTIONS]"
		}
		if len(c.Subcommands) == 0 {
			out = append(out, v)
			continue
		}
		out = append(out, verbs(verb{name: v.name, path: v.path, over: append(slices.Clip(v.over), c.Flags...)}, c.Subcommands)...)
	}
	return out
}

func generateDocs(app *cli.App, dir string) error {
	all := verbs(verb{name: app.Name, path: app.Name}, app.Commands)
	files := map[string]string{"reference/cli.md": cliReference(all)}
	for shell, text := range completions(app) {
		files["completions/bootc."+shell] = text
	}
	for _, d := range documents() {
		text, err := d.schema().Text()
		if err != nil {
			return err
		}
		files["reference/"+d.file] = string(text)
	}
	for _, v := range all {
		files["man/"+v.pageName()+".8"] = v.manPage()
	}
	for _, v := range groups(app) {
		files["man/"+v.pageName()+".8"] = v.groupPage()
	}
	for name, text := range aliasPages(all) {
		files["man/"+name+".8"] = text
	}
	for name, text := range files {
		if err := writeDoc(filepath.Join(dir, filepath.Dir(name)), filepath.Base(name), text); err != nil {
			return fmt.Errorf("cannot write the documents: %w", err)
		}
	}
	return nil
}

func writeDoc(dir, name, text string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return atomicfile.WriteFile(d, name, []byte(text), 0o644)
}

func (v verb) pageName() string { return strings.ReplaceAll(v.name, " ", "-") }

func (v verb) synopsis() string { return strings.TrimSpace(v.path + " " + v.cmd.ArgsUsage) }

// option is a flag as the documents show it.
type option struct{ name, usage string }

func visible(flags []cli.Flag) []option {
	var out []option
	for _, f := range flags {
		d, ok := f.(cli.DocGenerationFlag)
		if !ok || !shown(f) {
			continue
		}
		value, usage := valueName(d.GetUsage())
		var names []string
		for _, n := range f.Names() {
			n = "--" + n
			if len(n) == 3 {
				n = n[1:]
			}
			if d.TakesValue() {
				n += " " + value
			}
			names = append(names, n)
		}
		if def := d.GetDefaultText(); d.TakesValue() && def != "" && def != `""` {
			usage += " (default: " + strings.Trim(def, `"`) + ")"
		}
		out = append(out, option{strings.Join(names, ", "), usage})
	}
	return out
}

// valueName splits a usage text at the word in backquotes, which names the
// flag's value.
func valueName(usage string) (value, text string) {
	if _, after, ok := strings.Cut(usage, "`"); ok {
		if value, _, ok = strings.Cut(after, "`"); ok {
			return value, strings.ReplaceAll(usage, "`", "")
		}
	}
	return "VALUE", usage
}

const exitStatus = `0 on success, 2 if the command line cannot be understood, 1 on any other failure. Errors and progress go to standard error; standard output has nothing but the answer.`

func cliReference(all []verb) string {
	var b strings.Builder
	b.WriteString("# Command reference\n\nMade from the command tree by `make generate`.\n\nFlags may stand before or after operands; `--` ends them.\n\nExit status: " + exitStatus + "\n")
	for _, v := range all {
		fmt.Fprintf(&b, "\n## %s\n\n%s.\n\n```\n%s\n```\n", v.name, sentence(v.cmd.Usage), v.synopsis())
		writeOptions(&b, "Options", visible(v.cmd.Flags))
		writeOptions(&b, "Options of the commands above it", visible(v.over))
		if status, ok := exitStatuses()[v.name]; ok {
			fmt.Fprintf(&b, "\nExit status: %s\n", status)
		}
		for _, x := range examples()[v.name] {
			fmt.Fprintf(&b, "\n%s:\n\n    %s\n", x.what, x.line)
		}
	}
	return b.String()
}

func writeOptions(b *strings.Builder, title string, opts []option) {
	if len(opts) == 0 {
		return
	}
	fmt.Fprintf(b, "\n%s:\n\n", title)
	for _, o := range opts {
		fmt.Fprintf(b, "- `%s`: %s\n", o.name, o.usage)
	}
}

// sentence makes a sentence of a usage text.
func sentence(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// manPage is the manual page in roff, see man(7).
func (v verb) manPage() string {
	var b strings.Builder
	v.writeHead(&b)
	fmt.Fprintf(&b, ".SH SYNOPSIS\n.B %s\n", roff(v.synopsis()))
	if v.cmd.Description != "" {
		fmt.Fprintf(&b, ".SH DESCRIPTION\n%s\n", roff(v.cmd.Description))
	}
	for _, group := range []struct {
		title string
		opts  []option
	}{{"OPTIONS", visible(v.cmd.Flags)}, {"OPTIONS OF THE COMMANDS ABOVE IT", visible(v.over)}} {
		writeManOptions(&b, group.title, group.opts)
	}
	status, ok := exitStatuses()[v.name]
	if !ok {
		status = exitStatus
	}
	fmt.Fprintf(&b, ".SH EXIT STATUS\n%s\n", roff(status))
	if len(examples()[v.name]) > 0 {
		b.WriteString(".SH EXAMPLES\n")
	}
	for _, x := range examples()[v.name] {
		fmt.Fprintf(&b, "%s:\n.PP\n.RS 4\n.EX\n%s\n.EE\n.RE\n.PP\n", roff(x.what), roff(x.line))
	}
	return b.String()
}

func (v verb) writeHead(b *strings.Builder) {
	fmt.Fprintf(b, ".\\\" Made from the command tree by make generate.\n.TH %q 8 \"\" \"bootc\" \"bootc\"\n", strings.ToUpper(v.pageName()))
	fmt.Fprintf(b, ".SH NAME\n%s \\- %s\n", roff(v.pageName()), roff(v.cmd.Usage))
}

func writeManOptions(b *strings.Builder, title string, opts []option) {
	if len(opts) > 0 {
		fmt.Fprintf(b, ".SH %s\n", title)
	}
	for _, o := range opts {
		fmt.Fprintf(b, ".TP\n.B %s\n%s\n", roff(o.name), roff(o.usage))
	}
}

// roff escapes what roff would read as its own.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`, "…", "...", "\n.", "\n\\&.", "\n'", "\n\\&'").Replace(s)
	if strings.HasPrefix(s, ".") || strings.HasPrefix(s, "'") {
		s = `\&` + s
	}
	return s
}

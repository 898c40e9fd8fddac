package main

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// completionCommand prints what shells complete command lines with.
func (e *env) completionCommand() *cli.Command {
	return &cli.Command{
		Name: "completion", Usage: "print the completions for a shell", ArgsUsage: "SHELL", Hidden: true,
		Description: "SHELL is bash, zsh or fish.",
		Action: func(c *cli.Context) error {
			args, err := operands(c)
			if err != nil {
				return err
			}
			text, ok := completions(e.app())[args[0]]
			if !ok {
				return usageError(c, "unknown shell %q (want bash, zsh or fish)", args[0])
			}
			_, err = fmt.Fprint(e.stdout, text)
			return err
		},
	}
}

// completions are the scripts by the names of their shells.
func completions(app *cli.App) map[string]string {
	root := completed{path: app.Name, flags: completedFlags(app.Flags), subs: app.Commands}
	all := append([]completed{root}, completedBelow(app.Name, app.Commands)...)
	return map[string]string{"bash": bashCompletion(all), "zsh": zshCompletion(all), "fish": fishCompletion(all)}
}

// completed is a command as the completions know it.
type completed struct {
	path    string // "bootc install to-disk"
	aliases []string
	flags   []completedFlag
	subs    []*cli.Command
	operand string // what the operands are, see valueKind
}

// completedFlag is a flag with all its names, hyphens included.
type completedFlag struct {
	names []string
	usage string
	takes bool
	value string // see valueKind
}

func completedBelow(above string, cmds []*cli.Command) []completed {
	var out []completed
	for _, c := range cmds {
		x := completed{path: above + " " + c.Name, aliases: c.Aliases, flags: completedFlags(c.Flags), subs: c.Subcommands}
		if len(c.Subcommands) == 0 {
			for word := range strings.FieldsSeq(c.ArgsUsage) {
				x.operand = cmp.Or(x.operand, valueKind(strings.Trim(word, "[]."), c.Description))
			}
		}
		out = append(out, x)
		out = append(out, completedBelow(x.path, c.Subcommands)...)
	}
	return out
}

func completedFlags(flags []cli.Flag) []completedFlag {
	out := []completedFlag{{names: []string{"--help", "-h"}, usage: "print the usage"}}
	for _, f := range flags {
		d, ok := f.(cli.DocGenerationFlag)
		if !ok || !shown(f) {
			continue
		}
		x := completedFlag{takes: d.TakesValue()}
		if words, ok := f.(*choice); ok {
			x.value = strings.Join(words.words, " ")
		}
		for _, n := range f.Names() {
			x.names = append(x.names, strings.Repeat("-", min(len(n), 2))+n)
		}
		var name string
		name, x.usage = valueName(d.GetUsage())
		if x.takes && x.value == "" {
			x.value = valueKind(name, "")
		}
		out = append(out, x)
	}
	return out
}

// oneOf finds "humanreadable, yaml or json".
var oneOf = regexp.MustCompile(`(?:^|\(|[:,A-Z] )((?:[a-z0-9][a-z0-9-]*, )*[a-z0-9][a-z0-9-]* or [a-z0-9][a-z0-9-]*)$`)

// valueKind says what is completed for a value or an operand called name: "@dir" and
// "@file" for directories and files, else the words that it can be.
func valueKind(name, usage string) string {
	switch name {
	case "DIR":
		return "@dir"
	case "FILE", "PATH", "DEVICE", "ROOT_PATH", "MOUNTPOINT", "TARGET_DIR", "IMAGE_FILE", "PRISTINE", "CURRENT", "NEW", "OUT":
		return "@file"
	}
	if m := oneOf.FindStringSubmatch(strings.TrimSuffix(strings.TrimSpace(usage), ".")); m != nil {
		return strings.NewReplacer(", ", " ", " or ", " ").Replace(m[1])
	}
	return ""
}

// names are the names of the visible commands of x, flagNames those of its flags.
func (x completed) names() (names []string) {
	for _, c := range x.subs {
		if !c.Hidden {
			names = append(names, c.Name)
		}
	}
	return names
}

func (x completed) flagNames() (names []string) {
	for _, f := range x.flags {
		names = append(names, f.names...)
	}
	return names
}

// paths are all names of x, quoted.
func (x completed) paths(quote func(string) string) []string {
	paths := []string{quote(x.path)}
	for _, a := range x.aliases {
		paths = append(paths, quote(x.path[:strings.LastIndexByte(x.path, ' ')+1]+a))
	}
	return paths
}

// shellQuote is s as one word of a shell.
func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// shellTables are functions that bash and zsh share. They set variables of the caller.
func shellTables(all []completed) string {
	var b strings.Builder
	b.WriteString("# __bootc_command sets subs, flags and operand to what the command $1 has.\n__bootc_command() {\n    case $1 in\n")
	for _, x := range all {
		fmt.Fprintf(&b, "    %s) subs=%s flags=%s operand=%s ;;\n", shellQuote(x.path),
			shellQuote(strings.Join(x.names(), " ")), shellQuote(strings.Join(x.flagNames(), " ")), shellQuote(x.operand))
	}
	b.WriteString("    esac\n}\n\n# __bootc_enter sets at to the command $2 of the command $1, if it has such a one.\n__bootc_enter() {\n    case \"$1 $2\" in\n")
	for _, x := range all[1:] {
		fmt.Fprintf(&b, "    %s) at=%s ;;\n", strings.Join(x.paths(shellQuote), " | "), shellQuote(x.path))
	}
	b.WriteString("    esac\n}\n\n# __bootc_value sets value to what the flag $2 of the command $1 takes; it fails if it takes none.\n__bootc_value() {\n    case \"$1 $2\" in\n")
	for _, x := range all {
		for _, f := range x.flags {
			if !f.takes {
				continue
			}
			var patterns []string
			for _, n := range f.names {
				patterns = append(patterns, shellQuote(x.path+" "+n))
			}
			fmt.Fprintf(&b, "    %s) value=%s ;;\n", strings.Join(patterns, " | "), shellQuote(f.value))
		}
	}
	b.WriteString("    *) return 1 ;;\n    esac\n}\n")
	return b.String()
}

const madeBy = "Made from the command tree by make generate."

func bashCompletion(all []completed) string {
	return "# Completions of bootc for bash. " + madeBy + "\n\n" + shellTables(all) + `
__bootc_reply() {
    case $1 in
    @dir) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -d -- "$2") ;;
    @file) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$2") ;;
    *) mapfile -t COMPREPLY < <(compgen -W "$1" -- "$2") ;;
    esac
}

_bootc() {
    local cur=${COMP_WORDS[COMP_CWORD]} at=bootc subs flags operand value i
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        if [[ ${COMP_WORDS[i]} == -- ]]; then
            __bootc_command "$at"
            __bootc_reply "$operand" "$cur"
            return
        fi
        if __bootc_value "$at" "${COMP_WORDS[i]}"; then
            ((i++))
            # bash makes a word of each equals sign.
            [[ ${COMP_WORDS[i]} == = && $i -lt $COMP_CWORD ]] && ((i++))
            if ((i >= COMP_CWORD)); then
                [[ $cur == = ]] && cur=
                __bootc_reply "$value" "$cur"
                return
            fi
            continue
        fi
        __bootc_enter "$at" "${COMP_WORDS[i]}"
    done
    __bootc_command "$at"
    if [[ $cur == -* ]]; then
        __bootc_reply "$flags" "$cur"
    else
        __bootc_reply "${subs:-$operand}" "$cur"
    fi
}

complete -F _bootc bootc
`
}

func zshCompletion(all []completed) string {
	return "#compdef bootc\n# Completions of bootc for zsh. " + madeBy + "\n\n" + shellTables(all) + `
__bootc_reply() {
    case $1 in
    @dir) _files -/ ;;
    @file) _files ;;
    *) compadd -- ${=1} ;;
    esac
}

_bootc() {
    local at=bootc subs flags operand value i cur=${words[CURRENT]}
    for ((i = 2; i < CURRENT; i++)); do
        if [[ ${words[i]} == -- ]]; then
            __bootc_command "$at"
            __bootc_reply "$operand"
            return
        fi
        if __bootc_value "$at" "${words[i]}"; then
            if ((++i >= CURRENT)); then
                __bootc_reply "$value"
                return
            fi
            continue
        fi
        __bootc_enter "$at" "${words[i]}"
    done
    __bootc_command "$at"
    if [[ $cur == --*=* ]] && __bootc_value "$at" "${cur%%=*}"; then
        compset -P '*='
        __bootc_reply "$value"
    elif [[ $cur == -* ]]; then
        __bootc_reply "$flags"
    else
        __bootc_reply "${subs:-$operand}"
    fi
}

if [ "$funcstack[1]" = _bootc ]; then
    _bootc "$@"
else
    compdef _bootc bootc
fi
`
}

func fishQuote(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(s) + "'"
}

func fishCompletion(all []completed) string {
	var b strings.Builder
	b.WriteString("# Completions of bootc for fish. " + madeBy + "\n\n# __bootc_at succeeds if the command line so far is of the command $argv.\nfunction __bootc_at\n" +
		"    set -l path bootc\n    set -l skip 0\n    for word in (commandline -opc)[2..]\n        if test $skip = 1\n            set skip 0\n            continue\n        end\n        switch \"$path $word\"\n")
	var valued []string
	for _, x := range all {
		for _, f := range x.flags {
			for _, n := range f.names {
				if f.takes {
					valued = append(valued, fishQuote(x.path+" "+n))
				}
			}
		}
	}
	fmt.Fprintf(&b, "            case %s\n                set skip 1\n", strings.Join(valued, " "))
	for _, x := range all[1:] {
		fmt.Fprintf(&b, "            case %s\n                set path %s\n", strings.Join(x.paths(fishQuote), " "), fishQuote(x.path))
	}
	b.WriteString("        end\n")
	b.WriteString("    end\n")
	b.WriteString("    test \"$path\" = \"$argv\"\nend\n\ncomplete -c bootc -f\n")
	for _, x := range all {
		at := fmt.Sprintf("complete -c bootc -n %s", fishQuote("__bootc_at "+x.path))
		for _, c := range x.subs {
			if !c.Hidden {
				fmt.Fprintf(&b, "%s -a %s -d %s\n", at, fishQuote(c.Name), fishQuote(c.Usage))
			}
		}
		for _, f := range x.flags {
			b.WriteString(at)
			for _, n := range f.names {
				fmt.Fprintf(&b, " %s %s", map[bool]string{true: "-l", false: "-s"}[len(n) > 2], strings.TrimLeft(n, "-"))
			}
			fmt.Fprintf(&b, "%s -d %s\n", fishArgs(f.takes, f.value), fishQuote(f.usage))
		}
		if x.operand != "" {
			fmt.Fprintf(&b, "%s%s\n", at, strings.NewReplacer(" -x", "", " -r", "").Replace(fishArgs(true, x.operand)))
		}
	}
	return b.String()
}

// fishArgs are the options of complete for a value.
func fishArgs(takes bool, value string) string {
	switch {
	case !takes:
		return ""
	case value == "@dir":
		return " -x -a '(__fish_complete_directories)'"
	case value == "@file":
		return " -r -F"
	case value == "":
		return " -x"
	}
	return " -x -a " + fishQuote(strings.Join(slices.Compact(strings.Fields(value)), " "))
}

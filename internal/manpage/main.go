// Command manpage makes the manual page of a file format from its page of the reference,
// and pages that lead to it:
//
//	go run ./internal/manpage NAME "WHAT IT IS" PAGE.md DIR [ALIAS...]
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/cpuguy83/go-md2man/v2/md2man"

	"github.com/bootc-go/bootc/internal/atomicfile"
)

//go:generate go run . bootc-install-config "how an image wants to be installed" ../../docs/reference/install-config.md ../../docs/man
//go:generate go run . bootc-setup-root-conf "how the root file system is set up" ../../docs/reference/setup-root-conf.md ../../docs/man
//go:generate go run . bootc-units "the units of bootc" ../../docs/reference/units.md ../../docs/man bootc-fetch-apply-updates.service bootc-fetch-apply-updates.timer bootc-finalize-staged.service bootc-root-setup.service bootc-status-updated.path bootc-status-updated.target bootc-sysusers-shadow-sync.service bootc-destructive-cleanup.service

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "manpage:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 4 {
		return errors.New("usage: manpage NAME WHAT PAGE.md DIR [ALIAS...]")
	}
	name, what := args[0], args[1]
	text, err := os.ReadFile(args[2])
	if err != nil {
		return err
	}
	dir, err := os.Open(args[3])
	if err != nil {
		return err
	}
	defer dir.Close()
	page := fmt.Sprintf("'\\\" t\n.\\\" Made from %s by make generate.\n%s", filepath.Base(args[2]), md2man.Render([]byte(source(name, what, string(text)))))
	pages := map[string]string{name: strings.Replace(page, ".nh\n", "", 1)}
	for _, alias := range args[4:] {
		if !strings.Contains(string(text), alias) {
			return fmt.Errorf("%s does not mention %s", args[2], alias)
		}
		pages[alias] = fmt.Sprintf(".so man5/%s.5\n", name)
	}
	for name, page := range pages {
		fill := func(w io.Writer) error { _, err := io.WriteString(w, page); return err }
		if err := atomicfile.Write(dir, name+".5", 0o644, fill); err != nil {
			return err
		}
	}
	return nil
}

// What of Markdown is of no use on paper: where links lead to, and characters that not
// every terminal has.
var (
	link  = regexp.MustCompile(`\[([^\]]+)\]\([^)]+\)`)
	plain = strings.NewReplacer("…", "...", "→", "->", "—", "--", "≥", ">=")
)

// source is the page as md2man wants it: a title, sections of the first level, and lists
// instead of tables, which are too wide for a terminal.
func source(name, what, page string) string {
	_, body, _ := strings.Cut(page, "\n")
	body = plain.Replace(link.ReplaceAllString(body, "$1"))
	body = strings.ReplaceAll(body, "\n## ", "\n# ")
	var b strings.Builder
	fmt.Fprintf(&b, "%% %s 5 %s\n\n# NAME\n\n%s - %s\n\n# DESCRIPTION\n", strings.ToUpper(name), name, name, what)
	row := 0
	for line := range strings.Lines(body) {
		if !strings.HasPrefix(line, "|") {
			row = 0
			b.WriteString(line)
			continue
		}
		if row++; row > 2 { // behind the titles
			b.WriteString(item(line))
		}
	}
	return b.String()
}

// item is a row of a table as one of a list.
func item(row string) string {
	row = strings.ReplaceAll(strings.Trim(strings.TrimSpace(row), "|"), `\|`, "\x00")
	var cells []string
	for cell := range strings.SplitSeq(row, "|") {
		if cell = strings.TrimSpace(strings.ReplaceAll(cell, "\x00", "|")); cell != "" {
			cells = append(cells, cell)
		}
	}
	if len(cells) == 1 {
		cells = append(cells, "no value")
	}
	return fmt.Sprintf("\n%s\n: %s\n", cells[0], strings.Join(cells[1:], "; "))
}

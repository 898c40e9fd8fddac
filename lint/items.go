package lint

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxItems is how many items of a list are printed unless all are asked for.
const maxItems = 5

// list is a finding in several sections, each a title and lines.
type list struct {
	all  bool
	text strings.Builder
}

func (r *root) list() *list { return &list{all: r.o.NoTruncate} }

// add adds a section, unless there is nothing in it.
func (l *list) add(title string, items []string) {
	if len(items) == 0 {
		return
	}
	slices.Sort(items)
	fmt.Fprintf(&l.text, "%s:\n", title)
	shown := items
	if !l.all && len(items) > maxItems {
		shown = items[:maxItems]
	}
	for _, item := range shown {
		fmt.Fprintf(&l.text, "  %s\n", item)
	}
	if rest := len(items) - len(shown); rest > 0 {
		fmt.Fprintf(&l.text, "  ...and %d more\n", rest)
	}
}

// finding is what was added, nil if nothing was.
func (l *list) finding() error {
	if l.text.Len() == 0 {
		return nil
	}
	return &finding{l.text.String()}
}

// quote is a path as a POSIX shell takes it, unchanged if it is harmless. What could
// control a terminal is escaped, which needs a shell that has $'…'.
func quote(path string) string {
	safe := func(r rune) bool {
		return strings.ContainsRune("/.-_,=:", r) || unicode.IsLetter(r) || unicode.IsNumber(r)
	}
	switch {
	case path != "" && utf8.ValidString(path) && strings.IndexFunc(path, func(r rune) bool { return !safe(r) }) < 0:
		return path
	case utf8.ValidString(path) && strings.IndexFunc(path, func(r rune) bool { return !unicode.IsPrint(r) }) < 0:
		return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
	}
	var b strings.Builder
	b.WriteString("$'")
	for i := 0; i < len(path); {
		r, n := utf8.DecodeRuneInString(path[i:])
		switch {
		case r == '\'' || r == '\\':
			b.WriteString(`\` + string(r))
		case r == utf8.RuneError && n == 1 || !unicode.IsPrint(r):
			for _, c := range []byte(path[i : i+n]) {
				fmt.Fprintf(&b, `\x%02x`, c)
			}
		default:
			b.WriteRune(r)
		}
		i += n
	}
	return b.String() + "'"
}

func quoted(paths []string) []string {
	for i, p := range paths {
		paths[i] = quote(p)
	}
	return paths
}

package accounts

import (
	"slices"
	"strings"
)

// table is the content of one file. All of it is kept: lines that are no entries
// stand where they stood.
type table struct {
	*format
	lines   []line
	entries map[string][]string // the lines with a key, mostly one
	open    bool                // the last line has no newline
}

type line struct{ key, text string }

func parse(f *format, data []byte) *table {
	t := &table{format: f, entries: map[string][]string{}}
	for text := range strings.Lines(string(data)) {
		bare, ended := strings.CutSuffix(text, "\n")
		t.open = !ended
		l := line{f.key(bare), bare}
		t.lines = append(t.lines, l)
		t.entries[l.key] = append(t.entries[l.key], bare)
	}
	return t
}

// keys are the keys of the table, each once, in the order of the lines.
func (t *table) keys() []string {
	seen := make(map[string]bool, len(t.entries))
	var out []string
	for _, l := range t.lines {
		if !seen[l.key] {
			seen[l.key] = true
			out = append(out, l.key)
		}
	}
	return out
}

// arrange writes the entries in the order of t, those that t lacks after them,
// in the order of other.
func (t *table) arrange(entries map[string][]string, other *table) []byte {
	var out []string
	done := map[string]bool{}
	open, compat := false, -1
	for _, l := range t.lines {
		open = false
		if compat < 0 && strings.IndexAny(l.text, "+-") == 0 {
			compat = len(out)
		}
		lines := entries[l.key]
		switch same := slices.Equal(lines, t.entries[l.key]); {
		case same:
			out, open = append(out, l.text), t.open
		case !done[l.key]:
			out, open = append(out, lines...), t.open && len(lines) > 0
		}
		done[l.key] = true
	}
	var added []string
	for _, key := range other.keys() {
		if !done[key] {
			added = append(added, entries[key]...)
		}
	}
	if compat < 0 {
		compat = len(out)
		open = open && len(added) == 0
	}
	// A line for nss_compat can hide what comes after it.
	return join(slices.Insert(out, compat, added...), open)
}

// join makes a file of lines, the last of which may be left open.
func join(lines []string, open bool) []byte {
	if len(lines) == 0 {
		return []byte{}
	}
	text := strings.Join(lines, "\n")
	if !open {
		text += "\n"
	}
	return []byte(text)
}

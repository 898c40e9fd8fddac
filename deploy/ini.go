package deploy

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// ini is a file of sections with keys, in its own order. What this program does not
// know is kept when the file is written again; comments are not.
type ini []iniLine

type iniLine struct{ section, key, value string }

// parseINI reads "[section]" and "key = value" lines.
func parseINI(data []byte) (ini, error) {
	var (
		f       ini
		section string
	)
	for i, line := range strings.Split(string(data), "\n") {
		line = strings.TrimSpace(line)
		key, value, isKey := strings.Cut(line, "=")
		switch {
		case line == "" || line[0] == '#' || line[0] == ';':
		case line[0] == '[' && strings.HasSuffix(line, "]"):
			section = strings.TrimSpace(line[1 : len(line)-1])
		case isKey && section != "":
			f.put(section, strings.TrimSpace(key), oneLine(value))
		default:
			return nil, fmt.Errorf("line %d is neither a section nor a key", i+1)
		}
	}
	return f, nil
}

func (f ini) index(section, key string) int {
	return slices.IndexFunc(f, func(l iniLine) bool { return l.section == section && l.key == key })
}

// value is "" for a key that is missing.
func (f ini) value(section, key string) string {
	if i := f.index(section, key); i >= 0 {
		return f[i].value
	}
	return ""
}

// set changes a key, or adds it to its section. An empty value removes it.
func (f *ini) set(section, key, value string) {
	if value = oneLine(value); value != "" {
		f.put(section, key, value)
	} else if i := f.index(section, key); i >= 0 {
		*f = slices.Delete(*f, i, i+1)
	}
}

// put is set where an empty value is as good as another.
func (f *ini) put(section, key, value string) {
	if i := f.index(section, key); i >= 0 {
		(*f)[i].value = value
		return
	}
	*f = append(*f, iniLine{section, key, value})
}

// oneLine keeps a value to its line: what images say of themselves comes here, too.
func oneLine(value string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, value))
}

// encode writes the file, each section once, where its first key stands.
func (f ini) encode() []byte {
	var (
		b    bytes.Buffer
		done []string
	)
	for _, first := range f {
		if slices.Contains(done, first.section) {
			continue
		}
		done = append(done, first.section)
		fmt.Fprintf(&b, "[%s]\n", first.section)
		for _, l := range f {
			if l.section == first.section {
				b.WriteString(strings.TrimSpace(l.key+" = "+l.value) + "\n")
			}
		}
	}
	return b.Bytes()
}

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
			f.set(section, strings.TrimSpace(key), strings.TrimSpace(value))
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

// set changes a key, or adds it to its section. An empty value removes it. What
// images say of themselves comes here, too, so that a value is kept to its line.
func (f *ini) set(section, key, value string) {
	value = strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, value))
	i := f.index(section, key)
	switch {
	case i >= 0 && value == "":
		*f = slices.Delete(*f, i, i+1)
	case i >= 0:
		(*f)[i].value = value
	case value != "":
		*f = append(*f, iniLine{section, key, value})
	}
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
				fmt.Fprintf(&b, "%s = %s\n", l.key, l.value)
			}
		}
	}
	return b.Bytes()
}

package accounts

import (
	"strconv"
	"strings"
)

// format is what the lines of one file look like: fields between colons, the
// first of which is the name of the entry.
type format struct {
	fields  int
	numbers []int // the fields that are numbers
	units   []unit
}

// unit is the fields from first to last, which change hands together.
type unit struct {
	first, last int
	set         bool // one field, whose value is a list of names without order
}

// Of an entry that is there on all sides, each unit is merged by itself.
const (
	uidField, gidField = 2, 3 // in passwd
	idField            = 2    // in passwd and group
)

// formatOf is the format of a file, by passwd(5), shadow(5), group(5),
// gshadow(5), subuid(5) and subgid(5).
func formatOf(name string) *format {
	switch name {
	case "passwd":
		return &format{7, []int{uidField, gidField}, []unit{{1, 1, false}, {2, 2, false}, {3, 3, false}, {4, 4, false}, {5, 5, false}, {6, 6, false}}}
	case "shadow": // a password and the day of its last change are one thing
		return &format{9, nil, []unit{{1, 2, false}, {3, 3, false}, {4, 4, false}, {5, 5, false}, {6, 6, false}, {7, 7, false}, {8, 8, false}}}
	case "group":
		return &format{4, []int{idField}, []unit{{1, 1, false}, {2, 2, false}, {3, 3, true}}}
	case "gshadow":
		return &format{4, nil, []unit{{1, 1, false}, {2, 2, true}, {3, 3, true}}}
	default: // subuid and subgid: a range is one thing
		return &format{3, []int{1, 2}, []unit{{1, 2, false}}}
	}
}

// key is what identifies a line: the name of the entry, or for a line that is
// none (a comment, one for nss_compat, a broken one) a newline and all of it.
func (f *format) key(line string) string {
	if fields := f.split(line); fields != nil {
		return fields[0]
	}
	return "\n" + line
}

// isEntry says whether key is that of an entry.
func isEntry(key string) bool { return !strings.HasPrefix(key, "\n") }

// split returns the fields of an entry, nil if the line is none.
func (f *format) split(line string) []string {
	if line == "" || strings.IndexByte("#+-:", line[0]) >= 0 || strings.Count(line, ":") != f.fields-1 {
		return nil
	}
	fields := strings.Split(line, ":")
	for _, i := range f.numbers {
		if _, ok := number(fields[i]); !ok {
			return nil
		}
	}
	return fields
}

// number reads an id or a count.
func number(s string) (uint32, bool) {
	n, err := strconv.ParseUint(s, 10, 32)
	return uint32(n), err == nil
}

// numbersAt returns field i of each line of an entry.
func (f *format) numbersAt(lines []string, i int) []uint32 {
	var out []uint32
	for _, line := range lines {
		if fields := f.split(line); fields != nil {
			n, _ := number(fields[i])
			out = append(out, n)
		}
	}
	return out
}

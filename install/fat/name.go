package fat

import (
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// checkName refuses names that FAT cannot hold.
func checkName(name string) error {
	switch {
	case !utf8.ValidString(name):
		return fmt.Errorf("%q: not valid UTF-8", name)
	case strings.ContainsAny(name, `"*/:<>?\|`) || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7F }):
		return fmt.Errorf("%q: a character that FAT does not have", name)
	case strings.HasSuffix(name, ".") || strings.HasSuffix(name, " "):
		return fmt.Errorf("%q: FAT has no names that end with a dot or a blank", name)
	case len(utf16.Encode([]rune(name))) > maxUnits:
		return fmt.Errorf("%q: longer than %d characters", name, maxUnits)
	}
	return nil
}

// shortNames gives each of the names, which differ in more than case, a short one.
// What is a short name already, in capitals, stays as it is and needs no long one;
// the others get a number behind their beginning.
func shortNames(names []string) (short [][11]byte, long []bool) {
	short, long = make([][11]byte, len(names)), make([]bool, len(names))
	taken := map[[11]byte]bool{}
	for i, name := range names {
		if s, ok := plainShort(name); ok {
			short[i] = s
			taken[s] = true
		} else {
			long[i] = true
		}
	}
	next := map[string]int{}
	for i, name := range names {
		if !long[i] {
			continue
		}
		base, ext := shortParts(name)
		for {
			key := base + "." + ext
			next[key]++
			tail := fmt.Sprintf("~%d", next[key])
			s := join(base[:min(len(base), 8-len(tail))]+tail, ext)
			if !taken[s] {
				short[i], taken[s] = s, true
				break
			}
		}
	}
	return short, long
}

// plainShort is name as a short name, and whether that loses nothing.
func plainShort(name string) ([11]byte, bool) {
	base, ext, dot := strings.Cut(name, ".")
	if base == "" || len(base) > 8 || len(ext) > 3 || dot && ext == "" {
		return [11]byte{}, false
	}
	for i := range len(name) {
		if c := name[i]; !shortChar(c) && (c != '.' || i != len(base)) {
			return [11]byte{}, false
		}
	}
	return join(base, ext), true
}

// shortParts are the beginning and the extension of a short name for name.
func shortParts(name string) (base, ext string) {
	name = strings.TrimLeft(strings.ToUpper(name), ". ")
	base = name
	if i := strings.LastIndexByte(name, '.'); i > 0 {
		base, ext = name[:i], name[i+1:]
	}
	base, ext = shortChars(base), shortChars(ext)
	if base == "" {
		base = "_"
	}
	return base[:min(len(base), 6)], ext[:min(len(ext), 3)]
}

// shortChars drops dots and blanks and replaces what no short name has.
func shortChars(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '.' || r == ' ':
			return -1
		case r < utf8.RuneSelf && shortChar(byte(r)):
			return r
		}
		return '_'
	}, s)
}

func shortChar(c byte) bool {
	return c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("!#$%&'()-@^_`{}~", c) >= 0
}

func join(base, ext string) (s [11]byte) {
	copy(s[:8], padded(base, 8))
	copy(s[8:], padded(ext, 3))
	return s
}

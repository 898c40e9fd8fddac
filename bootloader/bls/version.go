package bls

import (
	"cmp"
	"strings"
)

// CompareVersions compares as the Version Format Specification has it
// (https://uapi-group.org/specifications/specs/version_format_specification/):
// negative if a is older than b.
func CompareVersions(a, b string) int {
	for {
		a, b = strings.TrimLeftFunc(a, noVersion), strings.TrimLeftFunc(b, noVersion)
		// A tilde is older even than the end: "1~rc1" < "1".
		c, a1, b1 := compareLead(a, b, '~')
		if c != 0 {
			return c
		}
		if a1 == "" || b1 == "" {
			return compareBool(a1 != "", b1 != "")
		}
		// systemd goes on behind a separator without a look whether another stands
		// there; so do we, for this is about the order that it shows.
		for _, separator := range []byte("-^.") {
			if c, a1, b1 = compareLead(a1, b1, separator); c != 0 {
				return c
			}
		}
		if c, a, b = comparePart(a1, b1); c != 0 {
			return c
		}
	}
}

// noVersion reports characters that do not count.
func noVersion(r rune) bool {
	return !isDigit(r) && !isLetter(r) && !strings.ContainsRune("~-^.", r)
}

func isDigit(r rune) bool  { return r >= '0' && r <= '9' }
func isLetter(r rune) bool { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' }

// compareLead says which of a and b is older because it begins with c. If both do, it
// takes c away.
func compareLead(a, b string, c byte) (order int, restA, restB string) {
	ina, inb := a != "" && a[0] == c, b != "" && b[0] == c
	if ina && inb {
		a, b = a[1:], b[1:]
	}
	return compareBool(inb, ina), a, b
}

// comparePart compares the numbers, or else the words, that a and b begin with, and
// returns what follows them. A number is newer than none.
func comparePart(a, b string) (order int, restA, restB string) {
	pa, restA := cut(a, isDigit)
	pb, restB := cut(b, isDigit)
	if pa != "" || pb != "" {
		na, nb := strings.TrimLeft(pa, "0"), strings.TrimLeft(pb, "0")
		return cmp.Or(compareBool(pa != "", pb != ""), cmp.Compare(len(na), len(nb)), strings.Compare(na, nb)), restA, restB
	}
	pa, restA = cut(a, isLetter)
	pb, restB = cut(b, isLetter)
	return strings.Compare(pa, pb), restA, restB
}

// cut splits s behind its first characters that are of a kind.
func cut(s string, kind func(rune) bool) (part, rest string) {
	rest = strings.TrimLeftFunc(s, kind)
	return s[:len(s)-len(rest)], rest
}

package pkgdb

import (
	"cmp"
	"slices"
	"strings"
)

// apkVersion is a version in the words of Alpine's package policy:
// 1.2.3a_rc1~hash-r4.
type apkVersion struct {
	numbers  []string
	letter   string
	suffixes []apkSuffix
	hash     string
	revision string
	rest     string // what is no version
}

type apkSuffix struct {
	rank   int
	number string
}

// apkSuffixes in their order; no suffix comes before "cvs".
func apkSuffixes() []string {
	return []string{"alpha", "beta", "pre", "rc", "", "cvs", "svn", "git", "hg", "p"}
}

func parseAPK(s string) (v apkVersion) {
	for {
		n := span(s, isDigit)
		v.numbers, s = append(v.numbers, s[:n]), s[n:]
		if len(s) < 2 || s[0] != '.' || !isDigit(s[1]) {
			break
		}
		s = s[1:]
	}
	if s != "" && 'a' <= s[0] && s[0] <= 'z' {
		v.letter, s = s[:1], s[1:]
	}
	for strings.HasPrefix(s, "_") {
		n := 1 + span(s[1:], isLetter)
		rank := slices.Index(apkSuffixes(), s[1:n])
		if rank < 0 || n == 1 {
			break
		}
		m := n + span(s[n:], isDigit)
		v.suffixes = append(v.suffixes, apkSuffix{rank, s[n:m]})
		s = s[m:]
	}
	if strings.HasPrefix(s, "~") {
		n := 1 + span(s[1:], func(c byte) bool { return isDigit(c) || 'a' <= c && c <= 'f' })
		v.hash, s = s[1:n], s[n:]
	}
	if rest, ok := strings.CutPrefix(s, "-r"); ok {
		n := span(rest, isDigit)
		v.revision, s = rest[:n], rest[n:]
	}
	v.rest = s
	return v
}

// compareAPK is the order of apk. What is no version comes in the order of its bytes
// behind what the two have in common.
func compareAPK(a, b string) int {
	v, w := parseAPK(a), parseAPK(b)
	return cmp.Or(
		compareAPKNumbers(v.numbers, w.numbers),
		strings.Compare(v.letter, w.letter),
		compareAPKSuffixes(v.suffixes, w.suffixes),
		strings.Compare(v.hash, w.hash),
		compareNumbers(v.revision, w.revision),
		strings.Compare(v.rest, w.rest))
}

// compareAPKNumbers compares all numbers but the first as fractions if one of them
// begins with a zero.
func compareAPKNumbers(a, b []string) int {
	for i := range min(len(a), len(b)) {
		c := compareNumbers(a[i], b[i])
		if i > 0 && (strings.HasPrefix(a[i], "0") || strings.HasPrefix(b[i], "0")) {
			c = strings.Compare(a[i], b[i])
		}
		if c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a), len(b))
}

func compareAPKSuffixes(a, b []apkSuffix) int {
	none := slices.Index(apkSuffixes(), "")
	for i := range max(len(a), len(b)) {
		x, y := apkSuffix{rank: none}, apkSuffix{rank: none}
		if i < len(a) {
			x = a[i]
		}
		if i < len(b) {
			y = b[i]
		}
		if c := cmp.Or(cmp.Compare(x.rank, y.rank), compareNumbers(x.number, y.number)); c != 0 {
			return c
		}
	}
	return 0
}

package pkgdb

import (
	"cmp"
	"strings"
)

// CompareVersions says whether the version a is before b (-1), after it (1), or as
// good as it (0), in the manager's order.
func CompareVersions(m Manager, a, b string) int {
	switch m {
	case Dpkg:
		return compareDpkg(a, b)
	case RPM:
		return compareRPM(a, b)
	case APK:
		return compareAPK(a, b)
	}
	return cmp.Compare(a, b)
}

// splitVersion splits "epoch:version-revision".
func splitVersion(v string) (epoch, version, revision string) {
	epoch, version, ok := strings.Cut(v, ":")
	if !ok {
		epoch, version = "", v
	}
	if dash := strings.LastIndexByte(version, '-'); dash >= 0 {
		version, revision = version[:dash], version[dash+1:]
	}
	return epoch, version, revision
}

// compareNumbers compares two numbers of any length; an empty one is zero.
func compareNumbers(a, b string) int {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
}

// span is the length of what s begins with of a kind.
func span(s string, kind func(byte) bool) int {
	for i := range len(s) {
		if !kind(s[i]) {
			return i
		}
	}
	return len(s)
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }

// compareDpkg is the order of deb-version(7).
func compareDpkg(a, b string) int {
	ae, av, ar := splitVersion(a)
	be, bv, br := splitVersion(b)
	return cmp.Or(compareNumbers(ae, be), compareDpkgPart(av, bv), compareDpkgPart(ar, br))
}

// compareDpkgPart takes in turns what is no digit and a number.
func compareDpkgPart(a, b string) int {
	for a != "" || b != "" {
		for a != "" && !isDigit(a[0]) || b != "" && !isDigit(b[0]) {
			if c := cmp.Compare(dpkgOrder(a), dpkgOrder(b)); c != 0 {
				return c
			}
			a, b = a[1:], b[1:]
		}
		i, j := span(a, isDigit), span(b, isDigit)
		if c := compareNumbers(a[:i], b[:j]); c != 0 {
			return c
		}
		a, b = a[i:], b[j:]
	}
	return 0
}

// dpkgOrder is the place of the first character: a tilde comes before the end, which
// comes before letters, which come before all else.
func dpkgOrder(s string) int {
	switch {
	case s == "" || isDigit(s[0]):
		return 0
	case s[0] == '~':
		return -1
	case isLetter(s[0]):
		return int(s[0])
	}
	return int(s[0]) + 256
}

// compareRPM is the order of rpm-version(7).
func compareRPM(a, b string) int {
	ae, av, ar := splitVersion(a)
	be, bv, br := splitVersion(b)
	return cmp.Or(compareNumbers(ae, be), compareRPMPart(av, bv), compareRPMPart(ar, br))
}

func rpmSeparator(c byte) bool { return !isDigit(c) && !isLetter(c) && c != '~' && c != '^' }

// compareRPMPart takes segments of digits or of letters, whatever separates them. A
// tilde comes before the end, a caret behind it and before all else.
func compareRPMPart(a, b string) int {
	for {
		a, b = a[span(a, rpmSeparator):], b[span(b, rpmSeparator):]
		at, bt := strings.HasPrefix(a, "~"), strings.HasPrefix(b, "~")
		ac, bc := strings.HasPrefix(a, "^"), strings.HasPrefix(b, "^")
		switch {
		case at && bt, ac && bc:
			a, b = a[1:], b[1:]
			continue
		case at || bt:
			return order(bt)
		case ac:
			return order(b == "")
		case bc:
			return order(a != "")
		case a == "" || b == "":
			return cmp.Compare(len(a), len(b))
		}
		kind := isLetter
		if isDigit(a[0]) {
			kind = isDigit
		}
		i, j := span(a, kind), span(b, kind)
		if j == 0 { // of another kind: numbers are newer than letters
			return order(isDigit(a[0]))
		}
		c := strings.Compare(a[:i], b[:j])
		if isDigit(a[0]) {
			c = compareNumbers(a[:i], b[:j])
		}
		if c != 0 {
			return c
		}
		a, b = a[i:], b[j:]
	}
}

// order is 1 if the first is the later one, else -1.
func order(later bool) int {
	if later {
		return 1
	}
	return -1
}

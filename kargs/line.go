package kargs

import (
	"slices"
	"strings"
)

// Line is a command line. Its methods change nothing in it, they return new lines.
type Line []Arg

// Parse splits s as the kernel does: at white space that no double quotes protect.
// A quote that is never closed protects all that follows; it is closed at the end,
// so that it does not swallow what is put behind the line.
//
// White space is that of ASCII. The kernel takes the byte A0, Latin-1's no-break
// space, for one as well; we do not, for it is a part of letters in UTF-8.
func Parse(s string) Line {
	var l Line
	start, inQuote := -1, false
	for i := range len(s) {
		if isSpace(s[i]) && !inQuote {
			if start >= 0 {
				l = append(l, Arg(s[start:i]))
				start = -1
			}
			continue
		}
		if start < 0 {
			start = i
		}
		if s[i] == '"' {
			inQuote = !inQuote
		}
	}
	if inQuote {
		s += `"`
	}
	if start >= 0 {
		l = append(l, Arg(s[start:]))
	}
	return l
}

func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

// String is the line as the kernel gets it: its arguments with a blank between two.
// Parse makes the same line of it.
func (l Line) String() string {
	words := make([]string, len(l))
	for i, a := range l {
		words[i] = string(a)
	}
	return strings.Join(words, " ")
}

// Last is the value of the last argument called key, the one that counts for most
// keys, and whether there is one. An argument without '=' has the value "".
func (l Line) Last(key string) (string, bool) {
	for _, a := range slices.Backward(l) {
		if sameKey(a.Key(), key) {
			value, _ := a.Value()
			return value, true
		}
	}
	return "", false
}

// Values are the values of all arguments called key that have one, in their order.
func (l Line) Values(key string) []string {
	var values []string
	for _, a := range l {
		if value, ok := a.Value(); ok && sameKey(a.Key(), key) {
			values = append(values, value)
		}
	}
	return values
}

// With is the line with add behind it.
func (l Line) With(add ...Arg) Line { return slices.Concat(l, add) }

// Without is the line without any argument that equals one of exact.
func (l Line) Without(exact ...Arg) Line {
	return slices.DeleteFunc(slices.Clone(l), func(a Arg) bool {
		return slices.ContainsFunc(exact, a.Equal)
	})
}

// WithoutKey is the line without any argument called key, with a value or none.
func (l Line) WithoutKey(key string) Line {
	return slices.DeleteFunc(slices.Clone(l), func(a Arg) bool {
		return sameKey(a.Key(), key)
	})
}

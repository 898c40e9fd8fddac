package tree

import (
	"bytes"
	"errors"
	"fmt"
)

const hexDigits = "0123456789abcdef"

// appendEscaped appends s with everything escaped that would not be a visible
// ASCII character, and the equals sign if equals is set, as composefs-dump(5)
// says and composefs-info does.
func appendEscaped[T string | []byte](b []byte, s T, equals bool) []byte {
	for i := range len(s) {
		c := s[i]
		switch {
		case c == '\\':
			b = append(b, '\\', '\\')
		case c == '=' && equals, c < '!' || c > '~':
			b = appendEscape(b, c)
		default:
			b = append(b, c)
		}
	}
	return b
}

func appendEscape(b []byte, c byte) []byte {
	switch c {
	case '\n':
		return append(b, '\\', 'n')
	case '\r':
		return append(b, '\\', 'r')
	case '\t':
		return append(b, '\\', 't')
	}
	return append(b, '\\', 'x', hexDigits[c>>4], hexDigits[c&15])
}

// appendOptional appends s as an optional field, in which "-" means none.
func appendOptional[T string | []byte](b []byte, s T) []byte {
	switch {
	case len(s) == 0:
		return append(b, '-')
	case len(s) == 1 && s[0] == '-':
		return appendEscape(b, '-')
	}
	return appendEscaped(b, s, false)
}

// unescape undoes appendEscaped. The result is field itself if nothing was
// escaped, else it is in scratch, which must have the field's length.
func unescape(scratch, field []byte) ([]byte, error) {
	i := bytes.IndexByte(field, '\\')
	if i < 0 {
		return field, nil
	}
	out := append(scratch[:0], field[:i]...)
	for i < len(field) {
		c := field[i]
		i++
		if c != '\\' {
			out = append(out, c)
			continue
		}
		c, n, err := unescapeOne(field[i:])
		if err != nil {
			return nil, err
		}
		out = append(out, c)
		i += n
	}
	return out, nil
}

// unescapeOne reads what follows a backslash, and says how long that is.
func unescapeOne(s []byte) (c byte, n int, err error) {
	if len(s) == 0 {
		return 0, 0, errors.New("backslash at the end of a field")
	}
	switch s[0] {
	case '\\':
		return '\\', 1, nil
	case 'n':
		return '\n', 1, nil
	case 'r':
		return '\r', 1, nil
	case 't':
		return '\t', 1, nil
	case 'x':
		if len(s) >= 3 && nibble(s[1]) < 16 && nibble(s[2]) < 16 {
			return nibble(s[1])<<4 | nibble(s[2]), 3, nil
		}
		return 0, 0, errors.New(`\x without two hexadecimal digits`)
	}
	return 0, 0, fmt.Errorf("unknown escape %q", `\`+string(s[0]))
}

// nibble is the value of a hexadecimal digit, 255 of any other byte.
func nibble(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10
	}
	return 255
}

// Package bls reads, writes and sorts the entries of the Boot Loader Specification,
// Type #1 (https://uapi-group.org/specifications/specs/boot_loader_specification/):
// text files of lines with a key and a value.
package bls

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// MaxSize is how many bytes an entry may have. Kernels take command lines of a few
// thousand.
const MaxSize = 64 << 10

// Field is one line of an entry. It has a value, unless its key is one of the extensions
// that begin with "x-".
type Field struct{ Key, Value string }

// Entry is the lines of an entry in their order, without comments and empty lines.
type Entry []Field

// Parse reads an entry. It knows no keys: what a key means, and whether there may be
// another of it, is the caller's affair.
func Parse(data []byte) (Entry, error) {
	switch {
	case len(data) > MaxSize:
		return nil, fmt.Errorf("more than %d bytes", MaxSize)
	case !utf8.Valid(data):
		return nil, errors.New("not UTF-8")
	}
	var e Entry
	n := 0
	for line := range bytes.Lines(data) {
		n++
		text := strings.TrimFunc(string(line), isSpace)
		if text == "" || text[0] == '#' {
			continue
		}
		key, value, _ := strings.Cut(text, " ")
		if i := strings.IndexByte(key, '\t'); i >= 0 {
			key, value = text[:i], text[i:]
		}
		f := Field{key, unquote(strings.TrimFunc(value, isSpace))}
		if err := f.check(); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		e = append(e, f)
	}
	return e, nil
}

func isSpace(r rune) bool { return r == ' ' || r == '\t' || r == '\n' || r == '\r' }

// unquote takes away a pair of quotes around the whole value, as systemd-boot does.
func unquote(value string) string {
	if quoted(value) {
		return strings.TrimFunc(value[1:len(value)-1], isSpace)
	}
	return value
}

func quoted(value string) bool {
	return len(value) > 1 && value[0] == '"' && value[len(value)-1] == '"'
}

// check returns an error unless Parse finds f in the line that Format writes for it.
func (f Field) check() error {
	switch {
	case f.Key == "" || f.Key[0] == '#' || strings.ContainsFunc(f.Key, isSpace) || hasControl(f.Key):
		return fmt.Errorf("%q is no key", f.Key)
	case f.Value == "" && !strings.HasPrefix(f.Key, "x-"):
		return fmt.Errorf("%s has no value", f.Key)
	case hasControl(f.Value) || !utf8.ValidString(f.Value):
		return fmt.Errorf("the value of %s has characters that are no text", f.Key)
	case f.Value != strings.TrimFunc(f.Value, isSpace) || quoted(f.Value):
		return fmt.Errorf("the value of %s begins and ends with blanks or quotes, which boot loaders take away", f.Key)
	}
	return nil
}

// hasControl reports control characters other than the tab.
func hasControl(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}

// Format writes e so that Parse, and every boot loader, reads the same.
func (e Entry) Format() ([]byte, error) {
	var b bytes.Buffer
	for _, f := range e {
		if err := f.check(); err != nil {
			return nil, err
		}
		b.WriteString(strings.TrimSuffix(f.Key+" "+f.Value, " ") + "\n")
	}
	if b.Len() > MaxSize {
		return nil, fmt.Errorf("more than %d bytes", MaxSize)
	}
	return b.Bytes(), nil
}

// Value is the last value of key, the one that counts, and "" if there is none.
func (e Entry) Value(key string) string {
	values := e.Values(key)
	if len(values) == 0 {
		return ""
	}
	return values[len(values)-1]
}

// Values are all values of key, in their order.
func (e Entry) Values(key string) []string {
	var values []string
	for _, f := range e {
		if f.Key == key {
			values = append(values, f.Value)
		}
	}
	return values
}

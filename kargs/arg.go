// Package kargs is the kernel's command line: its arguments, and the one that
// names the deployment to boot.
package kargs

import (
	"strings"
)

// Arg is one argument as it was written, with its quotes: "quiet",
// "root=UUID=…", `dyndbg="file x +p"`.
type Arg string

// Key is the argument's name, without quotes and as it was written. Two keys that
// differ in '-' and '_' only are the same to the kernel and to this package.
func (a Arg) Key() string {
	key, _, _ := a.split()
	return key
}

// Value is what follows the first '=', without quotes, and whether there is one.
func (a Arg) Value() (string, bool) {
	_, value, ok := a.split()
	return value, ok
}

// Equal reports whether the kernel sees the same in both: the same key and the
// same value, wherever their quotes stand.
func (a Arg) Equal(b Arg) bool {
	key, value, ok := a.split()
	bkey, bvalue, bok := b.split()
	return sameKey(key, bkey) && value == bvalue && ok == bok
}

// split does what next_arg of the kernel's lib/cmdline.c does with one argument:
// quotes may stand around the whole or around the value, and a '=' at the very
// beginning is part of the key.
func (a Arg) split() (key, value string, ok bool) {
	s, whole := strings.CutPrefix(string(a), `"`)
	equals := 0
	if i := strings.IndexByte(s[min(1, len(s)):], '='); i >= 0 {
		equals = i + 1
	}
	if equals == 0 {
		if whole {
			s = strings.TrimSuffix(s, `"`)
		}
		return s, "", false
	}
	key, value = s[:equals], s[equals+1:]
	value, quoted := strings.CutPrefix(value, `"`)
	if quoted || whole {
		value = strings.TrimSuffix(value, `"`)
	}
	return key, value, true
}

func sameKey(a, b string) bool {
	return strings.ReplaceAll(a, "-", "_") == strings.ReplaceAll(b, "-", "_")
}

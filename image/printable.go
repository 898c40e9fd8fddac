package image

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// printable escapes what is no letter, mark, number, symbol or plain space, in
// the manner of Go's string literals: control characters, which terminals obey,
// marks that change the direction of writing, and bytes that are not UTF-8.
func printable(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case strconv.IsPrint(r):
			b.WriteRune(r)
		default:
			b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		}
		i += n
	}
	return b.String()
}

package selinux

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// errPattern is wrapped by the errors of patterns that composefs-rs refuses as
// well, errDialect by those of patterns that its two regular expression engines
// know and this package does not.
var (
	errPattern = errors.New("malformed regular expression")
	errDialect = errors.New("unsupported regular expression")
)

const (
	maxRepeat = 1000 // what regexp/syntax allows
	maxDepth  = 200  // of groups; composefs-rs gives up a little above it
)

// A pattern is the regular expression of a specification, rewritten into what
// regexp/syntax and regexp2 read in the same way, with one rune for a byte. Its
// source has only the constructs whose meaning is certain; all others were
// refused, because a label that is wrong would be worse than none.
type pattern struct {
	stem   string // bytes that every match begins with
	source string // the rewritten expression
	rest   int    // where the part after the stem begins in source

	// dotNewline says whether a dot matches a newline. It does in the engine
	// that composefs-rs uses first, and does not in PCRE, to which it turns
	// with what the first one cannot parse.
	dotNewline bool
	backtrack  bool // needs an engine with lookaround and back references
	counted    bool // has a counted repetition
}

// translate rewrites the regular expression src.
func translate(src string) (pattern, error) {
	if len(src) > maxPattern {
		return pattern{}, fmt.Errorf("%w: a pattern of %d bytes", ErrTooComplex, len(src))
	}
	t := translator{src: src, inStem: true, pattern: pattern{dotNewline: true}}
	for t.pos < len(src) {
		if err := t.next(); err != nil {
			return pattern{}, fmt.Errorf("%w at byte %d of %q", err, t.pos+1, src)
		}
	}
	if t.depth != 0 {
		return pattern{}, fmt.Errorf("%w: a parenthesis is open in %q", errPattern, src)
	}
	t.source = string(t.out)
	t.stem = string(t.literals)
	return t.pattern, nil
}

type translator struct {
	pattern
	src   string
	pos   int
	out   []byte
	depth int

	repeatable bool // a quantifier may follow

	// As long as inStem, all of out is literal; out without the last of them
	// is beforeLast bytes long.
	inStem     bool
	literals   []byte
	beforeLast int
}

// next translates one element.
func (t *translator) next() error {
	c := t.src[t.pos]
	switch c {
	case '\\':
		return t.escape()
	case '[':
		return t.bracket()
	case '(':
		return t.open()
	case ')':
		return t.close()
	case '|':
		t.alternative()
		return nil
	case '*', '+', '?':
		t.pos++
		return t.quantify(string(c))
	case '{':
		return t.brace()
	case '^', '$', '.':
		t.pos++
		t.atom(string(c))
		return nil
	}
	t.char()
	return nil
}

// atom emits what matches at most one byte and is no literal.
func (t *translator) atom(text string) {
	t.endStem(len(t.out))
	t.out = append(t.out, text...)
	t.repeatable = true
}

func (t *translator) literal(b byte) {
	before := len(t.out)
	t.out = appendByte(t.out, b)
	if t.inStem {
		t.literals = append(t.literals, b)
		t.beforeLast, t.rest = before, len(t.out)
	}
	t.repeatable = true
}

// char emits a character of the pattern as the bytes of its UTF-8 form, which a
// quantifier repeats together.
func (t *translator) char() {
	if t.src[t.pos] < utf8.RuneSelf {
		t.literal(t.src[t.pos])
		t.pos++
		return
	}
	_, size := utf8.DecodeRuneInString(t.src[t.pos:])
	t.atom("(?:")
	for _, b := range []byte(t.src[t.pos : t.pos+size]) {
		t.out = appendByte(t.out, b)
	}
	t.out = append(t.out, ')')
	t.pos += size
}

// endStem ends the stem where out is length bytes long.
func (t *translator) endStem(length int) {
	if t.inStem {
		t.inStem, t.rest = false, length
	}
}

func (t *translator) escape() error {
	b, set, err := t.escaped()
	switch {
	case errors.Is(err, errDialect):
		return t.assertion(err)
	case err != nil:
		return err
	case set != nil:
		t.atom(set.String())
	default:
		t.literal(b)
	}
	return nil
}

// assertion translates an escape that stands for no byte.
func (t *translator) assertion(unknown error) error {
	c := t.src[t.pos+1]
	switch {
	case c == 'A', c == 'z':
	case c >= '1' && c <= '9':
		if t.pos+2 < len(t.src) && isDigit(t.src[t.pos+2]) {
			return unknown
		}
		t.backtrack, t.dotNewline = true, false
	default:
		return unknown
	}
	t.atom(t.src[t.pos : t.pos+2])
	t.pos += 2
	return nil
}

func (t *translator) open() error {
	if t.depth++; t.depth > maxDepth {
		return fmt.Errorf("%w: groups nest deeper than %d", ErrTooComplex, maxDepth)
	}
	text := "("
	if strings.HasPrefix(t.src[t.pos:], "(?") {
		var err error
		if text, err = t.groupPrefix(); err != nil {
			return err
		}
	}
	t.atom(text)
	t.pos += len(text)
	t.repeatable = false
	return nil
}

func (t *translator) groupPrefix() (string, error) {
	if strings.HasPrefix(t.src[t.pos:], "(?:") {
		return "(?:", nil
	}
	for _, prefix := range []string{"(?=", "(?!", "(?<=", "(?<!", "(?>"} {
		if strings.HasPrefix(t.src[t.pos:], prefix) {
			t.backtrack, t.dotNewline = true, false
			return prefix, nil
		}
	}
	return "", fmt.Errorf("%w: a group with flags or a name", errDialect)
}

func (t *translator) close() error {
	if t.depth--; t.depth < 0 {
		return fmt.Errorf("%w: a parenthesis that closes nothing", errDialect)
	}
	t.atom(")")
	t.pos++
	return nil
}

// alternative begins another alternative; outside of all groups no match needs
// to begin with the stem then.
func (t *translator) alternative() {
	if t.depth == 0 {
		t.inStem, t.literals, t.rest = false, nil, 0
	}
	t.out = append(t.out, '|')
	t.pos++
	t.repeatable = false
}

// quantify emits a quantifier, and takes what it repeats out of the stem. Two
// quantifiers in a row mean different things in different engines.
func (t *translator) quantify(text string) error {
	if !t.repeatable {
		if n := len(t.out); n > 0 && strings.IndexByte("*+?}", t.out[n-1]) >= 0 {
			return fmt.Errorf("%w: two quantifiers in a row", errDialect)
		}
		return fmt.Errorf("%w: nothing to repeat", errPattern)
	}
	if t.inStem {
		t.literals = t.literals[:len(t.literals)-1]
		t.endStem(t.beforeLast)
	}
	t.out = append(t.out, text...)
	if strings.HasPrefix(t.src[t.pos:], "?") {
		t.out = append(t.out, '?')
		t.pos++
	}
	t.repeatable = false
	return nil
}

// brace translates a counted repetition. A brace that begins none is a literal
// for PCRE and an error for the engine before it.
func (t *translator) brace() error {
	end := strings.IndexByte(t.src[t.pos:], '}')
	if end < 0 || !isCount(t.src[t.pos+1:t.pos+end]) {
		if strings.HasPrefix(t.src[t.pos:], "{,") {
			return fmt.Errorf("%w: a repetition without a lower bound", errDialect)
		}
		t.dotNewline = false
		t.literal('{')
		t.pos++
		return nil
	}
	text := t.src[t.pos : t.pos+end+1]
	if !countFits(text[1 : len(text)-1]) {
		return fmt.Errorf("%w: repetition %s", errDialect, text)
	}
	t.counted = true
	t.pos += len(text)
	return t.quantify(text)
}

// isCount reports whether s is a repetition: "3", "3," or "3,5".
func isCount(s string) bool {
	low, high, _ := strings.Cut(s, ",")
	return low != "" && strings.Trim(low, "0123456789") == "" && strings.Trim(high, "0123456789") == ""
}

func countFits(s string) bool {
	low, high, _ := strings.Cut(s, ",")
	if high == "" {
		high = low
	}
	m, err1 := strconv.Atoi(low)
	n, err2 := strconv.Atoi(high)
	return err1 == nil && err2 == nil && m <= n && n <= maxRepeat
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// appendByte appends what matches the byte b, wherever it stands.
func appendByte(out []byte, b byte) []byte {
	if isWord(b) || b == '/' {
		return append(out, b)
	}
	return fmt.Appendf(out, `\x%02x`, b)
}

package selinux

import (
	"fmt"
	"strconv"
	"strings"
)

// A byteSet is a set of bytes.
type byteSet [4]uint64

func (s *byteSet) add(b byte)           { s[b>>6] |= 1 << (b & 63) }
func (s *byteSet) contains(b byte) bool { return s[b>>6]&(1<<(b&63)) != 0 }

func (s *byteSet) addRange(low, high byte) {
	for b := int(low); b <= int(high); b++ {
		s.add(byte(b))
	}
}

func (s *byteSet) addSet(t byteSet) {
	for i := range s {
		s[i] |= t[i]
	}
}

func (s *byteSet) complement() byteSet { return byteSet{^s[0], ^s[1], ^s[2], ^s[3]} }

// String returns the set as a class of a regular expression.
func (s *byteSet) String() string {
	if *s == (byteSet{}) {
		return `[^\x00-\xff]`
	}
	var out strings.Builder
	out.WriteByte('[')
	for low := 0; low < 256; low++ {
		if !s.contains(byte(low)) {
			continue
		}
		high := low
		for high < 255 && s.contains(byte(high+1)) {
			high++
		}
		fmt.Fprintf(&out, `\x%02x-\x%02x`, low, high)
		low = high
	}
	out.WriteByte(']')
	return out.String()
}

func rangesOf(pairs string) byteSet {
	var s byteSet
	for i := 0; i < len(pairs); i += 2 {
		s.addRange(pairs[i], pairs[i+1])
	}
	return s
}

// asciiClass returns the class that POSIX calls name, in the C locale.
func asciiClass(name string) (byteSet, bool) {
	switch name {
	case "alnum":
		return rangesOf("09AZaz"), true
	case "alpha":
		return rangesOf("AZaz"), true
	case "ascii":
		return rangesOf("\x00\x7f"), true
	case "blank":
		return rangesOf("\t\t  "), true
	case "cntrl":
		return rangesOf("\x00\x1f\x7f\x7f"), true
	case "digit":
		return rangesOf("09"), true
	case "graph":
		return rangesOf("!~"), true
	case "lower":
		return rangesOf("az"), true
	case "print":
		return rangesOf(" ~"), true
	case "punct":
		return rangesOf("!/:@[`{~"), true
	case "space":
		return rangesOf("\t\r  "), true
	case "upper":
		return rangesOf("AZ"), true
	case "word":
		return rangesOf("09AZaz__"), true
	case "xdigit":
		return rangesOf("09AFaf"), true
	}
	return byteSet{}, false
}

func isWord(b byte) bool {
	return isDigit(b) || b >= 'A' && b <= 'Z' || b >= 'a' && b <= 'z' || b == '_'
}

// escaped reads an escape that stands for a byte or a set of bytes. Any other
// is errDialect, with the position unchanged.
func (t *translator) escaped() (byte, *byteSet, error) {
	if t.pos+1 == len(t.src) {
		return 0, nil, fmt.Errorf("%w: it ends in a backslash", errPattern)
	}
	c := t.src[t.pos+1]
	if i := strings.IndexByte("afnrtv", c); i >= 0 {
		t.pos += 2
		return "\a\f\n\r\t\v"[i], nil, nil
	}
	if set, ok := perlClass(c); ok {
		t.pos += 2
		return 0, &set, nil
	}
	if c == 'x' && t.pos+4 <= len(t.src) {
		if v, err := strconv.ParseUint(t.src[t.pos+2:t.pos+4], 16, 8); err == nil {
			t.pos += 4
			return byte(v), nil, nil
		}
	}
	if c > ' ' && c < 0x7f && (!isWord(c) || c == '_') && c != '<' && c != '>' {
		t.pos += 2
		return c, nil, nil
	}
	return 0, nil, fmt.Errorf("%w: escape %q", errDialect, t.src[t.pos:t.pos+2])
}

func perlClass(c byte) (byteSet, bool) {
	name := map[byte]string{'d': "digit", 's': "space", 'w': "word"}[c|0x20]
	set, ok := asciiClass(name)
	if c < 'a' {
		set = set.complement()
	}
	return set, ok
}

// bracket translates a bracket expression.
func (t *translator) bracket() error {
	t.pos++
	negated := t.take('^')
	var set byteSet
	for first := true; first || !t.at(']'); first = false {
		if t.pos == len(t.src) {
			return fmt.Errorf("%w: a bracket is open", errPattern)
		}
		if err := t.bracketItem(&set); err != nil {
			return err
		}
	}
	t.pos++
	if negated {
		set = set.complement()
	}
	t.atom(set.String())
	return nil
}

func (t *translator) at(c byte) bool { return t.pos < len(t.src) && t.src[t.pos] == c }

func (t *translator) take(c byte) bool {
	if !t.at(c) {
		return false
	}
	t.pos++
	return true
}

// bracketItem reads a byte, a range or a named class. What one engine reads as
// an operation on sets and the other as literals is refused.
func (t *translator) bracketItem(set *byteSet) error {
	if t.at('[') {
		return t.posixClass(set)
	}
	low, class, err := t.bracketByte()
	if err != nil {
		return err
	}
	isRange := t.at('-') && t.pos+1 < len(t.src) && t.src[t.pos+1] != ']'
	switch {
	case class != nil && isRange:
		return fmt.Errorf("%w: a range that begins with a class", errDialect)
	case class != nil:
		set.addSet(*class)
		return nil
	case !isRange:
		set.add(low)
		return nil
	}
	t.pos++
	high, class, err := t.bracketByte()
	if err != nil {
		return err
	}
	if class != nil || high < low {
		return fmt.Errorf("%w: a range in a bracket", errDialect)
	}
	set.addRange(low, high)
	return nil
}

func (t *translator) bracketByte() (byte, *byteSet, error) {
	if t.pos == len(t.src) {
		return 0, nil, fmt.Errorf("%w: a bracket is open", errPattern)
	}
	c := t.src[t.pos]
	switch {
	case c == '\\':
		return t.escaped()
	case c == '[':
		return 0, nil, fmt.Errorf("%w: a bracket in a bracket", errDialect)
	case strings.IndexByte("&-~", c) >= 0 && t.pos+1 < len(t.src) && t.src[t.pos+1] == c:
		return 0, nil, fmt.Errorf("%w: %q in a bracket", errDialect, t.src[t.pos:t.pos+2])
	case c >= 0x80:
		// Only PCRE takes it, and reads each of its bytes for itself.
		t.dotNewline = false
	}
	t.pos++
	return c, nil, nil
}

// posixClass reads a named class such as [:alpha:].
func (t *translator) posixClass(set *byteSet) error {
	body, ok := strings.CutPrefix(t.src[t.pos:], "[:")
	name, _, closed := strings.Cut(body, ":]")
	class, known := asciiClass(strings.TrimPrefix(name, "^"))
	if !ok || !closed || !known {
		return fmt.Errorf("%w: a bracket in a bracket", errDialect)
	}
	if strings.HasPrefix(name, "^") {
		class = class.complement()
	}
	set.addSet(class)
	t.pos += len("[:") + len(name) + len(":]")
	return nil
}

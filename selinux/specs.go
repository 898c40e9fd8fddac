package selinux

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"
)

// noContext stands in the place of a context for files that get no label.
const noContext = "<<none>>"

// Bounds on a policy; the largest in use have 8,000 specifications.
const (
	maxSpecs   = 200_000
	maxPattern = 4096 // bytes, the longest path there is
)

// A spec is one line of file_contexts(5). Its index in Policy.specs is its
// rank: the highest that matches gives the label.
type spec struct {
	rank    int
	source  string // "file:line", for errors
	pattern pattern
	kind    kind // anyKind if it is not restricted
	context string
}

// eachLine calls fn for the lines of a file until fn returns false. A line that
// is not UTF-8 is an error, as it is in composefs-rs.
func eachLine(file string, data []byte, fn func(line string) (more bool, err error)) error {
	if len(data) > MaxFileSize {
		return fmt.Errorf("%s: %w: more than %d bytes", file, ErrTooComplex, MaxFileSize)
	}
	number := 0
	for line := range bytes.Lines(data) {
		number++
		if !utf8.Valid(line) {
			return fmt.Errorf("%s:%d: not UTF-8", file, number)
		}
		more, err := fn(string(line))
		if err != nil {
			return fmt.Errorf("%s:%d: %w", file, number, err)
		}
		if !more {
			break
		}
	}
	return nil
}

// fields splits a line at white space; of a comment nothing is left.
func fields(line string) []string {
	f := strings.Fields(line)
	if len(f) > 0 && strings.HasPrefix(f[0], "#") {
		return nil
	}
	return f
}

func (p *Policy) addSpecs(file string, data []byte) error {
	number := 0
	return eachLine(file, data, func(line string) (bool, error) {
		number++
		f := fields(line)
		if len(f) == 0 {
			return true, nil
		}
		s, err := parseSpec(f)
		if err != nil {
			return false, err
		}
		if len(p.specs) == maxSpecs {
			return false, fmt.Errorf("%w: more than %d specifications", ErrTooComplex, maxSpecs)
		}
		s.rank, s.source = len(p.specs), fmt.Sprintf("%s:%d", file, number)
		p.specs = append(p.specs, s)
		return true, nil
	})
}

func parseSpec(f []string) (*spec, error) {
	s := &spec{kind: anyKind}
	rest := f[1:]
	if len(rest) > 0 && strings.HasPrefix(rest[0], "-") {
		code := rest[0][1:]
		i := strings.Index(kindCodes, code)
		if len(code) != 1 || i < 0 {
			return nil, fmt.Errorf("unknown file type %q", rest[0])
		}
		s.kind, rest = kind(i), rest[1:]
	}
	if len(rest) != 1 {
		return nil, fmt.Errorf("want a pattern, perhaps a file type, and a context, found %d fields", len(f))
	}
	s.context = rest[0]
	var err error
	if s.pattern, err = translate(f[0]); err != nil {
		return nil, err
	}
	return s, s.pattern.check()
}

func (p *Policy) addSubs(file string, data []byte) error {
	return eachLine(file, data, func(line string) (bool, error) {
		f := fields(line)
		switch len(f) {
		case 0:
			return true, nil
		case 2:
			p.subs[f[0]] = f[1]
			return true, nil
		}
		return false, fmt.Errorf("want two paths, found %d fields", len(f))
	})
}

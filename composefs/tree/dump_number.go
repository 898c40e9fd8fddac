package tree

import (
	"bytes"
	"fmt"
)

// numbers reads the fields that are numbers and keeps the first error.
type numbers struct{ err error }

func (p *numbers) fail(what string, field []byte) {
	if p.err != nil {
		return
	}
	if len(field) == 0 {
		p.err = fmt.Errorf("%s is missing", what)
		return
	}
	p.err = fmt.Errorf("%s %.40q is no number that fits", what, field)
}

func (p *numbers) decimal(what string, field []byte, limit uint64) uint64 {
	v, ok := parseDigits(field, 10, limit)
	if !ok {
		p.fail(what, field)
	}
	return v
}

// octal reads a mode: permissions and type.
func (p *numbers) octal(what string, field []byte) uint32 {
	v, ok := parseDigits(field, 8, 0o177777)
	if !ok {
		p.fail(what, field)
	}
	return uint32(v)
}

// time reads "SECONDS.NANOSECONDS", of which the seconds may be negative: a
// point in time is so many seconds after the epoch and so many nanoseconds
// after that.
func (p *numbers) time(field []byte) Time {
	sec, nsec, dot := bytes.Cut(field, []byte{'.'})
	digits, negative := bytes.CutPrefix(sec, []byte{'-'})
	s, ok1 := parseDigits(digits, 10, 1<<63-1)
	ns, ok2 := parseDigits(nsec, 10, 999_999_999)
	if !dot || !ok1 || !ok2 {
		p.fail("mtime", field)
		return Time{}
	}
	t := Time{Sec: int64(s), Nsec: uint32(ns)}
	if negative {
		t.Sec = -t.Sec
	}
	return t
}

// parseDigits reads a number without a sign that is at most limit.
func parseDigits(s []byte, base, limit uint64) (uint64, bool) {
	if len(s) == 0 || len(s) > 20 {
		return 0, false
	}
	var v uint64
	for _, c := range s {
		digit := uint64(c - '0')
		if c < '0' || digit >= base || v > (limit-digit)/base {
			return 0, false
		}
		v = v*base + digit
	}
	return v, true
}

package selinux

import (
	"errors"
	"strings"
	"testing"
)

func TestTranslate(t *testing.T) {
	for _, test := range []struct {
		src, stem, source string
		backtrack, noNewl bool
	}{
		{src: "/usr/bin", stem: "/usr/bin", source: "/usr/bin"},
		{src: `/usr/lib/a\.so`, stem: "/usr/lib/a.so", source: `/usr/lib/a\x2eso`},
		{src: "/usr(/.*)?", stem: "/usr", source: "/usr(/.*)?"},
		{src: "/usr/libs?", stem: "/usr/lib", source: "/usr/libs?"},
		{src: `/a\.*`, stem: "/a", source: `/a\x2e*`},
		{src: "x*", stem: "", source: "x*"},
		{src: "/a{2}b", stem: "/", source: "/a{2}b"},
		{src: "/a|/b", stem: "", source: "/a|/b"},
		{src: "/(a|b)c", stem: "/", source: "/(a|b)c"},
		{src: "/[^/]x", stem: "/", source: `/[\x00-\x2e\x30-\xff]x`},
		{src: "/[]a-c-]", stem: "/", source: `/[\x2d-\x2d\x5d-\x5d\x61-\x63]`},
		{src: "/\xc3\xa9+", stem: "/", source: `/(?:\xc3\xa9)+`},
		{src: `/\d\D`, stem: "/", source: `/[\x30-\x39][\x00-\x2f\x3a-\xff]`},
		{src: `/[^\x00-\xff]`, stem: "/", source: `/[^\x00-\xff]`},
		{src: "/(?!a)b", stem: "/", source: "/(?!a)b", backtrack: true, noNewl: true},
		{src: `/(a)\1`, stem: "/", source: `/(a)\1`, backtrack: true, noNewl: true},
		{src: "/a{b", stem: "/a{b", source: `/a\x7bb`, noNewl: true},
		{src: "/[\xc3\xa9]", stem: "/", source: `/[\xa9-\xa9\xc3-\xc3]`, noNewl: true},
	} {
		p, err := translate(test.src)
		if err != nil {
			t.Errorf("%q: %v", test.src, err)
			continue
		}
		if p.stem != test.stem || p.source != test.source || p.backtrack != test.backtrack || p.dotNewline == test.noNewl {
			t.Errorf("%q: got %+v", test.src, p)
		}
		if got := p.source[:p.rest]; strings.ContainsAny(got, "([*") {
			t.Errorf("%q: %q is left to the stem", test.src, got)
		}
	}
}

func TestTranslateRefuses(t *testing.T) {
	for src, want := range map[string]error{
		"*":                        errPattern,
		"(*a)":                     errPattern,
		"a|+":                      errPattern,
		"(a":                       errPattern,
		"[a":                       errPattern,
		"[":                        errPattern,
		"[a-":                      errPattern,
		`a\`:                       errPattern,
		"a)":                       errDialect,
		"a)|(b":                    errDialect,
		"a**":                      errDialect,
		"a++":                      errDialect,
		"a{2}{3}":                  errDialect,
		"a{3,2}":                   errDialect,
		"a{1001}":                  errDialect,
		"a{,3}":                    errDialect,
		"a{99999999999999999999}":  errDialect,
		"(?i)a":                    errDialect,
		"(?P<n>a)":                 errDialect,
		"(?#c)":                    errDialect,
		`\bword`:                   errDialect,
		`\<word`:                   errDialect,
		`\pL`:                      errDialect,
		`\u1234`:                   errDialect,
		`\x{41}`:                   errDialect,
		`\Qa\E`:                    errDialect,
		`\0`:                       errDialect,
		`\10`:                      errDialect,
		"[a[b]]":                   errDialect,
		"[[:unknown:]]":            errDialect,
		"[a&&b]":                   errDialect,
		"[a--b]":                   errDialect,
		"[a~~b]":                   errDialect,
		`[\d-z]`:                   errDialect,
		`[a-\d]`:                   errDialect,
		"[z-a]":                    errDialect,
		strings.Repeat("a", 4097):  ErrTooComplex,
		strings.Repeat("(", 201):   ErrTooComplex,
		strings.Repeat("(?:", 201): ErrTooComplex,
	} {
		if _, err := translate(src); !errors.Is(err, want) {
			t.Errorf("%.30q: got %v, want %v", src, err, want)
		}
	}
}

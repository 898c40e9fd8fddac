package accounts_test

import (
	"bytes"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"github.com/bootc-go/bootc/etcmerge/accounts"
)

// FuzzMerge feeds files that may be broken in any way. The laws of merging hold
// for garbage, too, and no line is lost that is none of an entry.
func FuzzMerge(f *testing.F) {
	for seed := range uint64(40) {
		g := newGenerator(seed)
		p := g.files()
		c, n := g.change(p), g.change(p)
		f.Add(p["passwd"], c["passwd"], n["passwd"], p["group"], c["group"], n["group"])
	}
	f.Add([]byte("a:x:1:1:::\n"), []byte("a:x:1:1:::\n+\n"), []byte("a:x:4294967296:1:::"), []byte("\n\n"), []byte("::::"), []byte("a:x:-1:\n\x00"))
	f.Fuzz(func(t *testing.T, pu, cu, nu, pg, cg, ng []byte) {
		files := func(users, groups []byte) accounts.Files {
			return accounts.Files{"passwd": users, "shadow": groups, "group": groups, "gshadow": users, "subuid": groups}
		}
		p, c, n := files(pu, pg), files(cu, cg), files(nu, ng)
		m, _ := checkLaws(t, p, c, n)
		for name, merged := range m {
			verbatim(t, name, p[name], c[name], merged)
		}
	})
}

// whatIsAnEntry is how the lines of each file look, numbers in groups.
var whatIsAnEntry = map[string]*regexp.Regexp{
	"passwd":  regexp.MustCompile(`^[^#+:-][^:]*:[^:]*:(\d+):(\d+):[^:]*:[^:]*:[^:]*$`),
	"shadow":  regexp.MustCompile(`^[^#+:-][^:]*:(?:[^:]*:){7}[^:]*$`),
	"group":   regexp.MustCompile(`^[^#+:-][^:]*:[^:]*:(\d+):[^:]*$`),
	"gshadow": regexp.MustCompile(`^[^#+:-][^:]*:[^:]*:[^:]*:[^:]*$`),
	"subuid":  regexp.MustCompile(`^[^#+:-][^:]*:(\d+):(\d+)$`),
}

// verbatim checks that each line of c that is no entry is in the merged file,
// unless it was in pristine, too, and so may have been removed by the image.
func verbatim(t *testing.T, file string, p, c, merged []byte) {
	t.Helper()
	old, now := bytes.Split(p, []byte("\n")), bytes.Split(merged, []byte("\n"))
	for line := range bytes.SplitSeq(bytes.TrimSuffix(c, []byte("\n")), []byte("\n")) {
		has := func(lines [][]byte) bool {
			return slices.ContainsFunc(lines, func(l []byte) bool { return bytes.Equal(l, line) })
		}
		if len(c) > 0 && !isEntry(file, line) && !has(old) && !has(now) {
			t.Errorf("%s: the line %q is lost", file, line)
		}
	}
}

func isEntry(file string, line []byte) bool {
	fields := whatIsAnEntry[file].FindSubmatch(line)
	if fields == nil {
		return false
	}
	for _, f := range fields[1:] {
		if _, err := strconv.ParseUint(string(f), 10, 32); err != nil {
			return false
		}
	}
	return true
}

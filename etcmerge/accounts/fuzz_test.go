package accounts_test

import (
	"testing"

	"github.com/bootc-go/bootc/etcmerge/accounts"
)

// FuzzMerge feeds files that may be broken in any way. The laws of merging hold
// for garbage, too; what is kept of it, line by line, is for the tests of files
// whose lines have a meaning.
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
		checkLaws(t, p, c, n)
	})
}

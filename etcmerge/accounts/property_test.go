package accounts_test

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/bootc-go/bootc/etcmerge/accounts"
)

// TestProperties holds what Merge promises against random hosts: an image, the
// changes that an administrator made, and those of the next image, all picked
// from few names and ids so that they meet.
func TestProperties(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3000) {
		g := newGenerator(seed)
		p := g.files()
		c, n := g.change(p), g.change(p)
		if checkMerge(t, p, c, n); t.Failed() {
			t.Fatalf("seed %d\npristine %q\ncurrent %q\nnew %q", seed, p, c, n)
		}
	}
}

// checkMerge reports each promise that a merge does not keep.
func checkMerge(t *testing.T, p, c, n accounts.Files) {
	t.Helper()
	m, notes := checkLaws(t, p, c, n)
	for _, file := range accounts.Names() {
		if m[file] != nil {
			kept(t, file, p[file], c[file], m[file])
		}
	}
	db := whole(m, p, c, n)
	for _, file := range []string{"passwd", "group"} {
		if m[file] != nil {
			noSharing(t, file, c[file], n[file], m[file])
			arrived(t, file, p[file], c[file], n[file], m[file], notes)
		}
	}
	complete(t, p, c, n, db)
}

// checkLaws merges, and reports each law of merging that does not hold.
func checkLaws(t *testing.T, p, c, n accounts.Files) (accounts.Files, []accounts.Note) {
	t.Helper()
	m, notes := accounts.Merge(p, c, n)
	same(t, "nothing changed here", want(p, n), first(accounts.Merge(p, p, n)))
	same(t, "nothing changed in the image", want(p, c), first(accounts.Merge(p, c, p)))
	same(t, "merged twice", m, first(accounts.Merge(p, c, overlay(n, m))))
	return m, notes
}

func first(files accounts.Files, _ []accounts.Note) accounts.Files { return files }

// want is files, without those that other lacks.
func want(other, files accounts.Files) accounts.Files {
	out := accounts.Files{}
	for name, data := range files {
		if other[name] != nil {
			out[name] = data
		}
	}
	return out
}

// overlay is base, with the files of top in place of its own.
func overlay(base, top accounts.Files) accounts.Files {
	out := accounts.Files{}
	maps.Copy(out, base)
	maps.Copy(out, top)
	return out
}

// whole is the state after the merge: what was merged, and the files that come
// and go as any other.
func whole(m, p, c, n accounts.Files) accounts.Files {
	out := accounts.Files{}
	for _, name := range accounts.Names() {
		switch {
		case m[name] != nil:
			out[name] = m[name]
		case c[name] == nil && p[name] == nil:
			out[name] = n[name]
		case c[name] != nil && !bytes.Equal(c[name], p[name]):
			out[name] = c[name]
		}
	}
	return out
}

func same(t *testing.T, what string, want, got accounts.Files) {
	t.Helper()
	for _, name := range accounts.Names() {
		if !bytes.Equal(want[name], got[name]) || (want[name] == nil) != (got[name] == nil) {
			t.Errorf("%s: %s: want %q, got %q", what, name, want[name], got[name])
		}
	}
}

// kept checks that lines which were added here are there, members aside, and
// that lines which are no entries are there verbatim.
func kept(t *testing.T, file string, p, c, m []byte) {
	t.Helper()
	old, now := entries(p), entries(m)
	for key, lines := range entries(c) {
		if old[key] != nil {
			continue
		}
		for _, line := range lines {
			f := strings.Split(line, ":")
			sets := map[string]int{"group": 3, "gshadow": 2}[file]
			if sets == 0 || len(lines) > 1 || len(f) != 4 {
				sets = len(f)
			}
			// A broken line may stand beside an entry that begins like it.
			if !slices.ContainsFunc(now[key], func(g string) bool {
				fields := strings.Split(g, ":")
				return slices.Equal(f[:sets], fields[:min(sets, len(fields))])
			}) {
				t.Errorf("%s: the line %q is not in %q", file, line, now[key])
			}
		}
	}
	for line := range strings.SplitSeq(strings.TrimSuffix(string(c), "\n"), "\n") {
		odd := line == "" || strings.HasPrefix(line, "#") || !strings.Contains(line, ":") || strings.HasPrefix(line, "+")
		if odd && len(c) > 0 && !hasLine(p, line) && !hasLine(m, line) {
			t.Errorf("%s: the odd line %q is lost", file, line)
		}
	}
}

func hasLine(data []byte, line string) bool {
	return slices.Contains(strings.Split(string(data), "\n"), line)
}

// entries are the lines of a file by name.
func entries(data []byte) map[string][]string {
	out := map[string][]string{}
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSuffix(line, "\n")
		name, _, ok := strings.Cut(line, ":")
		if ok && name != "" && strings.IndexAny(name, "#+-\x00") != 0 && !strings.HasSuffix(line, ":x:y") {
			out[name] = append(out[name], line)
		}
	}
	return out
}

// ids are the names by id.
func ids(data []byte) map[string][]string {
	out := map[string][]string{}
	for name, lines := range entries(data) {
		for _, line := range lines {
			if f := strings.Split(line, ":"); len(f) == 7 || len(f) == 4 {
				out[f[2]] = append(out[f[2]], name)
			}
		}
	}
	return out
}

// noSharing checks that two names have one id only if they had it before.
func noSharing(t *testing.T, file string, c, n, m []byte) {
	t.Helper()
	here, there := ids(c), ids(n)
	for id, names := range ids(m) {
		for _, a := range names {
			for _, b := range names {
				inC := slices.Contains(here[id], a) && slices.Contains(here[id], b)
				inN := slices.Contains(there[id], a) && slices.Contains(there[id], b)
				if a != b && !inC && !inN {
					t.Errorf("%s: %s and %s share the id %s", file, a, b, id)
				}
			}
		}
	}
}

// arrived checks that what is new in the image is there or left out with a note.
func arrived(t *testing.T, file string, p, c, n, m []byte, notes []accounts.Note) {
	t.Helper()
	old, here, now := entries(p), entries(c), entries(m)
	for name, lines := range entries(n) {
		if old[name] != nil || here[name] != nil || now[name] != nil || strings.Count(lines[0], ":") < 3 {
			continue
		}
		told := func(n accounts.Note) bool {
			return n.File == file && strings.Contains(n.Text, strconv.Quote(name)+" of the new image is left out")
		}
		if !slices.ContainsFunc(notes, told) {
			t.Errorf("%s: %s is missing, and nothing is said of it: %q", file, name, notes)
		}
	}
}

// complete checks that no user lost the group or the shadow entry that the user
// has both here and in the image, and that no shadow entry lost its user. Groups
// are not looked at where a name stands twice.
func complete(t *testing.T, p, c, n, m accounts.Files) {
	t.Helper()
	plain := c["group"] != nil && n["group"] != nil
	for _, files := range []accounts.Files{p, c, n} {
		plain = plain && !twice(files["passwd"]) && !twice(files["group"])
	}
	for name := range entries(m["passwd"]) {
		if !plain {
			break
		}
		if !resolves(m, name) && (entries(c["passwd"])[name] == nil || resolves(c, name)) && (entries(n["passwd"])[name] == nil || resolves(n, name)) {
			t.Errorf("the user %s has no group", name)
		}
	}
	pairs(t, "passwd", "shadow", c, n, m)
	pairs(t, "group", "gshadow", c, n, m)
}

// twice says whether a name stands twice in a file.
func twice(data []byte) bool {
	for _, lines := range entries(data) {
		if len(lines) > 1 {
			return true
		}
	}
	return false
}

// resolves says whether the first group of a user exists.
func resolves(files accounts.Files, user string) bool {
	groups := ids(files["group"])
	for _, line := range entries(files["passwd"])[user] {
		if f := strings.Split(line, ":"); len(f) == 7 && groups[f[3]] == nil {
			return false
		}
	}
	return true
}

func pairs(t *testing.T, main, secret string, c, n, m accounts.Files) {
	t.Helper()
	if m[main] == nil || m[secret] == nil || c[main] == nil || c[secret] == nil || n[main] == nil || n[secret] == nil {
		return
	}
	has := func(files accounts.Files, file, name string) bool { return entries(files[file])[name] != nil }
	for name := range entries(m[main]) {
		paired := func(files accounts.Files) bool { return !has(files, main, name) || has(files, secret, name) }
		if paired(c) && paired(n) && !paired(m) {
			t.Errorf("%s is in %s and not in %s", name, main, secret)
		}
	}
	for name := range entries(m[secret]) {
		orphan := func(files accounts.Files) bool { return has(files, secret, name) && !has(files, main, name) }
		if orphan(m) && !orphan(c) && !orphan(n) {
			t.Errorf("%s is in %s and not in %s", name, secret, main)
		}
	}
}

// generator makes account files.
type generator struct{ *rand.Rand }

func newGenerator(seed uint64) generator { return generator{rand.New(rand.NewPCG(seed, 1))} }

func (g generator) pick(from ...string) string { return from[g.IntN(len(from))] }

// files makes the files of an image.
func (g generator) files() accounts.Files {
	out := accounts.Files{}
	for _, name := range accounts.Names() {
		var text string
		for range g.IntN(5) {
			text += g.line(name, g.name())
		}
		out[name] = []byte(text)
	}
	return g.paired(out)
}

// paired gives most entries one in the secret file, and most users a group.
func (g generator) paired(files accounts.Files) accounts.Files {
	for _, pair := range [][2]string{{"passwd", "shadow"}, {"group", "gshadow"}} {
		for _, name := range slices.Sorted(maps.Keys(entries(files[pair[0]]))) {
			if files[pair[1]] != nil && entries(files[pair[1]])[name] == nil && g.IntN(5) > 0 {
				files[pair[1]] = append([]byte(g.line(pair[1], name)), files[pair[1]]...)
			}
		}
	}
	return files
}

func (g generator) name() string { return g.pick("a", "b", "c", "d", "e", "f", "g") }
func (g generator) id() string   { return g.pick("1", "2", "3", "4", "5", "6", "7", "8") }

func (g generator) line(file, name string) string {
	if g.IntN(20) == 0 {
		return g.pick("# comment\n", "\n", "odd\n", "+:::\n", "+::::::\n", name+":x:y\n", "\x00:\xff\n", ":x:1:\n")
	}
	switch file {
	case "passwd":
		return fmt.Sprintf("%s:x:%s:%s:%s:/:%s\n", name, g.id(), g.id(), g.pick("", "G", "H"), g.pick("sh", "zsh"))
	case "shadow":
		return fmt.Sprintf("%s:%s:%s:0:%s:7:::\n", name, g.pick("*", "$y$", "!"), g.id(), g.pick("", "99"))
	case "group":
		return fmt.Sprintf("%s:x:%s:%s\n", name, g.id(), g.list())
	case "gshadow":
		return fmt.Sprintf("%s:*:%s:%s\n", name, g.list(), g.list())
	}
	return fmt.Sprintf("%s:%s00:%s0\n", name, g.id(), g.id())
}

func (g generator) list() string {
	return g.pick("", "", "", "a", "b", "a,b", "b,a", "c,d", "a,b,c", "e", ",", "f,f")
}

// change makes another state of the same files.
func (g generator) change(files accounts.Files) accounts.Files {
	out := accounts.Files{}
	for _, name := range accounts.Names() {
		if data, ok := files[name]; ok && g.IntN(25) > 0 {
			out[name] = g.changeFile(name, data)
		}
	}
	return g.paired(out)
}

func (g generator) changeFile(file string, data []byte) []byte {
	if g.IntN(3) == 0 {
		return bytes.Clone(data)
	}
	var out strings.Builder
	for line := range strings.Lines(string(data)) {
		switch name, _, ok := strings.Cut(line, ":"); g.IntN(6) {
		case 0:
			continue
		case 1:
			if ok && name != "" {
				line = g.line(file, name)
			}
		}
		out.WriteString(line)
	}
	for range g.IntN(3) {
		out.WriteString(g.line(file, g.name()))
	}
	text := out.String()
	if g.IntN(10) == 0 {
		text = strings.TrimSuffix(text, "\n")
	}
	return []byte(text)
}

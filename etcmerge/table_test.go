package etcmerge

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bootc-go/bootc/composefs/tree"
	"github.com/bootc-go/bootc/composefs/verity"
)

// The times of the three trees, by which a result shows where it came from.
const pristineTime, currentTime, newTime = 1000, 2000, 3000

// states are what a path can be in each of the three trees.
var states = []spec{
	"-", "A", "B", "C", "A!", "A*", "L", "F", "D",
	"{}", "{f:A}", "{f:B}", "!{f:A}", "{f:A g:B}", "{f:L}",
}

// rules are the merge, as the documentation tells it. The first that fits
// counts. In the columns of states, f is what is no directory, d a directory,
// d+ one to which something was added or in which something was modified, = the
// same as pristine, and * anything.
var rules = []struct {
	pristine, current, new string
	outcome                string
}{
	{"*", "=", "*", "new"},
	{"*", "-", "*", "gone"},
	{"-", "f", "d", "file conflict"},
	{"f", "f", "d", "file conflict"},
	{"*", "f", "*", "current"},
	{"-", "d", "f", "directory conflict"},
	{"f", "d", "f", "current"},
	{"d", "d+", "f", "directory conflict"},
	{"d", "d", "f", "new"},
	{"*", "d", "*", "by entry"},
}

func fits(pattern string, s, pristine spec) bool {
	isDir := strings.HasSuffix(string(s), "}")
	switch pattern {
	case "*":
		return true
	case "=":
		return s == pristine
	case "f":
		return s != "-" && !isDir
	case "d":
		return isDir
	case "d+":
		return isDir && alive(s, pristine)
	}
	return string(s) == pattern
}

// alive says whether a directory has another mode than in pristine, or an entry
// that is not the same there.
func alive(s, pristine spec) bool {
	if strings.HasPrefix(string(s), "!") != strings.HasPrefix(string(pristine), "!") {
		return true
	}
	for _, name := range []string{"f", "g"} {
		if e := s.entry(name); e != "-" && e != pristine.entry(name) {
			return true
		}
	}
	return false
}

// entry is the entry of a directory as specs here have them.
func (s spec) entry(name string) spec {
	if i := strings.Index(string(s), name+":"); i >= 0 {
		return s[i+2 : i+3]
	}
	return "-"
}

// expect finds the outcome, and the inode that must be there, nil for none.
func expect(p, c, n spec) (outcome string, result *tree.Node) {
	for _, r := range rules {
		if !fits(r.pristine, p, p) || !fits(r.current, c, p) || !fits(r.new, n, p) {
			continue
		}
		switch r.outcome {
		case "new":
			return r.outcome, n.parse(newTime)
		case "current":
			if c == n {
				return r.outcome, n.parse(newTime)
			}
			return r.outcome, c.parse(currentTime)
		case "by entry":
			return r.outcome, byEntry(p, c, n)
		}
		return r.outcome, nil
	}
	panic("no rule")
}

// byEntry is a directory of which each entry is merged by itself. Its attributes
// are local ones if there is no such directory in the new image, if they are
// not those of pristine, or if pristine has none.
func byEntry(p, c, n spec) *tree.Node {
	private := func(s spec) bool { return strings.HasPrefix(string(s), "!") }
	wasDir := strings.HasSuffix(string(p), "}")
	local := !wasDir || private(p) != private(c)
	attributes, mtime := n, int64(newTime)
	if local || n == "-" {
		attributes, mtime = c, currentTime
	}
	out := attributes.parse(mtime)
	out.RemoveChildren()
	for _, name := range []string{"f", "g"} {
		if _, e := expect(p.entry(name), c.entry(name), n.entry(name)); e != nil {
			out.SetChild(name, e)
		}
	}
	if n == "-" && !local && out.Len() == 0 {
		return nil
	}
	return out
}

// triple is three trees and what must come of them.
type triple struct{ pristine, current, new, want *tree.Node }

func newTriple() triple {
	dir := func(mtime int64) *tree.Node { return spec("{}").parse(mtime) }
	return triple{dir(pristineTime), dir(currentTime), dir(newTime), dir(newTime)}
}

func (x triple) set(name string, p, c, n, want *tree.Node) {
	for i, in := range []*tree.Node{p, c, n, want} {
		if in != nil {
			[]*tree.Node{x.pristine, x.current, x.new, x.want}[i].SetChild(name, in)
		}
	}
}

// everything is each state of each tree with each of the others, some 3,000
// entries, those that conflict apart.
func everything() (merge, conflicts triple, sentences []string) {
	merge, conflicts = newTriple(), newTriple()
	for _, p := range states {
		for _, c := range states {
			for _, n := range states {
				name := fmt.Sprintf("%s,%s,%s", p, c, n)
				outcome, want := expect(p, c, n)
				switch outcome {
				case "file conflict":
					sentences = append(sentences, fmt.Sprintf("File '%s' now defaults to a directory in new etc", name))
				case "directory conflict":
					sentences = append(sentences, fmt.Sprintf("Directory '%s' now defaults to a file in new etc", name))
				default:
					merge.set(name, p.parse(pristineTime), c.parse(currentTime), n.parse(newTime), want)
					continue
				}
				conflicts.set(name, p.parse(pristineTime), c.parse(currentTime), n.parse(newTime), nil)
			}
		}
	}
	slices.Sort(sentences)
	return merge, conflicts, sentences
}

// TestEveryCombination applies a merge of everything and compares what is on
// disk then with what the rules say.
func TestEveryCombination(t *testing.T) {
	t.Parallel()
	x, _, _ := everything()
	if n := x.current.Len() + x.pristine.Len() + x.new.Len(); n < 7_000 {
		t.Fatalf("only %d entries", n)
	}
	dirs := onDisk(t, x)
	apply(t, dirs)
	sameListing(t, "merged", dirs.want, dirs.new)
}

// TestEveryConflict wants all conflicts named, in a plan and by Apply, and
// nothing changed.
func TestEveryConflict(t *testing.T) {
	t.Parallel()
	merge, x, want := everything()
	for name := range merge.pristine.Children() { // these do not get in the way
		x.set(name, merge.pristine.Child(name), merge.current.Child(name), merge.new.Child(name), nil)
	}
	plan, err := NewPlan(x.pristine, x.current, x.new)
	must(t, err)
	var got []string
	for _, c := range plan.Local.Unmergable {
		got = append(got, c.String())
	}
	slices.Sort(got)
	if d := cmp.Diff(want, got); d != "" || len(want) < 300 {
		t.Errorf("conflicts (-want +got):\n%s", d)
	}
	dirs := onDisk(t, triple{scenario().new, scenario().current, scenario().new, scenario().new})
	err = plan.Apply(t.Context(), open(t, dirs.current), open(t, dirs.new))
	if !errors.Is(err, ErrConflict) {
		t.Fatalf("the error is %v", err)
	}
	head, rest, _ := strings.Cut(err.Error(), "\n")
	got = strings.Split(rest, "\n")
	slices.Sort(got)
	if d := cmp.Diff(want, got); d != "" || head != "cannot merge /etc: merge conflicts found in etc:" {
		t.Errorf("the error begins %q and says (-want +got):\n%s", head, d)
	}
	sameListing(t, "after a conflict", dirs.want, dirs.new)
}

// dirs are a triple on disk.
type dirs struct{ pristine, current, new, want string }

func onDisk(t testing.TB, x triple) dirs {
	t.Helper()
	base := t.TempDir()
	d := dirs{filepath.Join(base, "pristine"), filepath.Join(base, "current"), filepath.Join(base, "new"), filepath.Join(base, "want")}
	materialize(t, d.pristine, x.pristine)
	materialize(t, d.current, x.current)
	materialize(t, d.new, x.new)
	materialize(t, d.want, x.want)
	return d
}

// planOf plans the merge of directories.
func planOf(t testing.TB, d dirs) *Plan {
	t.Helper()
	var trees [3]*tree.Node
	for i, path := range []string{d.pristine, d.current, d.new} {
		n, err := Scan(context.Background(), path, verity.SHA512)
		must(t, err)
		trees[i] = n
	}
	plan, err := NewPlan(trees[0], trees[1], trees[2])
	must(t, err)
	return plan
}

// apply merges directories.
func apply(t testing.TB, d dirs) *Plan {
	t.Helper()
	plan := planOf(t, d)
	must(t, plan.Apply(context.Background(), open(t, d.current), open(t, d.new)))
	return plan
}

func open(t testing.TB, path string) *os.File {
	t.Helper()
	f, err := os.Open(path)
	must(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}

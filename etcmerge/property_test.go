package etcmerge

import (
	"bytes"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/tree"
	"github.com/bootc-go/bootc/composefs/verity"
)

// TestLaws holds what a merge promises against random triples.
func TestLaws(t *testing.T) {
	t.Parallel()
	conflicts := 0
	for seed := range uint64(4000) {
		p, c, n := randomTriple(seed)
		if plan := checkLaws(t, p, c, n); plan != nil && plan.Err() != nil {
			conflicts++
		}
		if t.Failed() {
			t.Fatalf("seed %d\npristine:\n%s\ncurrent:\n%s\nnew:\n%s", seed, dump(t, p), dump(t, c), dump(t, n))
		}
	}
	if conflicts < 100 || conflicts > 3000 {
		t.Errorf("%d of 4000 triples conflict", conflicts)
	}
}

func dump(t *testing.T, n *tree.Node) string {
	var out bytes.Buffer
	must(t, tree.WriteDump(&out, n))
	return out.String()
}

// checkLaws reports each law of merging that does not hold. The plan is nil if
// the trees cannot be merged at all.
func checkLaws(t *testing.T, p, c, n *tree.Node) *Plan {
	t.Helper()
	for _, root := range []*tree.Node{p, c, n} {
		root.RemoveChild(machineID) // a law of its own
	}
	before := []*tree.Node{tree.Clone(p), tree.Clone(c), tree.Clone(n)}
	plan, err := NewPlan(p, c, n)
	if err != nil {
		return nil
	}
	for i, in := range []*tree.Node{p, c, n} {
		for ch := range tree.Diff(before[i], in) {
			t.Errorf("an input was changed: %s", ch)
		}
	}
	follows(t, p, n)
	stays(t, p, c)
	if plan.Err() != nil {
		return plan
	}
	again, err := NewPlan(p, c, plan.Result)
	if err != nil || again.Err() != nil {
		t.Fatalf("the result cannot be merged again: %v, %v", err, again.Err())
	}
	equal(t, "merged again", plan.Result, again.Result, 0)
	for _, s := range again.steps {
		t.Errorf("merging again has a step: %d %q", s.op, s.path)
	}
	nothingLost(t, plan, p, c)
	arrives(t, plan.Result, p, c, n)
	return plan
}

// follows checks that nothing changed here means all of the new image.
func follows(t *testing.T, p, n *tree.Node) {
	t.Helper()
	plan, err := NewPlan(p, tree.Clone(p), n)
	must(t, err)
	if must(t, plan.Err()); !plan.Local.Empty() {
		t.Errorf("changes are seen where none are: %v", plan.Local)
	}
	want := tree.Clone(n)
	want.RemoveChild(updatedStamp)
	want.RemoveChild(workDir)
	equal(t, "nothing changed here", want, plan.Result, 0)
	effect, err := plan.Effect()
	must(t, err)
	news, err := Compare(p, n)
	must(t, err)
	if got, want := text(t, effect), text(t, news); got != want {
		t.Errorf("the effect is\n%s, want\n%s", got, want)
	}
}

func text(t *testing.T, d *Diff) string {
	var out bytes.Buffer
	must(t, d.WriteText(&out))
	return out.String()
}

// stays checks that an image that changes nothing changes nothing.
func stays(t *testing.T, p, c *tree.Node) {
	t.Helper()
	plan, err := NewPlan(p, c, tree.Clone(p))
	must(t, err)
	must(t, plan.Err())
	want := tree.Clone(c)
	want.RemoveChild(updatedStamp)
	want.RemoveChild(workDir)
	equal(t, "the image changed nothing", want, plan.Result, tree.MtimeAspect|tree.LinksAspect)
	if effect, err := plan.Effect(); err != nil || !effect.Empty() {
		t.Errorf("the effect of nothing is %v, %v", text(t, effect), err)
	}
}

// equal compares trees but for some aspects; derived attributes do not count
// then, either.
func equal(t *testing.T, what string, want, got *tree.Node, but tree.Aspect) {
	t.Helper()
	want, got = tree.Clone(want), tree.Clone(got)
	tree.SetLinks(want)
	tree.SetLinks(got)
	if but != 0 {
		for _, root := range []*tree.Node{want, got} {
			must(t, tree.Walk(root, func(_ string, n *tree.Node) error {
				n.Xattrs = slices.Clone(chosen(n))
				if n.IsSymlink() { // the mode of a link means nothing
					n.Mode = unix.S_IFLNK | 0o777
				}
				return nil
			}))
		}
	}
	for c := range tree.Diff(want, got) {
		if c.Kind == tree.Changed && isRegular(c.Old) && isRegular(c.New) && sameContent(c.Old.File, c.New.File) {
			c.What &^= tree.ContentAspect // known by its bytes here and by its digest there
		}
		if c.Kind != tree.Changed || c.What&^but != 0 {
			t.Errorf("%s: %s", what, c)
		}
	}
}

// nothingLost looks for every local change in the result.
func nothingLost(t *testing.T, plan *Plan, p, c *tree.Node) {
	t.Helper()
	for _, ch := range slices.Concat(plan.Local.Added, plan.Local.Modified) {
		got := tree.Lookup(plan.Result, strings.TrimPrefix(ch.Path, "."))
		isAccount := slices.Contains([]string{"passwd", "group"}, ch.Path)
		if got == nil || differs(ch.New, got)&^map[bool]tree.Aspect{true: tree.ContentAspect | attributeAspects}[isAccount] != 0 {
			t.Errorf("the local change of %q is lost", ch.Path)
		}
	}
	for _, ch := range plan.Local.Removed {
		if tree.Lookup(plan.Result, ch.Path) != nil {
			t.Errorf("%q was removed and is there again", ch.Path)
		}
	}
}

// arrives checks that what was not touched here is that of the new image, and
// that what the image adds is there.
func arrives(t *testing.T, result, p, c, n *tree.Node) {
	t.Helper()
	walk := func(root *tree.Node, fn func(path string, was, is, new *tree.Node)) {
		must(t, tree.Walk(root, func(path string, _ *tree.Node) error {
			top, _, _ := strings.Cut(path[1:], "/")
			if !slices.Contains([]string{"", updatedStamp, workDir, machineID, "passwd", "group"}, top) {
				fn(path, tree.Lookup(p, path), tree.Lookup(c, path), tree.Lookup(n, path))
			}
			return nil
		}))
	}
	walk(p, func(path string, was, is, new *tree.Node) {
		if is != nil && !is.IsDir() && differs(was, is) == 0 && tree.Lookup(result, path) != new {
			t.Errorf("%q was not touched and is not that of the image", path)
		}
	})
	walk(n, func(path string, was, is, new *tree.Node) {
		dir := filepath.Dir(path)
		if was == nil && is == nil && isDir(tree.Lookup(p, dir)) && isDir(tree.Lookup(c, dir)) && tree.Lookup(result, path) != new {
			t.Errorf("%q of the new image is missing", path)
		}
	})
}

// TestApplyMakesTheResult applies plans of random triples and reads what they
// made.
func TestApplyMakesTheResult(t *testing.T) {
	t.Parallel()
	for seed := range uint64(60) {
		p, c, n := randomTriple(seed)
		d := onDisk(t, triple{p, c, n, spec("{}").parse(0)})
		plan := planOf(t, d)
		if plan.Err() != nil {
			continue
		}
		for range 2 { // the second time over the result of the first
			must(t, plan.Apply(t.Context(), open(t, d.current), open(t, d.new)))
			got, err := Scan(t.Context(), d.new, verity.SHA512)
			must(t, err)
			if equal(t, "on disk", plan.Result, got, 0); t.Failed() {
				t.Fatalf("seed %d", seed)
			}
		}
	}
}

// randomTriple is an image's /etc, what a host made of it, and the next one.
func randomTriple(seed uint64) (p, c, n *tree.Node) { return tripleOf(rand.New(rand.NewPCG(seed, 3))) }

func tripleOf(r *rand.Rand) (p, c, n *tree.Node) {
	g := generator{r}
	p = g.dir(0)
	c, n = g.change(p), g.change(p)
	g.relink(c)
	for _, root := range []*tree.Node{p, c, n} {
		tree.SetLinks(root)
	}
	return p, c, n
}

type generator struct{ *rand.Rand }

func (g generator) pick(from string) string {
	words := strings.Split(from, "|")
	return words[g.IntN(len(words))]
}

func (g generator) name(depth int) string {
	if depth == 0 {
		return g.pick("a|b|c|d|e|passwd|group|.updated|.bootc-etcmerge|\xff\n")
	}
	return g.pick("a|b|c|d|passwd|.updated")
}

func (g generator) dir(depth int) *tree.Node {
	n := tree.NewDir(0o755)
	for range g.IntN(5) {
		n.SetChild(g.name(depth), g.inode(depth+1))
	}
	return g.attributes(n)
}

func (g generator) inode(depth int) *tree.Node {
	if g.IntN(3) == 0 && depth < 4 {
		return g.dir(depth)
	}
	n := &tree.Node{Mode: unix.S_IFREG | 0o644}
	switch g.IntN(10) {
	case 0:
		n.Mode, n.Target = unix.S_IFLNK|0o777, g.pick("x|y")
	case 1:
		n.Mode = unix.S_IFIFO | 0o600
	case 2:
		n.Mode, n.Rdev = unix.S_IFCHR|0o600, uint32(unix.Mkdev(1, uint32(g.IntN(2))))
	case 3: // empty
	default:
		content := g.pick("x|y|z|root:x:0:0::/:/bin/sh\n|a:x:1:1::/:/bin/sh\n|a:x:5:b\n|" + strings.Repeat("long", 40))
		n.File = &tree.File{Size: uint64(len(content)), Inline: []byte(content)}
	}
	return g.attributes(n)
}

func (g generator) attributes(n *tree.Node) *tree.Node {
	n.Mtime.Sec = int64(g.IntN(5))
	if g.IntN(6) == 0 {
		n.UID, n.GID = uint32(g.IntN(3)), uint32(g.IntN(3))
	}
	if g.IntN(6) == 0 && !n.IsSymlink() {
		n.Mode ^= 0o020
	}
	if g.IntN(4) == 0 {
		n.SetXattr(labelXattr, []byte(g.pick("l1|l2")))
	}
	if g.IntN(6) == 0 {
		n.SetXattr("trusted.t", []byte(g.pick("1|2")))
	}
	return n
}

// change makes another version of a tree.
func (g generator) change(dir *tree.Node) *tree.Node {
	out := tree.Clone(dir)
	g.changeDir(out, 0)
	return out
}

func (g generator) changeDir(dir *tree.Node, depth int) {
	for name, n := range dir.Children() {
		switch k := g.IntN(12); {
		case k == 0:
			dir.RemoveChild(name)
		case k == 1:
			dir.SetChild(name, g.inode(depth+1))
		case k == 2:
			g.attributes(n)
		case n.IsDir():
			g.changeDir(n, depth+1)
		}
	}
	for range g.IntN(2) {
		dir.SetChild(g.name(depth), g.inode(depth+1))
	}
}

// relink gives some inodes more names.
func (g generator) relink(root *tree.Node) {
	var leaves []*tree.Node
	for _, n := range root.Children() {
		if !n.IsDir() {
			leaves = append(leaves, n)
		}
	}
	for _, name := range []string{"k", "l"} {
		if len(leaves) > 0 && g.IntN(4) == 0 {
			root.SetChild(name, leaves[g.IntN(len(leaves))])
		}
	}
}

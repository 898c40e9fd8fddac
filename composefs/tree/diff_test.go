package tree

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func parse(t *testing.T, lines ...string) *Node {
	t.Helper()
	root, err := ReadDump(strings.NewReader(rootLine + strings.Join(lines, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func changes(a, b *Node) []string {
	var out []string
	for c := range Diff(a, b) {
		out = append(out, c.String())
	}
	return out
}

func TestDiff(t *testing.T) {
	const (
		dir  = "/d 0 40755 2 0 0 0 0.0 - - -"
		file = "/f 3 100644 1 0 0 0 0.0 - abc -"
		ext  = "/f 9 100644 1 0 0 0 0.0 35/d0 - " + digest
	)
	for _, c := range []struct {
		name     string
		old, new []string
		want     []string
	}{
		{"nothing", []string{dir, file}, []string{file, dir}, nil},
		{"added and removed", []string{dir, "/d/x 0 10644 1 0 0 0 0.0 - - -"}, []string{file}, []string{"- /d", "- /d/x", "+ /f"}},
		{
			"attributes",
			[]string{file + " user.a=1 user.b=1 user.c=1"},
			[]string{"/f 3 104755 1 1 2 0 0.5 - abc - user.a=1 user.b=2 user.d=1"},
			[]string{"~ /f (mode 644 -> 4755, owner 0:0 -> 1:2, mtime 0.0 -> 0.5, xattrs ~user.b -user.c +user.d)"},
		},
		{"content", []string{file}, []string{"/f 3 100644 1 0 0 0 0.0 - abd -"}, []string{"~ /f (content)"}},
		{"size", []string{file}, []string{"/f 0 100644 1 0 0 0 0.0 - - -"}, []string{"~ /f (size 3 -> 0)"}},
		{"where the content is", []string{ext}, []string{"/f 9 100644 1 0 0 0 0.0 - - " + digest}, []string{"~ /f (content)"}},
		{"digest", []string{ext}, []string{"/f 9 100644 1 0 0 0 0.0 35/d0 - -"}, []string{"~ /f (content)"}},
		{"target", []string{"/l 0 120777 1 0 0 0 0.0 a - -"}, []string{"/l 0 120777 1 0 0 0 0.0 b - -"}, []string{`~ /l (target "a" -> "b")`}},
		{"device", []string{"/c 0 20666 1 0 0 259 0.0 - - -"}, []string{"/c 0 20666 1 0 0 1029 0.0 - - -"}, []string{"~ /c (device 1:3 -> 4:5)"}},
		{"type", []string{dir, "/d/x 0 10644 1 0 0 0 0.0 - - -"}, []string{"/d 0 10755 1 0 0 0 0.0 - - -"}, []string{"~ /d (directory -> fifo)", "- /d/x"}},
		{"links of directories do not count", []string{dir}, []string{"/d 0 40755 9 0 0 0 0.0 - - -"}, nil},
		{"link count", []string{file}, []string{"/f 3 100644 2 0 0 0 0.0 - abc -"}, []string{"~ /f (links 1 -> 2)"}},
		{"split inode", []string{file, "/g 0 @100644 1 0 0 0 0.0 /f"}, []string{file, "/g 3 100644 1 0 0 0 0.0 - abc -"}, []string{"~ /g (linked with other names)"}},
		{"joined inode", []string{file, "/g 3 100644 1 0 0 0 0.0 - abc -"}, []string{file, "/g 0 @100644 1 0 0 0 0.0 /f"}, []string{"~ /g (linked with other names)"}},
		{
			"order", nil,
			[]string{"/b 0 40755 2 0 0 0 0.0 - - -", "/b/c 0 40755 2 0 0 0 0.0 - - -", "/b-a 0 40755 2 0 0 0 0.0 - - -", `/a\x20= 0 40755 2 0 0 0 0.0 - - -`},
			[]string{`+ /a\x20=`, "+ /b", "+ /b/c", "+ /b-a"},
		},
	} {
		got := changes(parse(t, c.old...), parse(t, c.new...))
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

func TestDiffStops(t *testing.T) {
	for c := range Diff(randomTree(1), randomTree(2)) {
		_ = c
		break
	}
	seen := 0
	for range Diff(parse(t), systemTree(200)) {
		if seen++; seen == 5 {
			break
		}
	}
	if seen != 5 {
		t.Errorf("saw %d changes", seen)
	}
}

// TestDiffSeesEveryChange breaks a random inode in one way and looks for it.
func TestDiffSeesEveryChange(t *testing.T) {
	breaks := map[Aspect]func(*Node){
		ModeAspect:   func(n *Node) { n.Mode ^= 0o100 },
		OwnerAspect:  func(n *Node) { n.GID++ },
		MtimeAspect:  func(n *Node) { n.Mtime.Nsec ^= 1 },
		XattrsAspect: func(n *Node) { n.SetXattr("user.new", nil) },
	}
	for seed := range uint64(20) {
		a := randomTree(seed)
		for aspect, change := range breaks {
			b := Clone(a)
			change(b)
			for c := range Diff(a, b) {
				if c.Path != "/" || c.What != aspect {
					t.Errorf("changed aspect %b of /, Diff says %s", aspect, c)
				}
				b = nil
			}
			if b != nil {
				t.Errorf("aspect %b of / is not seen", aspect)
			}
		}
	}
}

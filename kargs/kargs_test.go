package kargs

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bootc-go/bootc/composefs/verity"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in   string
		want Line
	}{
		{"", nil},
		{" \t\n\v\f\r", nil},
		{"quiet", Line{"quiet"}},
		{"  ro\tquiet\n", Line{"ro", "quiet"}},
		{`dyndbg="file x +p" ro`, Line{`dyndbg="file x +p"`, "ro"}},
		{`"a=b c" d`, Line{`"a=b c"`, "d"}},
		{`a"b c"d e`, Line{`a"b c"d`, "e"}},
		{`a="b c`, Line{`a="b c"`}},
		{`"" x`, Line{`""`, "x"}},
		{"a=\u00e0 b", Line{"a=\u00e0", "b"}}, // holds the byte A0
		{"init=/bin/sh -- -x", Line{"init=/bin/sh", "--", "-x"}},
	} {
		if diff := cmp.Diff(c.want, Parse(c.in)); diff != "" {
			t.Errorf("Parse(%q): %s", c.in, diff)
		}
	}
}

// The expectations are next_arg of the kernel's lib/cmdline.c, by hand.
func TestKeyAndValue(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		arg        Arg
		key, value string
		ok         bool
	}{
		{"quiet", "quiet", "", false},
		{"a=", "a", "", true},
		{"a=b=c", "a", "b=c", true},
		{`a="b c"`, "a", "b c", true},
		{`"a=b c"`, "a", "b c", true},
		{`"a b"`, "a b", "", false},
		{`a="b`, "a", "b", true},
		{`"a=b`, "a", "b", true},
		{`a=b"`, "a", `b"`, true},
		{`a=b" "c`, "a", `b" "c`, true},
		{"=a", "=a", "", false},
		{"=a=b", "=a", "b", true},
		{`"=a=b"`, "=a", "b", true},
		{"", "", "", false},
		{`"`, "", "", false},
		{`""`, "", "", false},
		{`a=""`, "a", "", true},
		{`a="`, "a", "", true},
	} {
		value, ok := c.arg.Value()
		if key := c.arg.Key(); key != c.key || value != c.value || ok != c.ok {
			t.Errorf("%s: %q, %q, %v; want %q, %q, %v", string(c.arg), key, value, ok, c.key, c.value, c.ok)
		}
	}
}

func TestEqual(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b Arg
		want bool
	}{
		{"quiet", "quiet", true},
		{"rd-x=1", "rd_x=1", true},
		{"x=a-b", "x=a_b", false},
		{`x="a b"`, `"x=a b"`, true},
		{`x="a"`, `x=a`, true},
		{"x", "x=", false},
		{"x=1", "x=2", false},
	} {
		if got := c.a.Equal(c.b); got != c.want {
			t.Errorf("%s and %s: equal is %v", string(c.a), string(c.b), got)
		}
	}
}

func TestLine(t *testing.T) {
	t.Parallel()
	const text = `root=UUID=1 console=tty0 rd.luks-x console=ttyS0 quiet console`
	l := Parse(text)
	if v, ok := l.Last("console"); v != "" || !ok {
		t.Errorf("last console is %q, %v", v, ok)
	}
	if v, ok := l.Last("root"); v != "UUID=1" || !ok {
		t.Errorf("last root is %q, %v", v, ok)
	}
	if _, ok := l.Last("roo"); ok {
		t.Error("there is no roo")
	}
	if v := l.Values("console"); !slices.Equal(v, []string{"tty0", "ttyS0"}) {
		t.Errorf("values of console are %q", v)
	}
	for _, c := range []struct {
		name string
		got  Line
		want string
	}{
		{"with", l.With("a", "b=c"), text + " a b=c"},
		{"without", l.Without("console=tty0", "quiet", "none"), "root=UUID=1 rd.luks-x console=ttyS0 console"},
		{"without key", l.WithoutKey("console"), "root=UUID=1 rd.luks-x quiet"},
		{"without key, other dash", l.WithoutKey("rd.luks_x"), "root=UUID=1 console=tty0 console=ttyS0 quiet console"},
	} {
		if c.got.String() != c.want {
			t.Errorf("%s: %s", c.name, c.got)
		}
	}
	if l.String() != text {
		t.Errorf("the line itself changed: %s", l)
	}
}

func TestRebase(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, line, old, new, want string
	}{
		{"nothing changes", "rw b X a Y", "a b", "a b", "rw b X a Y"},
		{"one comes", "rw a X", "a", "a b", "rw a X b"},
		{"one goes", "rw a b X", "a b", "b", "rw b X"},
		{"all go with the directory", "rw a b X", "a b", "", "rw X"},
		{"a value changes in its place", "rw x=1 X", "x=1", "x=2", "rw x=2 X"},
		{"this machine's value still wins", "rw console=ttyS0", "", "console=tty0", "rw console=tty0 console=ttyS0"},
		{"this machine's value wins after a change", "c=1 rw c=9", "c=1", "c=2", "c=2 rw c=9"},
		{"the new image's order", "rw c=1 c=9 X", "c=1", "c=0 c=1", "rw c=0 c=1 c=9 X"},
		{"the new image's order, nothing new", "c=1 c=2 X", "c=1 c=2", "c=2 c=1", "c=2 c=1 X"},
		{"removed here stays removed", "rw X", "a b", "a c", "rw X c"},
		{"removed here, the key goes on", "rw c=2", "c=1 c=2", "c=1 c=3", "rw c=3"},
		{"removed here, changed by the image", "rw", "c=1", "c=2", "rw c=2"},
		{"once for each time", "a X a", "a", "", "X a"},
		{"twice for twice", "a X a Y a", "a a", "a", "a X Y a"},
		{"added here and by the image", "rw a", "", "a", "rw a a"},
		{"other quotes", `rw x="1 2" y`, `"x=1 2"`, "", "rw y"},
		{"other dashes", "rw a_b=1 y", "a-b=1", "a-b=2", "rw a-b=2 y"},
		{"empty line", "", "a", "b", "b"},
	} {
		line := Parse(c.line)
		got := line.Rebase(Parse(c.old), Parse(c.new)).String()
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
		if line.String() != c.line {
			t.Errorf("%s: the line itself changed to %q", c.name, line)
		}
	}
}

var (
	hex512 = strings.Repeat("0123456789abcdef", 8)
	hex256 = strings.Repeat("0123456789abcdef", 4)
)

func TestFindRoot(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		line, hex string
		optional  bool
	}{
		{"ro composefs=" + hex512 + " quiet", hex512, false},
		{"composefs=?" + hex512, hex512, true},
		{"composefs=" + hex256, hex256, false},
		{`composefs="` + hex512 + `"`, hex512, false},
		{"composefs.digest=v1-sha512-12:" + hex512, hex512, false},
		{"composefs.digest=v2-sha512-12:" + hex512, hex512, false},
		{"composefs.digest=?v1-sha256-12:" + hex256, hex256, true},
		{"composefs=" + hex512 + " composefs.digest=v1-sha512-12:" + hex512, hex512, false},
		{"composefs.x=y composefs=" + hex512, hex512, false},
	} {
		r, err := FindRoot(Parse(c.line))
		if err != nil || r.ID.String() != c.hex || r.Optional != c.optional {
			t.Errorf("%s: %v, %v", c.line, r, err)
		}
		if again, err := FindRoot(Line{r.Arg()}); again != r || err != nil {
			t.Errorf("%s: %s gives %v, %v", c.line, string(r.Arg()), again, err)
		}
	}
}

func TestFindRootErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ line, want string }{
		{"composefs=", `"composefs="`},
		{"composefs", `"composefs"`},
		{"composefs=?", `"composefs=?"`},
		{"composefs=??" + hex512, "composefs=??"},
		{"composefs=" + hex512[1:], hex512[1:]},
		{"composefs=" + strings.ToUpper(hex512), "composefs=0123456789A"},
		{"composefs.digest=" + hex512, "v1-sha512-12"},
		{"composefs.digest=v3-sha512-12:" + hex512, "v3"},
		{"composefs.digest=v1-sha512:" + hex512, "sha512"},
		{"composefs.digest=v1-md5-12:" + hex512, "md5"},
		{"composefs.digest=v1-sha512-12:" + hex256, "sha256"},
		{"composefs=" + hex512 + " composefs=?" + hex512, "contradicts"},
		{"composefs=" + hex512 + " composefs=" + hex256, "contradicts"},
	} {
		_, err := FindRoot(Parse(c.line))
		if err == nil || !strings.Contains(err.Error(), c.want) || errors.Is(err, ErrNoRoot) {
			t.Errorf("%s: %v", c.line, err)
		}
	}
	if _, err := FindRoot(Parse("ro composefs.x=1 xcomposefs=2")); !errors.Is(err, ErrNoRoot) {
		t.Errorf("no root: %v", err)
	}
}

func TestWithRoot(t *testing.T) {
	t.Parallel()
	id, err := verity.ParseHex(hex512)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ line, want string }{
		{"ro", "ro composefs=" + hex512},
		{"", "composefs=" + hex512},
		{"composefs=x ro", "composefs=" + hex512 + " ro"},
		{"a composefs.digest=x b composefs=y c", "a composefs=" + hex512 + " b c"},
	} {
		line := Parse(c.line)
		if got := line.WithRoot(Root{ID: id}).String(); got != c.want {
			t.Errorf("%q: %q, want %q", c.line, got, c.want)
		}
		if line.String() != c.line {
			t.Errorf("%q: the line itself changed to %q", c.line, line)
		}
	}
}

func FuzzLine(f *testing.F) {
	f.Add(`root=UUID=1 dyndbg="file x +p" "a=b c" -- x="`, "a b=1", "b=2 c")
	f.Add("composefs=?"+hex512+" =a \xa0", `"`, `""`)
	f.Fuzz(func(t *testing.T, s, from, to string) {
		l := Parse(s)
		if again := Parse(l.String()); !slices.Equal(l, again) {
			t.Fatalf("%q: %q is not %q", s, l, again)
		}
		for _, a := range l {
			if !a.Equal(a) || a == "" {
				t.Fatalf("%q does not equal itself", string(a))
			}
		}
		if same := l.Rebase(Parse(from), Parse(from)); !slices.Equal(l, same) {
			t.Fatalf("%q: rebased without a change: %q", l, same)
		}
		there := l.Rebase(nil, Parse(to))
		if back := there.Rebase(Parse(to), nil); back.String() != l.String() {
			t.Fatalf("%q: there and back is %q", l, back)
		}
		if again := Parse(there.String()); !slices.Equal(there, again) {
			t.Fatalf("%q: %q is not %q", s, there, again)
		}
		if r, err := FindRoot(l); err == nil && r.ID.IsZero() {
			t.Fatalf("%q: no id and no error", l)
		}
		if len(l.WithRoot(Root{})) == 0 {
			t.Fatal("no root")
		}
	})
}

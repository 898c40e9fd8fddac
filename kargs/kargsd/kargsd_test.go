package kargsd

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
)

func image(files map[string]string) fs.FS {
	m := fstest.MapFS{"usr/lib/os-release": {}}
	for name, text := range files {
		m["usr/lib/bootc/kargs.d/"+name] = &fstest.MapFile{Data: []byte(text)}
	}
	return m
}

func TestLoad(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, arch, want string
		files            map[string]string
	}{
		{name: "no directory"},
		{name: "an empty list", files: map[string]string{"a.toml": "kargs = []"}},
		{
			name: "in the order of names", want: "console=tty0 nosmt console=ttyS1",
			files: map[string]string{
				"02-b.toml": `kargs = ["console=ttyS1"]`,
				"01-a.toml": "# why\nkargs = [\"console=tty0\", \"nosmt\"]\n",
				"03-c.conf": "garbage",
			},
		},
		{
			name: "several in one string", want: `a b="c d"`,
			files: map[string]string{"a.toml": `kargs = ["  a  b=\"c d\" ", ""]`},
		},
		{
			name: "architectures", arch: "amd64", want: "a c",
			files: map[string]string{
				"a.toml": `kargs = ["a"]` + "\n" + `match-architectures = ["aarch64", "x86_64"]`,
				"b.toml": `kargs = ["b"]` + "\n" + `match-architectures = ["aarch64"]`,
				"c.toml": `kargs = ["c"]`,
				"d.toml": `kargs = ["d"]` + "\n" + `match-architectures = []`,
				"e.toml": `kargs = ["e"]` + "\n" + `match-architectures = ["amd64"]`,
			},
		},
		{name: "arm64", arch: "arm64", want: "a", files: map[string]string{"a.toml": "kargs=['a']\nmatch-architectures=['aarch64']"}},
		{name: "ppc64le", arch: "ppc64le", want: "a", files: map[string]string{"a.toml": "kargs=['a']\nmatch-architectures=['powerpc64']"}},
		{name: "s390x", arch: "s390x", want: "a", files: map[string]string{"a.toml": "kargs=['a']\nmatch-architectures=['s390x']"}},
		{name: "riscv64", arch: "riscv64", want: "a", files: map[string]string{"a.toml": "kargs=['a']\nmatch-architectures=['riscv64']"}},
	} {
		got, err := Load(image(c.files), c.arch)
		if err != nil || got.String() != c.want {
			t.Errorf("%s: %q, %v; want %q", c.name, got, err, c.want)
		}
	}
}

func TestLoadErrors(t *testing.T) {
	t.Parallel()
	const file = "/usr/lib/bootc/kargs.d/a.toml"
	for _, c := range []struct{ text, want string }{
		{"kargs = [\"a\"]\n\nkargz = []", file + ":3: unknown key kargz"},
		{"kargs = []\n[x]\ny = 1", file + ":2: unknown key x"},
		{"match_architectures = []\nkargs = []", file + ":1: unknown key match_architectures"},
		{"kargs = []\nkargs = []", file},
		{"\nkargs = [1]", file + ":2: "},
		{"\nkargs = \"a\"", file + ":2: "},
		{"kargs = [\n\"a\n]", file + ":2: "},
		{"", file + `: the list "kargs" is missing`},
		{`match-architectures = ["x86_64"]`, file + `: the list "kargs" is missing`},
		{`kargs = ["a\nlinux /x"]`, file + `: kernel argument "a\nlinux /x": has control characters`},
		{`kargs = ["a=\"b"]`, "a quote that is not closed"},
		{`kargs = ["composefs=abc"]`, "names the root"},
		{`kargs = ["quiet composefs.digest=?abc"]`, "names the root"},
		{"kargs = []\n#" + strings.Repeat("x", maxSize), "more than 65536 bytes"},
	} {
		_, err := Load(image(map[string]string{"a.toml": c.text}), "amd64")
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "cannot read ") {
			t.Errorf("%.60q: %v, want %q", c.text, err, c.want)
		}
	}
}

func TestLoadReportsEveryFile(t *testing.T) {
	t.Parallel()
	_, err := Load(image(map[string]string{"a.toml": "", "b.toml": "kargs = []", "c.toml": "x"}), "amd64")
	if err == nil || !strings.Contains(err.Error(), "a.toml") || !strings.Contains(err.Error(), "c.toml") {
		t.Errorf("%v", err)
	}
}

func TestLoadCannotRead(t *testing.T) {
	t.Parallel()
	f := fstest.MapFS{"usr/lib/bootc/kargs.d/a.toml/x": {}}
	if _, err := Load(f, "amd64"); err == nil {
		t.Error("no error for a directory called a.toml")
	}
	var pe *fs.PathError
	if _, err := Load(fstest.MapFS{"usr/lib/bootc/kargs.d": {}}, "amd64"); !errors.As(err, &pe) {
		t.Errorf("a file called kargs.d: %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("kargs = [\"a\"]\nmatch-architectures = [\"x86_64\"]"))
	f.Add([]byte("x = {y = [1.0, 0x2, true]}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if f, err := decode(data); (err == nil) != (f.Kargs != nil) {
			t.Fatalf("%q: %v, %v", data, f, err)
		}
	})
}

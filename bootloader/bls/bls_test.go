package bls

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bootc-go/bootc/internal/testtool"
)

func TestParse(t *testing.T) {
	t.Parallel()
	in := "# a comment\ntitle\t Debian GNU/Linux 13\r\n\nversion 13\nlinux /a/vmlinuz\n" +
		"options quiet  x=\"a b\"\noptions more\nodd-key  \"quoted all\"\n"
	want := Entry{
		{"title", "Debian GNU/Linux 13"},
		{"version", "13"},
		{"linux", "/a/vmlinuz"},
		{"options", `quiet  x="a b"`},
		{"options", "more"},
		{"odd-key", "quoted all"},
	}
	got, err := Parse([]byte(in))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if v := got.Value("options"); v != "more" {
		t.Errorf("last value of options is %q", v)
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, in, want string }{
		{"no value", "title a\nlinux\n", "line 2: linux has no value"},
		{"empty quotes", "linux \"\"\n", "line 1: linux has no value"},
		{"control character", "title a\x1b[31m\n", "line 1: the value of title has characters that are no text"},
		{"NUL", "ti\x00tle a\n", `line 1: "ti\x00tle" is no key`},
		{"not UTF-8", "title \xff\n", "not UTF-8"},
		{"too long", "title " + strings.Repeat("a", MaxSize), "more than 65536 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if _, err := Parse([]byte(tt.in)); err == nil || err.Error() != tt.want {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

func TestFormatRefuses(t *testing.T) {
	t.Parallel()
	for _, f := range []Field{
		{"", "a"},
		{"a b", "c"},
		{"#a", "b"},
		{"title", ""},
		{"title", "a\nb"},
		{"title", " a"},
		{"options", `"a b" c="d"`},
		{"title", strings.Repeat("a", MaxSize)},
	} {
		if got, err := (Entry{f}).Format(); err == nil {
			t.Errorf("%q became %q", f, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("title a\n# b\nlinux /x\n"))
	f.Add([]byte("options \"\"\"\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := Parse(data)
		if err != nil {
			return
		}
		out, err := e.Format()
		if err != nil {
			t.Fatal(err)
		}
		again, err := Parse(out)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(e, again); d != "" {
			t.Error(d)
		}
	})
}

func TestName(t *testing.T) {
	t.Parallel()
	tests := []struct {
		file string
		want Name
		ok   bool
	}{
		{"bootc_debian-13-1.conf", Name{ID: "bootc_debian-13-1"}, true},
		{"bootc_debian-13-1+3-0.conf", Name{"bootc_debian-13-1", true, 3, 0}, true},
		{"a+2.conf", Name{"a", true, 2, 0}, true},
		{"a+b.conf", Name{ID: "a+b"}, true},
		{"a+99999999999999999999.conf", Name{ID: "a+99999999999999999999"}, true},
		{".conf", Name{}, false},
		{"grub.cfg", Name{}, false},
	}
	for _, tt := range tests {
		got, ok := ParseName(tt.file)
		if got != tt.want || ok != tt.ok {
			t.Errorf("%s: got %+v, %v", tt.file, got, ok)
		}
	}
	if got := (Name{"a", true, 3, 0}).String(); got != "a+3-0.conf" {
		t.Error(got)
	}
}

// systemd-analyze compares versions with the code that systemd-boot's menu uses.
func TestCompareVersions(t *testing.T) {
	t.Parallel()
	analyze := testtool.Path(t, "systemd-analyze")
	pairs := [][2]string{
		{"1", "1"},
		{"1", "2"},
		{"10", "9"},
		{"1.0", "1"},
		{"1~rc1", "1"},
		{"1^post", "1"},
		{"1^post", "1.1"},
		{"007", "7"},
		{"a", "B"},
		{"ab", "a"},
		{"a1", "ab"},
		{"1-2", "1.2"},
		{"", "~"},
		{"", "a"},
		{"0", ""},
		{"0", "a"},
		{"123_4", "1234"},
		{"13.1", "13-1"},
		{"trixie/sid", "13"},
		{"--", "-"},
		{"~~", "~"},
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 150 {
		pairs = append(pairs, [2]string{word(r), word(r)})
	}
	for _, p := range pairs {
		if got, want := CompareVersions(p[0], p[1]), analyzed(t, analyze, p[0], p[1]); got != want {
			t.Errorf("%q against %q: got %d, systemd has %d", p[0], p[1], got, want)
		}
	}
}

func word(r *rand.Rand) string {
	const alphabet = "0012a2bZ.-~^_+"
	b := make([]byte, r.IntN(7))
	for i := range b {
		b[i] = alphabet[r.IntN(len(alphabet))]
	}
	return string(b)
}

// analyzed asks systemd-analyze: it ends with 12 for "<", 0 for "=" and 11 for ">".
func analyzed(t *testing.T, analyze, a, b string) int {
	t.Helper()
	out, err := exec.Command(analyze, "compare-versions", "--", a, b).CombinedOutput()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit) && exit.ExitCode() == 12:
		return -1
	case errors.As(err, &exit) && exit.ExitCode() == 11:
		return 1
	}
	t.Fatal(fmt.Errorf("%w: %s", err, bytes.TrimSpace(out)))
	return 0
}

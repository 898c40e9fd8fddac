package selinux

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// runes returns s with a rune for each byte.
func runes(s string) string {
	out := make([]rune, len(s))
	for i := range len(s) {
		out[i] = rune(s[i])
	}
	return string(out)
}

// oneByOne is the straightforward labelling: it tries the patterns as they
// stand in the policy from the last to the first.
type oneByOne struct {
	exprs    []*regexp.Regexp
	contexts []string
}

func (o *oneByOne) add(t testing.TB, pattern, kind, context string) {
	re, err := regexp.Compile("(?s)^(?:" + runes(pattern) + ")" + kind + "$")
	if err != nil {
		t.Fatal(err)
	}
	o.exprs, o.contexts = append(o.exprs, re), append(o.contexts, context)
}

func (o *oneByOne) label(path string, kind byte) string {
	key := runes(path + string(kind))
	for i, expr := range slices.Backward(o.exprs) {
		if expr.MatchString(key) {
			return o.contexts[i]
		}
	}
	return ""
}

// TestAgainstOneByOne compares random policies with the straightforward way.
func TestAgainstOneByOne(t *testing.T) {
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		var text strings.Builder
		naive := &oneByOne{}
		for i := range 40 {
			pattern, kind, context := randomPattern(rnd), ".", fmt.Sprintf("c%d", i)
			field := ""
			if rnd.IntN(4) == 0 {
				kind = string(kindCodes[rnd.IntN(kinds)])
				field = "-" + kind
			}
			fmt.Fprintf(&text, "%s %s %s\n", pattern, field, context)
			naive.add(t, pattern, kind, context)
		}
		p := policyOf(t, text.String())
		for range 300 {
			path, k := randomPath(rnd), rnd.IntN(kinds)
			got, _, err := p.Label(path, modes[k])
			if err != nil {
				t.Fatal(err)
			}
			if want := naive.label(path, kindCodes[k]); got != want {
				t.Fatalf("seed %d: %q type %c: got %q, want %q of\n%s", seed, path, kindCodes[k], got, want, &text)
			}
		}
	}
}

func randomPattern(rnd *rand.Rand) string {
	parts := []string{"/a", "/b", "/ab", "a", "b", "c", "/", ".", ".*", "(/.*)?", "[^/]*", "(a|b)", "(a|b|c)+", "[a-b]", "b?", "a{1,2}", "|/a", "(/a)?", "^", "$", "(|b)", `\.`, "é"}
	out := "/"
	if rnd.IntN(10) == 0 {
		out = ""
	}
	last := ""
	for range 1 + rnd.IntN(5) {
		part := parts[rnd.IntN(len(parts))]
		out += part
		last = part
	}
	if last == "|/a" {
		out += "b"
	}
	if out == "" || strings.HasPrefix(out, "|") {
		out = "/a" + out
	}
	return out
}

func randomPath(rnd *rand.Rand) string {
	parts := []string{"/", "a", "b", "c", "/a", "/b", "ab", ".", "\n", "\xff", "é"}
	out := "/"
	for range rnd.IntN(6) {
		out += parts[rnd.IntN(len(parts))]
	}
	return out
}

func TestForgetsStates(t *testing.T) {
	text := "/.* d\n/x/.*a.*b.*c.* abc\n/(.*/)?[0-9]*7 seven\n"
	p := policyOf(t, text)
	naive := &oneByOne{}
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		naive.add(t, f[0], ".", f[1])
	}
	rnd := rand.New(rand.NewPCG(2, 2))
	for i := range 5000 {
		if i%7 == 6 {
			p.automaton.forget()
		}
		path := fmt.Sprintf("/x/%d/%s", i, string("abcd7/"[rnd.IntN(6)])+randomPath(rnd))
		got, _, err := p.Label(path, unix.S_IFREG)
		if want := naive.label(path, '-'); err != nil || got != want {
			t.Fatalf("%q: got %q, %v, want %q", path, got, err, want)
		}
	}
}

func TestHostilePolicies(t *testing.T) {
	t.Parallel()
	many := func(n int, line string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, line+" c%d\n", i, i)
		}
		return b.String()
	}
	long := "/" + strings.Repeat("a", 4000)
	for name, text := range map[string]string{
		"repeated repetition": "/" + strings.Repeat("(", 10) + "a" + strings.Repeat("{30})", 10) + " c\n",
		"big":                 "/(" + strings.Repeat("a{900}", 600) + ") c\n",
		"many big":            many(3000, "/("+strings.Repeat("a{900}", 10)+"x%d)"),
		"slow automaton":      many(50_000, "/.*a.*b.*c.*%d"),
		"lookaround":          "/(?=(a+)+$)(a*)*(a*)*(a*)*b c\n",
		"many lookarounds":    many(501, "/(?!a)%d"),
		"too many":            many(maxSpecs+1, "/%d"),
		"too long":            strings.Repeat("#\n", MaxFileSize/2+1),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			err := labelAll(text, long)
			if !errors.Is(err, ErrTooComplex) && !errors.Is(err, errDialect) {
				t.Errorf("got %v", err)
			}
			if took := time.Since(start); took > 20*time.Minute {
				t.Errorf("took %v", took)
			}
		})
	}
}

// labelAll labels many paths that begin with path and returns the first error.
func labelAll(contexts, path string) error {
	p, err := Load(reader(map[string][]byte{
		"/etc/selinux/config":                            []byte("SELINUXTYPE=test\n"),
		"/etc/selinux/test/contexts/files/file_contexts": []byte(contexts),
	}))
	if err != nil {
		return err
	}
	for i := range 1 << 20 {
		if _, _, err := p.Label(fmt.Sprintf("%s%d%x", path, i, i*i), unix.S_IFREG); err != nil {
			return err
		}
	}
	return nil
}

func FuzzFileContexts(f *testing.F) {
	f.Add([]byte("/.* u:object_r:default_t:s0\n/usr(/.*)? -d <<none>>\n"), "/usr/x")
	f.Add([]byte("/a{1,3}[^/[:alpha:]]+\\.so c\n"), "/aa0.so")
	f.Add([]byte("/(?!x).*(a|b)\\1 -- c\n"), "/yaa")
	f.Add([]byte("# x\n/[\xc3\xa9]? c\n\xff"), "/\xc3\n")
	f.Fuzz(func(t *testing.T, contexts []byte, path string) {
		p, err := Load(reader(map[string][]byte{
			"/etc/selinux/config":                            []byte("SELINUXTYPE=test\n"),
			"/etc/selinux/test/contexts/files/file_contexts": contexts,
		}))
		if err != nil {
			return
		}
		for _, mode := range modes {
			label, ok, err := p.Label(path, mode)
			if err != nil {
				if !errors.Is(err, ErrTooComplex) {
					t.Errorf("%q: %v", path, err)
				}
				return
			}
			if ok == (label == "") {
				t.Errorf("%q: label %q, %v", path, label, ok)
			}
			checkNaive(t, contexts, path, mode, label)
		}
	})
}

// checkNaive compares with package regexp, where it reads the same language.
func checkNaive(t *testing.T, contexts []byte, path string, mode uint32, label string) {
	want := ""
	for line := range strings.Lines(string(contexts)) {
		f := fields(line)
		if len(f) == 0 {
			continue
		}
		s, err := parseSpec(f)
		if err != nil || s.pattern.backtrack || !s.pattern.dotNewline || strings.ContainsAny(f[0], `\[`) {
			return
		}
		re, err := regexp.Compile("(?s)^(?:" + runes(f[0]) + ")$")
		if err != nil || strings.ContainsAny(f[0], "^$") || hasHighByte(f[0]) {
			return
		}
		if re.MatchString(runes(path)) && (s.kind == anyKind || s.kind == kindOf(mode)) {
			want = s.context
		}
	}
	if want == noContext {
		want = ""
	}
	if label != want {
		t.Errorf("%q: label %q, want %q", path, label, want)
	}
}

func hasHighByte(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r >= 0x80 }) >= 0
}

// fedoraLike returns a policy of the size of Fedora's and with about its shares
// of each form (half are plain paths, one in twenty has a wildcard in the
// middle), and paths in directories of a dozen files.
func fedoraLike(specs, paths int) (string, []string) {
	rnd := rand.New(rand.NewPCG(3, 3))
	word := func() string { return fmt.Sprintf("%c%x", 'a'+rune(rnd.IntN(26)), rnd.IntN(4000)) }
	dirs := []string{"/usr/lib", "/usr/bin", "/usr/sbin", "/usr/share", "/usr/libexec", "/etc", "/var/lib", "/var/log", "/opt", "/dev", "/root"}
	dir := func() string { return dirs[rnd.IntN(len(dirs))] }
	var b strings.Builder
	b.WriteString("/.* u:object_r:default_t:s0\n")
	for i := range specs {
		fmt.Fprintf(&b, randomForm(rnd), dir(), word())
		fmt.Fprintf(&b, "\t%s\tu:object_r:t%d_t:s0\n", []string{"", "--", "-d", "-l"}[rnd.IntN(4)], i%900)
	}
	var list []string
	for len(list) < paths {
		below := dir() + "/" + word() + "/" + word()
		for range 12 {
			list = append(list, below+"/"+word()+".so")
		}
	}
	return b.String(), list[:paths]
}

func randomForm(rnd *rand.Rand) string {
	switch n := rnd.IntN(100); {
	case n < 48:
		return "%s/%s"
	case n < 75:
		return "%s/%s(/.*)?"
	case n < 87:
		return "%s/%s.*"
	case n < 95:
		return []string{"%s/[^/]*/%s(/.*)?", "%s/(s)?bin/%s", `%s/%s\.so\.[0-9]`}[rnd.IntN(3)]
	}
	return []string{"%s/(.*/)?%s", `%s(/.*)?/%s\.pid`, "%s/.*/%s(/.*)?"}[rnd.IntN(3)]
}

// TestWorkIsBounded says of the time to label 100,000 paths what a test can say
// that runs on any machine.
func TestWorkIsBounded(t *testing.T) {
	text, paths := fedoraLike(6500, 100_000)
	p := policyOf(t, text)
	for _, path := range paths {
		if _, _, err := p.Label(path, unix.S_IFREG); err != nil {
			t.Fatal(err)
		}
	}
	if got := p.automaton.work; got > 500*len(paths) {
		t.Errorf("looked at %d instructions for %d paths", got, len(paths))
	}
}

func BenchmarkLabel(b *testing.B) {
	text, paths := fedoraLike(6500, 100_000)
	for b.Loop() {
		p := policyOf(b, text)
		for _, path := range paths {
			if _, _, err := p.Label(path, unix.S_IFREG); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(len(paths)*b.N)/b.Elapsed().Seconds(), "paths/s")
}

package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// mixed is a package of every kind of outcome but a panic.
const mixed = `package p

import "testing"

func TestGood(t *testing.T) { t.Log("good words"); t.Run("sub", func(*testing.T) {}) }
func TestBad(t *testing.T)  { t.Error("bad words") }
func TestNot(t *testing.T)  { t.Skip("no", "tool") }
`

// TestRepeat has make and a shell read the command that repeats a failure.
func TestRepeat(t *testing.T) {
	s := newSummary(&bytes.Buffer{})
	for _, name := range []string{"TestA/sub_b/c", "TestA/sub_b", "TestA", "TestB"} {
		s.repeat(event{Package: "m/p", Test: name})
	}
	var got []string
	for _, e := range s.repeats {
		command := "-n " + strings.TrimPrefix(repeatCommand(e), "make ")
		t.Chdir(scratch(t, ""))
		if err := os.WriteFile("Makefile", []byte("test:\n\techo go test $(TESTARGS) $(PKG)\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command("sh", "-c", "env -u MAKEFLAGS -u MAKELEVEL make "+command+" | sh").CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", command, err, out)
		}
		got = append(got, strings.TrimSpace(string(out)))
	}
	want := []string{"go test -run ^TestA$/^sub_b$/^c$ m/p", "go test -run ^TestB$ m/p"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestRun(t *testing.T) {
	tests := []struct {
		name, source string
		args         []string
		ok           bool
		closing      string
		want, unwant []string
	}{
		{
			name: "every outcome", source: mixed,
			closing: "2 passed, 1 failed, 1 skipped",
			want:    []string{"bad words", "FAIL scratch/p", "SKIP scratch/p TestNot: p_test.go:7: no tool"}, unwant: []string{"good words"},
		},
		{
			name: "a skip is let through", source: mixed, args: []string{"-run", "Good|Not"},
			ok: true, closing: "2 passed, 0 failed, 1 skipped", want: []string{"ok   scratch/p"},
		},
		{
			name: "a skip fails when told so", source: mixed, args: []string{"-noskip", "-run", "Good|Not"},
			closing: "2 passed, 0 failed, 1 skipped",
		},
		{
			name: "panic", source: "package p\n\nimport \"testing\"\n\nfunc TestP(*testing.T) { panic(\"at the disco\") }\n",
			closing: "0 passed, 1 failed, 0 skipped", want: []string{"at the disco"},
		},
		{
			name: "exit in a test", source: "package p\n\nimport (\"os\"; \"testing\")\n\nfunc TestP(t *testing.T) { t.Log(\"last words\"); os.Exit(3) }\n",
			closing: "0 passed, 1 failed, 0 skipped",
		},
		{
			name: "build failure", source: "package p\n\nfunc f() { undefined() }\n",
			closing: "0 passed, 1 failed, 0 skipped", want: []string{"undefined"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Chdir(scratch(t, tt.source))
			var stdout, stderr bytes.Buffer
			ok, err := run(context.Background(), &stdout, &stderr, append(tt.args, "./..."))
			if err != nil {
				t.Fatalf("run: %v\n%s", err, &stderr)
			}
			if ok != tt.ok {
				t.Errorf("run reports %v, want %v", ok, tt.ok)
			}
			lines := strings.Split(strings.TrimSpace(stdout.String()), "\n")
			if got := lines[len(lines)-1]; got != tt.closing {
				t.Errorf("closing line %q, want %q in\n%s", got, tt.closing, &stdout)
			}
			for _, w := range tt.want {
				if !strings.Contains(stdout.String(), w) {
					t.Errorf("%q is missing in\n%s", w, &stdout)
				}
			}
			for _, w := range tt.unwant {
				if strings.Contains(stdout.String(), w) {
					t.Errorf("%q is noise in\n%s", w, &stdout)
				}
			}
		})
	}
}

// TestRunNoGo checks that a go command that cannot do its work is a failure of
// its own kind.
func TestRunNoGo(t *testing.T) {
	t.Chdir(scratch(t, mixed))
	var stdout, stderr bytes.Buffer
	ok, err := run(context.Background(), &stdout, &stderr, []string{"./nowhere"})
	if ok || (err == nil && !regexp.MustCompile(`[1-9]\d* failed`).MatchString(stdout.String())) {
		t.Errorf("run reports %v, %v:\n%s", ok, err, &stdout)
	}
}

// scratch makes a module of its own with one package whose test file is source.
func scratch(t *testing.T, source string) string {
	t.Helper()
	dir := t.TempDir()
	files := map[string]string{
		"go.mod":        "module scratch\n\ngo 1.26.0\n",
		"p/p.go":        "package p\n",
		"p/p_test.go":   source,
		"q/no_tests.go": "package q\n",
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

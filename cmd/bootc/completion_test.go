package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bootc-go/bootc/internal/testtool"
)

// completionCases are command lines, the last word of which is completed, and what all
// shells must offer among other things, and must not.
var completionCases = []struct {
	line      []string
	want, not []string
}{
	{line: []string{"sta"}, want: []string{"status"}, not: []string{"install", "internals"}},
	{line: []string{""}, want: []string{"status", "install", "container", "upgrade"}, not: []string{"internals", "completion", "--version", "file.img"}},
	{line: []string{"install", "to-d"}, want: []string{"to-disk"}, not: []string{"to-filesystem"}},
	{line: []string{"install", "to-disk", "--wip"}, want: []string{"--wipe"}, not: []string{"--via-loopback"}},
	{line: []string{"install", "to-disk", "fi"}, want: []string{"file.img"}, not: []string{"to-disk"}},
	{line: []string{"install", "to-disk", "--root-ssh-authorized-keys", "fi"}, want: []string{"file.img"}},
	{line: []string{"install", "to-disk", "--", "fi"}, want: []string{"file.img"}},
	{line: []string{"container", "lint", "--rootfs", "d"}, want: []string{"dir/"}, not: []string{"dump.txt"}},
	{line: []string{"status", "--format", ""}, want: []string{"humanreadable", "yaml", "json"}, not: []string{"file.img"}},
	{line: []string{"switch", "--transport", "re"}, want: []string{"registry"}, not: []string{"oci"}},
	{line: []string{"switch", "--transport", "oci"}, want: []string{"oci", "oci-archive"}, not: []string{"registry"}},
	{line: []string{"upgrade", "--soft-reboot", ""}, want: []string{"required", "auto"}, not: []string{"a"}},
	{line: []string{"update", "--che"}, want: []string{"--check"}},
	{line: []string{"internals", "cfs", "--repo", "oci", "g"}, want: []string{"gc"}, not: []string{"images"}},
	{line: []string{"internals", "fsverity", ""}, want: []string{"digest", "enable", "measure"}},
	{line: []string{"status", ""}, not: []string{"install", "file.img"}},
}

// completionDir is a directory with files to complete, and the scripts.
func completionDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"file.img", "dump.txt", "dir/x"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	e := &env{stdin: strings.NewReader(""), stdout: &bytes.Buffer{}, stderr: &bytes.Buffer{}, root: "/", getenv: func(string) string { return "" }}
	for shell, text := range completions(e.app()) {
		if err := os.WriteFile(filepath.Join(dir, ".script."+shell), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// checkCompletions asks the shell, by a program that prints what it offers, a line each.
func checkCompletions(t *testing.T, shell string, program func(line []string) []string) {
	t.Helper()
	dir := completionDir(t)
	for _, c := range completionCases {
		cmd := exec.CommandContext(t.Context(), testtool.Path(t, shell), program(c.line)...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_CONFIG_HOME="+dir+"/.config", "XDG_DATA_HOME="+dir+"/.data", "TERM=dumb")
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil || stderr.Len() > 0 {
			t.Fatalf("%q: %v: %s", c.line, err, &stderr)
		}
		got := strings.Fields(string(out))
		for _, w := range c.want {
			if !slices.Contains(got, w) && !slices.Contains(got, strings.TrimSuffix(w, "/")) {
				t.Errorf("%q: no %s in %q", c.line, w, got)
			}
		}
		for _, n := range c.not {
			if slices.Contains(got, n) {
				t.Errorf("%q: %s in %q", c.line, n, got)
			}
		}
	}
}

func TestBashCompletes(t *testing.T) {
	t.Parallel()
	checkCompletions(t, "bash", func(line []string) []string {
		return append([]string{"--norc", "-c", `
			. ./.script.bash
			compopt() { :; } # there is no line being edited
			COMP_WORDS=(bootc "$@") COMP_CWORD=$# COMP_LINE="bootc $*" COMP_POINT=${#COMP_LINE}
			[[ $(complete -p bootc) == *"-F _bootc"* ]] || exit 1
			_bootc bootc "${!#}"
			printf '%s\n' "${COMPREPLY[@]}"`, "bash"}, line...)
	})
}

// TestBashCompletesAfterEquals has the words as bash makes them of --format=js.
func TestBashCompletesAfterEquals(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), testtool.Path(t, "bash"), "--norc", "-c", `
		. ./.script.bash
		for last in "" js; do
			COMP_WORDS=(bootc status --format = "$last") COMP_CWORD=4
			_bootc; echo "${COMPREPLY[@]}"
		done
		COMP_WORDS=(bootc status --format =) COMP_CWORD=3
		_bootc; echo "${COMPREPLY[@]}"
		COMP_WORDS=(bootc status --format = yaml --verb) COMP_CWORD=5
		_bootc; echo "${COMPREPLY[@]}"`)
	cmd.Dir = completionDir(t)
	out, err := cmd.CombinedOutput()
	if diff := cmp.Diff([]string{"humanreadable yaml json", "json", "humanreadable yaml json", "--verbose", ""}, strings.Split(string(out), "\n")); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

// TestZshCompletes replaces what zsh's own functions draw.
func TestZshCompletes(t *testing.T) {
	t.Parallel()
	checkCompletions(t, "zsh", func(line []string) []string {
		return append([]string{"-f", "-c", `
			compdef() { [[ "$*" == "_bootc bootc" ]] || exit 1 }
			. ./.script.zsh
			compadd() { shift; for w; do [[ $w == ${words[CURRENT]}* ]] && print -r -- $w; done; : }
			compset() { : }
			_files() { if [[ $1 == -/ ]]; then print -rl -- ${words[CURRENT]}*(N/); else print -rl -- ${words[CURRENT]}*(N); fi }
			words=(bootc "$@") CURRENT=$(($# + 1))
			_bootc; :`, "zsh"}, line...)
	})
}

func TestFishCompletes(t *testing.T) {
	t.Parallel()
	checkCompletions(t, "fish", func(line []string) []string {
		last := line[len(line)-1]
		quoted := strings.Join(line[:len(line)-1], " ") + " " + last
		return []string{"--no-config", "-c", `source ./.script.fish; complete -C "bootc ` + strings.TrimLeft(quoted, " ") + `" | string split -f1 \t; true`}
	})
}

func TestCompletionCommand(t *testing.T) {
	t.Parallel()
	for shell, start := range map[string]string{"bash": "# Completions", "zsh": "#compdef bootc\n", "fish": "# Completions"} {
		var out, stderr bytes.Buffer
		e := &env{stdin: strings.NewReader(""), stdout: &out, stderr: &stderr, root: "/", getenv: func(string) string { return "" }}
		if code := run(t.Context(), e, []string{"bootc", "completion", shell}); code != 0 || !strings.HasPrefix(out.String(), start) {
			t.Errorf("%s: %d, %s", shell, code, &stderr)
		}
		if code := run(t.Context(), e, []string{"bootc", "completion", "tcsh"}); code != 2 {
			t.Errorf("tcsh: %d", code)
		}
	}
}

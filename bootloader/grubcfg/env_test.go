package grubcfg

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bootc-go/bootc/internal/testtool"
)

// editenv runs GRUB's own tool on a file.
func editenv(t *testing.T, file string, args ...string) string {
	t.Helper()
	out, err := exec.Command(testtool.Path(t, "grub-editenv"), append([]string{file}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("grub-editenv %q: %v: %s", args, err, out)
	}
	return string(out)
}

func readEnv(t *testing.T, file string) Env {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	env, err := ParseEnv(data)
	if err != nil {
		t.Fatal(err)
	}
	return env
}

// odd are values that need care.
var odd = map[string]string{"plain": "2-1", "backslash": `a\b\\`, "equals": "a=b=c", "blank": " a # b ", "empty": ""}

// TestEnvOfGRUB reads what GRUB's tool wrote.
func TestEnvOfGRUB(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "grubenv")
	editenv(t, file, "create")
	if names := readEnv(t, file).Names(); len(names) > 0 {
		t.Errorf("variables of an empty block: %q", names)
	}
	for name, value := range odd {
		editenv(t, file, "set", name+"="+value)
	}
	editenv(t, file, "set", "gone=x")
	editenv(t, file, "unset", "gone")
	env := readEnv(t, file)
	for name, value := range odd {
		if got := env.Value(name); got != value {
			t.Errorf("%s is %q, want %q", name, got, value)
		}
	}
	if slices.Contains(env.Names(), "gone") || len(env.Names()) != len(odd) {
		t.Errorf("variables %q", env.Names())
	}
}

// TestEnvForGRUB has GRUB's tool read and change what we wrote.
func TestEnvForGRUB(t *testing.T) {
	t.Parallel()
	var env Env
	for name, value := range odd {
		env.Set(name, "before")
		env.Set(name, value)
	}
	env.Set("gone", "x")
	env.Unset("gone")
	data, err := env.Format()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "grubenv")
	if err := os.WriteFile(file, data, 0o644); err != nil {
		t.Fatal(err)
	}
	var want []string
	for name, value := range odd {
		want = append(want, name+"="+value)
	}
	got := strings.Split(strings.TrimRight(editenv(t, file, "list"), "\n"), "\n")
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("grub-editenv lists %q, want %q", got, want)
	}
	editenv(t, file, "set", "plain=1-2")
	if fi, err := os.Stat(file); err != nil || fi.Size() != EnvSize {
		t.Errorf("%v, %v", fi, err)
	}
	if got := readEnv(t, file).Value("plain"); got != "1-2" {
		t.Errorf("plain is %q", got)
	}
}

// What is of others stays, in its order, and a block never grows.
func TestEnvKeeps(t *testing.T) {
	t.Parallel()
	block := envSignature + "# WARNING\nsaved_entry=a\\\nb\nx=1\n"
	block += strings.Repeat("#", EnvSize-len(block))
	env, err := ParseEnv([]byte(block))
	if err != nil {
		t.Fatal(err)
	}
	same, err := env.Format()
	if err != nil || string(same) != block {
		t.Errorf("written again: %q, %v", same, err)
	}
	if got := env.Value("saved_entry"); got != "a\nb" {
		t.Errorf("saved_entry is %q", got)
	}
	env.Set("first", "1")
	if data, err := env.Format(); err != nil || !strings.HasPrefix(string(data), envSignature+"first=1\n") {
		t.Errorf("%q, %v", data, err)
	}
	env.Set("big", strings.Repeat("x", EnvSize))
	if _, err := env.Format(); err == nil {
		t.Error("a block that is too large was written")
	}
	for _, bad := range []string{"", envSignature, block + "#", strings.Repeat("#", EnvSize)} {
		if _, err := ParseEnv([]byte(bad)); err == nil {
			t.Errorf("read %.40q", bad)
		}
	}
}

func FuzzEnv(f *testing.F) {
	f.Add("a", "b", `c\`)
	f.Fuzz(func(t *testing.T, name, value, rest string) {
		block := envSignature + rest
		if len(block) > EnvSize {
			return
		}
		env, err := ParseEnv([]byte(block + strings.Repeat("#", EnvSize-len(block))))
		if err != nil {
			t.Fatal(err)
		}
		if name == "" || strings.ContainsAny(name, "=#\\\n\x00") {
			return
		}
		env.Set(name, value)
		data, err := env.Format()
		if err != nil {
			return
		}
		again, err := ParseEnv(data)
		if err != nil || again.Value(name) != value {
			t.Errorf("%q became %q, %v", value, again.Value(name), err)
		}
	})
}

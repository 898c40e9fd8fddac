package setuptest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bootc-go/bootc/internal/testcache"
	"github.com/bootc-go/bootc/internal/testtool"
)

// fakeGo is a Go of version $1 whose own setting of GOTOOLCHAIN is $2. From 1.21 on it
// switches, inside the module, to the version that go.mod names, if it may; it finds that
// version only if $3 is "online".
const fakeGo = `#!/bin/sh
version=%s mode=${GOTOOLCHAIN:-%s} network=%s
switch() { case $version in 1.19.*) return 1 ;; esac; [ -e go.mod ] && [ "$mode" != local ]; }
case "$*" in
version)
	echo "go version go$version linux/amd64" ;;
'env GOTOOLCHAIN')
	case $version in 1.19.*) echo ;; *) echo "$mode" ;; esac ;;
'env GOVERSION')
	if ! switch; then
		echo "go$version"
	elif [ "$network" = online ]; then
		echo "go$(awk '$1 == "go" { print $2 }' go.mod)"
	else
		echo 'go: download go1.26.0 for linux/amd64: toolchain not available' >&2
		exit 1
	fi ;;
esac
`

// TestCheckGo checks what a machine with this or that Go, or none, is told. Its cases take
// turns: a program that is written while another is started is "busy" now and then.
func TestCheckGo(t *testing.T) {
	for _, c := range []struct{ name, version, mode, network, want string }{
		{"of go.mod", "1.26.0", "local", "offline", ""},
		{"newer", "1.30.1", "local", "offline", ""},
		{"development version", "1.31-devel_abc", "local", "offline", ""},
		{"fetches", "1.24.4", "auto", "online", ""},
		{"of Debian 12", "1.19.8", "auto", "online", "Go 1.19.8 is too old: install Go 1.21 or newer, which fetches"},
		{"kept from fetching", "1.24.4", "local", "online", "GOTOOLCHAIN=local keeps it from fetching that: run 'export GOTOOLCHAIN=auto'"},
		{"cannot fetch", "1.24.4", "auto", "offline", "Go 1.24.4 cannot fetch Go 1.26.0"},
		{"none", "", "", "", "there is no go in PATH: install Go 1.21 or newer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := module(t, "check-go.sh")
			borrow(t, root, "awk", "dirname", "sort")
			if c.version != "" {
				program(t, root, "go", fmt.Sprintf(fakeGo, c.version, c.mode, c.network))
			}
			cmd := exec.CommandContext(t.Context(), filepath.Join(root, "scripts", "check-go.sh"))
			cmd.Env = []string{"PATH=" + filepath.Join(root, "bin")}
			out, err := cmd.CombinedOutput()
			if c.want == "" && (err != nil || len(out) > 0) {
				t.Errorf("%v\n%s", err, out)
			}
			if c.want != "" && (err == nil || !strings.Contains(lastLine(out), c.want)) {
				t.Errorf("it ends with %v and\n%swant %q in its last line", err, out, c.want)
			}
		})
	}
}

// module returns a directory with a go.mod, copies of the named scripts, and an empty
// bin.
func module(t *testing.T, scripts ...string) string {
	t.Helper()
	root := t.TempDir()
	for _, dir := range []string{"bin", "scripts"} {
		if err := os.Mkdir(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(root, "go.mod"), []byte("module example.org/m\n\ngo 1.26.0\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, name := range scripts {
		text, err := os.ReadFile(filepath.Join(testcache.ModuleRoot(t), "scripts", name))
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(root, "scripts", name), string(text))
	}
	return root
}

// program puts a program into the module's bin.
func program(t *testing.T, root, name, text string) {
	t.Helper()
	write(t, filepath.Join(root, "bin", name), text)
}

// borrow puts this machine's programs into the module's bin.
func borrow(t *testing.T, root string, names ...string) {
	t.Helper()
	for _, name := range names {
		if err := os.Symlink(testtool.Path(t, name), filepath.Join(root, "bin", name)); err != nil {
			t.Fatal(err)
		}
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}

func lastLine(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return lines[len(lines)-1]
}

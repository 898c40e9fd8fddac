package atomicfile

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

func openDir(t *testing.T) *os.File {
	t.Helper()
	dir, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dir.Close() })
	return dir
}

// names lists what stands in dir, temporary files included.
func names(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return strings.Join(all, " ")
}

func TestWriteFile(t *testing.T) {
	dir := openDir(t)
	if err := os.Mkdir(filepath.Join(dir.Name(), "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"f", "sub/f"} {
		for _, content := range []string{"old and longer", "new"} {
			if err := WriteFile(dir, name, []byte(content), 0o644); err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(filepath.Join(dir.Name(), name))
			if err != nil || string(got) != content {
				t.Errorf("%s holds %q, %v; want %q", name, got, err, content)
			}
		}
	}
	if got := names(t, dir.Name()); got != "f sub" {
		t.Errorf("directory holds %q", got)
	}
}

// TestUmask cannot run beside other tests: the umask is the process's.
func TestUmask(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o077))
	dir := openDir(t)
	for _, perm := range []fs.FileMode{0o644, 0o600, 0o755, 0o444} {
		if err := WriteFile(dir, "f", nil, perm); err != nil {
			t.Fatal(err)
		}
		st, err := os.Stat(filepath.Join(dir.Name(), "f"))
		if err != nil || st.Mode() != perm {
			t.Errorf("mode %v, %v; want %v", st.Mode(), err, perm)
		}
	}
}

func TestFailedWriteLeavesOldFile(t *testing.T) {
	dir := openDir(t)
	if err := WriteFile(dir, "f", []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	boom := errors.New("boom")
	err := Write(dir, "f", 0o644, func(w io.Writer) error {
		io.WriteString(w, "half")
		return boom
	})
	if !errors.Is(err, boom) || !strings.HasPrefix(err.Error(), "cannot write f: ") {
		t.Errorf("error %v", err)
	}
	if got, _ := os.ReadFile(filepath.Join(dir.Name(), "f")); string(got) != "old" {
		t.Errorf("file holds %q", got)
	}
	if got := names(t, dir.Name()); got != "f" {
		t.Errorf("directory holds %q", got)
	}
}

func TestWriteOverDirectoryFails(t *testing.T) {
	dir := openDir(t)
	if err := os.Mkdir(filepath.Join(dir.Name(), "d"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(dir, "d", nil, 0o644); err == nil {
		t.Error("a file replaced a directory")
	}
	if err := WriteFile(dir, "missing/f", nil, 0o644); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing directory: error %v", err)
	}
	if got := names(t, dir.Name()); got != "d" {
		t.Errorf("directory holds %q", got)
	}
}

func TestSymlink(t *testing.T) {
	dir := openDir(t)
	if err := os.Mkdir(filepath.Join(dir.Name(), "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(dir, "sub/l", []byte("a file in the way"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{"one", "one", "../two", "one/longer"} {
		if err := Symlink(dir, target, "sub/l"); err != nil {
			t.Fatal(err)
		}
		if got, err := os.Readlink(filepath.Join(dir.Name(), "sub/l")); err != nil || got != target {
			t.Errorf("link to %q, %v; want %q", got, err, target)
		}
	}
	if got := names(t, dir.Name()); got != "sub" {
		t.Errorf("directory holds %q", got)
	}
	if err := Symlink(dir, "x", "sub"); err == nil {
		t.Error("a link replaced a directory")
	}
	if err := Symlink(dir, "x", "missing/l"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing directory: error %v", err)
	}
}

func TestRemove(t *testing.T) {
	dir := openDir(t)
	if err := Symlink(dir, "nowhere", "l"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := Remove(dir, "l"); err != nil {
			t.Error(err)
		}
	}
	if got := names(t, dir.Name()); got != "" {
		t.Errorf("directory holds %q", got)
	}
	if err := os.Mkdir(filepath.Join(dir.Name(), "d"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := Remove(dir, "d"); err == nil || !strings.HasPrefix(err.Error(), "cannot remove d: ") {
		t.Errorf("removing a directory: %v", err)
	}
}

func TestSyncDir(t *testing.T) {
	dir := openDir(t)
	if err := SyncDir(dir); err != nil {
		t.Error(err)
	}
	dir.Close()
	if err := SyncDir(dir); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("closed directory: %v", err)
	}
}

// TestConcurrent lets writers of two contents race while a reader looks: it
// must see one of them, whole, and nothing may be left over.
func TestConcurrent(t *testing.T) {
	dir := openDir(t)
	contents := [][]byte{bytes.Repeat([]byte("a"), 100_000), bytes.Repeat([]byte("b"), 50_000)}
	if err := WriteFile(dir, "f", contents[0], 0o644); err != nil {
		t.Fatal(err)
	}
	var writers sync.WaitGroup
	for _, content := range contents {
		writers.Go(func() {
			for range 50 {
				if err := WriteFile(dir, "f", content, 0o644); err != nil {
					t.Error(err)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { writers.Wait(); close(done) }()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		got, err := os.ReadFile(filepath.Join(dir.Name(), "f"))
		if err != nil || !bytes.Equal(got, contents[0]) && !bytes.Equal(got, contents[1]) {
			t.Fatalf("saw %d bytes, %v", len(got), err)
		}
	}
	if got := names(t, dir.Name()); got != "f" {
		t.Errorf("directory holds %q", got)
	}
}

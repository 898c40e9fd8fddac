package treefs

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/tree"
	"github.com/bootc-go/bootc/composefs/tree/scan"
	"github.com/bootc-go/bootc/composefs/verity"
	"github.com/bootc-go/bootc/internal/testbase"
)

// scanned is the file system of a real directory, whose files are the objects.
func scanned(t *testing.T, dir string) *FS {
	t.Helper()
	var lock sync.Mutex
	paths := map[verity.Digest]string{}
	root, err := scan.Scan(t.Context(), dir, scan.Options{
		Store: func(_ context.Context, f *os.File, _ int64, d verity.Digest) error {
			path, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(int(f.Fd())))
			lock.Lock()
			defer lock.Unlock()
			paths[d] = path
			return err
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return New(root, func(d verity.Digest) (*os.File, error) {
		return os.Open(paths[d])
	})
}

// small makes a directory with a little of everything.
func small(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	big := strings.Repeat("big", 100_000)
	for _, err := range []error{
		os.MkdirAll(dir+"/usr/lib/deep", 0o755),
		os.Mkdir(dir+"/tmp", 0o777|os.ModeSticky),
		os.WriteFile(dir+"/usr/lib/small", []byte("small"), 0o644),
		os.WriteFile(dir+"/usr/lib/big", []byte(big), 0o600),
		os.WriteFile(dir+"/usr/lib/empty", nil, 0o755|os.ModeSetuid),
		os.Symlink("usr/lib", dir+"/lib"),
		os.Symlink("/usr/lib/big", dir+"/usr/absolute"),
		os.Symlink("../../../../usr/lib/small", dir+"/usr/lib/deep/up"),
		os.Symlink("/lib/deep/../small", dir+"/through"),
		os.Symlink("deep/", dir+"/usr/lib/slash"),
		os.Symlink("/", dir+"/usr/root"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestIsAnFS(t *testing.T) {
	t.Parallel()
	f := scanned(t, small(t))
	err := fstest.TestFS(f, "lib", "usr/lib/small", "usr/lib/big", "usr/lib/empty", "usr/absolute", "usr/lib/deep/up")
	if err != nil {
		t.Error(err)
	}
	if err := fstest.TestFS(New(tree.NewDir(0o755), nil)); err != nil {
		t.Errorf("an empty one: %v", err)
	}
}

// hostile adds to dir what must not lead anywhere.
func hostile(t *testing.T, dir string) {
	t.Helper()
	links := map[string]string{
		"self": "self", "ping": "pong", "pong": "/ping", "dangling": "none", "under": "usr/lib/small/x",
		"file-slash": "usr/lib/small/", "dots": "../../..", "grows": "grows/x", "through-loop": "self/x",
		"dot": ".", "slashes": "//usr///lib//", "above": "tmp/../../usr/lib/small", "dotdot-file": "usr/lib/small/..",
		"link-slash": "lib/", "long-slash": "link-slash/deep/",
	}
	links["chain0"] = "usr/lib/small"
	for i := range maxLinks + 2 {
		links["chain"+strconv.Itoa(i+1)] = "chain" + strconv.Itoa(i)
	}
	for name, target := range links {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFollowsAsTheKernel compares every path of a tree with what openat2 finds when
// it resolves the same path inside the same directory.
func TestFollowsAsTheKernel(t *testing.T) {
	t.Parallel()
	handmade := small(t)
	hostile(t, handmade)
	for name, dir := range map[string]string{"handmade": handmade, "debian": testbase.Tree(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := scanned(t, dir)
			top, err := os.Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer top.Close()
			seen := 0
			err = fs.WalkDir(f, ".", func(path string, _ fs.DirEntry, err error) error {
				seen++
				if err == nil {
					checkAsKernel(t, f, top, path)
					checkAsKernel(t, f, top, strings.TrimPrefix(path+"/x", "./"))
				}
				return err
			})
			if err != nil || seen < 10 {
				t.Errorf("%d paths, %v", seen, err)
			}
		})
	}
}

func checkAsKernel(t *testing.T, f *FS, top *os.File, path string) {
	t.Helper()
	got, err := f.Stat(path)
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT}
	fd, errno := unix.Openat2(int(top.Fd()), path, &how)
	for errors.Is(errno, unix.EAGAIN) { // something was renamed or mounted meanwhile, anywhere
		fd, errno = unix.Openat2(int(top.Fd()), path, &how)
	}
	if errno != nil {
		if !errors.Is(err, errno) {
			t.Errorf("%s: %v, want %v", path, err, errno)
		}
		return
	}
	file := os.NewFile(uintptr(fd), path)
	defer file.Close()
	want, werr := file.Stat()
	if err != nil || werr != nil {
		t.Errorf("%s: %v, %v", path, err, werr)
		return
	}
	if got.Mode() != want.Mode() || got.ModTime().Compare(want.ModTime()) != 0 || !want.IsDir() && got.Size() != want.Size() {
		t.Errorf("%s: %v %d, want %v %d", path, got.Mode(), got.Size(), want.Mode(), want.Size())
	}
}

// Some kinds of files cannot be made everywhere.
func TestDevices(t *testing.T) {
	t.Parallel()
	root := tree.NewDir(0o755)
	for name, mode := range map[string]uint32{"null": unix.S_IFCHR, "disk": unix.S_IFBLK, "pipe": unix.S_IFIFO, "socket": unix.S_IFSOCK} {
		root.SetChild(name, &tree.Node{Mode: mode | 0o644})
	}
	f := New(root, nil)
	entries, err := f.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, fs.FormatDirEntry(e))
	}
	if diff := cmp.Diff([]string{"D disk", "Dc null", "p pipe", "S socket"}, got); diff != "" {
		t.Error(diff)
	}
	file, err := f.Open("null")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.Read(make([]byte, 1)); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("reading a device: %v", err)
	}
	if st, err := file.Stat(); err != nil || st.Mode() != fs.ModeDevice|fs.ModeCharDevice|0o644 || file.Close() != nil {
		t.Errorf("an open device: %v, %v", st, err)
	}
	if _, err := f.ReadFile("pipe"); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("reading a pipe: %v", err)
	}
}

func TestReadAt(t *testing.T) {
	t.Parallel()
	f := scanned(t, small(t))
	for name, want := range map[string]string{"usr/lib/small": "mal", "usr/lib/big": "igb"} {
		file, err := f.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 3)
		at, ok := file.(io.ReaderAt)
		if !ok {
			t.Fatalf("%s cannot be read at an offset", name)
		}
		if _, err := at.ReadAt(got, 1); string(got) != want || err != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		if _, ok := file.(io.Writer); ok {
			t.Errorf("%s can be written to", name)
		}
		if err := file.Close(); err != nil {
			t.Error(err)
		}
		if data, _ := io.ReadAll(file); len(data) > 0 {
			t.Errorf("%s can be read after it was closed", name)
		}
	}
}

func TestObjectsAreChecked(t *testing.T) {
	t.Parallel()
	digest := verity.Sum(verity.SHA512, []byte("x"))
	root := tree.NewDir(0o755)
	for name, f := range map[string]*tree.File{
		"huge":    {Size: 1 << 50, Payload: "ab/cd", Digest: digest},
		"unknown": {Size: 1, Payload: "ab/cd"},
		"short":   {Size: 1 << 50, Inline: []byte("x")},
	} {
		root.SetChild(name, &tree.Node{Mode: unix.S_IFREG, File: f})
	}
	object := filepath.Join(t.TempDir(), "object")
	if err := os.WriteFile(object, bytes.Repeat([]byte("x"), 100), 0o644); err != nil {
		t.Fatal(err)
	}
	f := New(root, func(verity.Digest) (*os.File, error) { return os.Open(object) })
	for name, want := range map[string]string{
		"huge": "has 100 bytes, not 1125899906842624", "unknown": "ab/cd", "short": "1 of 1125899906842624 bytes",
	} {
		if _, err := f.Open(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("opening %s: %v", name, err)
		}
		if _, err := f.ReadFile(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("reading %s: %v", name, err)
		}
	}
	missing := errors.New("missing")
	f = New(root, func(verity.Digest) (*os.File, error) { return nil, missing })
	if _, err := f.Open("huge"); !errors.Is(err, missing) {
		t.Errorf("a missing object: %v", err)
	}
}

func TestErrorsNameTheFile(t *testing.T) {
	t.Parallel()
	f := scanned(t, small(t))
	_, stat := f.Stat("none")
	_, lstat := f.Lstat("none")
	_, open := f.Open("none")
	_, read := f.ReadFile("none")
	_, list := f.ReadDir("none")
	_, link := f.ReadLink("none")
	for _, err := range []error{stat, lstat, open, read, list, link} {
		var pe *fs.PathError
		if !errors.As(err, &pe) || pe.Path != "none" || !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%v", err)
		}
	}
	usr, err := f.Open("usr")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := usr.Read(make([]byte, 1)); !errors.Is(err, unix.EISDIR) {
		t.Errorf("reading a directory: %v", err)
	}
	if _, err := f.ReadLink("usr"); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("reading a directory as a link: %v", err)
	}
	if _, err := f.ReadDir("usr/lib/big"); !errors.Is(err, unix.ENOTDIR) {
		t.Errorf("listing a file: %v", err)
	}
}

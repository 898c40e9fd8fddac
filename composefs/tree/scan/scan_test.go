package scan_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/tree"
	"github.com/bootc-go/bootc/composefs/tree/scan"
	"github.com/bootc-go/bootc/composefs/verity"
	"github.com/bootc-go/bootc/internal/testtool"
)

// must fails the test for a preparation that did not work; most need root.
func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%v (this test needs root)", err)
	}
}

// sample makes a directory with every kind of inode.
func sample(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	must(t, os.MkdirAll(at("d/e/empty"), 0o755))
	must(t, os.WriteFile(at("d/nothing"), nil, 0o600))
	for _, size := range []int{1, 63, 64, 65, 4096, 4097, 300_000} {
		must(t, os.WriteFile(at(fmt.Sprint("d/e/file-", size)), bytes.Repeat([]byte{byte(size)}, size), 0o644))
	}
	must(t, os.WriteFile(at("d/sparse"), nil, 0o4755))
	must(t, os.Truncate(at("d/sparse"), 40<<20+5))
	must(t, os.Chmod(at("d/sparse"), os.ModeSetuid|0o711))
	must(t, os.Chown(at("d/e"), 1000, 70_000))
	must(t, os.Symlink("../e/file-1", at("d/link")))
	must(t, os.Symlink("/nowhere", at("dangling")))
	must(t, os.Link(at("d/e/file-65"), at("d/hard1")))
	must(t, os.Link(at("d/e/file-65"), at("a-hard2")))
	must(t, os.Link(at("d/link"), at("d/hardlink-of-link")))
	must(t, unix.Mknod(at("null"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))))
	must(t, unix.Mknod(at("disk"), unix.S_IFBLK|0o660, int(unix.Mkdev(259, 300_000))))
	must(t, unix.Mknod(at("whiteout"), unix.S_IFCHR, 0))
	must(t, unix.Mkfifo(at("fifo"), 0o600))
	must(t, unix.Mknod(at("socket"), unix.S_IFSOCK|0o600, 0))
	for name, attrs := range map[string][]string{
		".": {"user.root", "trusted.x"}, "d/e": {"trusted.overlay.opaque"}, "d/e/file-1": {"user.b", "user.a", "security.foo"},
		"null": {"trusted.dev"}, "d/link": {"trusted.onlink"},
	} {
		for _, attr := range attrs {
			must(t, unix.Lsetxattr(at(name), attr, []byte("value of "+attr), 0))
		}
	}
	must(t, os.Chtimes(at("d/e/file-1"), time.Time{}, time.Unix(-5, 7)))
	return dir
}

// theirTree is the tree that mkcomposefs makes of dir.
func theirTree(t *testing.T, dir string, flags ...string) *tree.Node {
	t.Helper()
	image := filepath.Join(t.TempDir(), "image")
	args := append(slices.Clone(flags), "--max-version=0", dir, image)
	if out, err := exec.Command(testtool.Path(t, "mkcomposefs"), args...).CombinedOutput(); err != nil {
		t.Fatalf("mkcomposefs: %v: %s", err, out)
	}
	dump, err := exec.Command(testtool.Path(t, "composefs-info"), "dump", image).Output()
	must(t, err)
	root, err := tree.ReadDump(bytes.NewReader(dump))
	must(t, err)
	return root
}

func compare(t *testing.T, want, got *tree.Node) {
	t.Helper()
	for c := range tree.Diff(want, got) {
		t.Error(c)
	}
}

// TestScanAgreesWithMkcomposefs holds every option against the flag of that
// name.
func TestScanAgreesWithMkcomposefs(t *testing.T) {
	dir := sample(t)
	for _, c := range []struct {
		flag string
		o    scan.Options
	}{
		{"--threads=3", scan.Options{Threads: 3}},
		{"--use-epoch", scan.Options{UseEpoch: true}},
		{"--skip-devices", scan.Options{SkipDevices: true}},
		{"--skip-xattrs", scan.Options{SkipXattrs: true}},
		{"--user-xattrs", scan.Options{UserXattrs: true}},
	} {
		t.Run(c.flag, func(t *testing.T) {
			c.o.Algorithm = verity.SHA256
			got, err := scan.Scan(t.Context(), dir, c.o)
			must(t, err)
			compare(t, theirTree(t, dir, c.flag), got)
		})
	}
}

func TestScanKeepsHardlinks(t *testing.T) {
	root, err := scan.Scan(t.Context(), sample(t), scan.Options{KeepHardlinks: true})
	must(t, err)
	file := tree.Lookup(root, "/d/e/file-65")
	if tree.Lookup(root, "/d/hard1") != file || tree.Lookup(root, "/a-hard2") != file || file.Nlink != 3 {
		t.Errorf("the file with three names has %d", file.Nlink)
	}
	if link := tree.Lookup(root, "/d/link"); link != tree.Lookup(root, "/d/hardlink-of-link") || link.Nlink != 2 {
		t.Error("a symbolic link with two names is two")
	}
	if d := file.File.Digest; d.Algorithm() != verity.SHA512 || d != verity.Sum(verity.SHA512, bytes.Repeat([]byte{65}, 65)) {
		t.Errorf("digest %v is not SHA-512 by default", d)
	}
}

func TestScanInlineMax(t *testing.T) {
	dir := sample(t)
	for limit, want := range map[int][]int{-1: nil, 0: {1, 63, 64}, 1: {1}, 5000: {1, 63, 64, 65, 4096, 4097}} {
		root, err := scan.Scan(t.Context(), dir, scan.Options{InlineMax: limit})
		must(t, err)
		for name, n := range tree.Lookup(root, "/d/e").Children() {
			var size int
			fmt.Sscanf(name, "file-%d", &size)
			if n.File != nil && slices.Contains(want, size) != (n.File.Inline != nil) {
				t.Errorf("InlineMax %d: %s inline: %v", limit, name, n.File.Inline != nil)
			}
		}
	}
}

func TestScanStores(t *testing.T) {
	var mu sync.Mutex
	sizes := map[int64]int{}
	_, err := scan.Scan(t.Context(), sample(t), scan.Options{Store: func(ctx context.Context, f *os.File, size int64, d verity.Digest) error {
		got, err := verity.SumReaderAt(ctx, d.Algorithm(), f, size, 1)
		if err != nil || got != d {
			t.Errorf("%s: stored as %v, is %v, %v", f.Name(), d, got, err)
		}
		mu.Lock()
		defer mu.Unlock()
		sizes[size]++
		return nil
	}})
	must(t, err)
	if want := map[int64]int{65: 3, 4096: 1, 4097: 1, 300_000: 1, 40<<20 + 5: 1}; fmt.Sprint(sizes) != fmt.Sprint(want) {
		t.Errorf("stored %v, want %v", sizes, want)
	}
}

func TestScanStopsAtAnError(t *testing.T) {
	stop := errors.New("stop")
	_, err := scan.Scan(t.Context(), sample(t), scan.Options{Store: func(context.Context, *os.File, int64, verity.Digest) error { return stop }})
	if !errors.Is(err, stop) || !strings.Contains(err.Error(), ": /") {
		t.Errorf("a store that fails: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := scan.Scan(ctx, sample(t), scan.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("an interrupted scan: %v", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, nil, 0o600))
	for _, name := range []string{file, file + "-missing"} {
		if _, err := scan.Scan(t.Context(), name, scan.Options{}); err == nil {
			t.Errorf("%s is read as a directory", name)
		}
	}
	if n := openDescriptors(t); n > 30 {
		t.Errorf("%d descriptors are open", n)
	}
}

func openDescriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	return len(entries)
}

// TestScanSeesFilesChange changes a file once its digest is known.
func TestScanSeesFilesChange(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "log"), make([]byte, 1000), 0o600))
	_, err := scan.Scan(t.Context(), dir, scan.Options{Store: func(context.Context, *os.File, int64, verity.Digest) error {
		return os.WriteFile(filepath.Join(dir, "log"), make([]byte, 1001), 0o600)
	}})
	if !errors.Is(err, scan.ErrChanged) || !strings.Contains(err.Error(), "/log") {
		t.Errorf("error %v, want ErrChanged of /log", err)
	}
}

// BenchmarkScan reads 20,000 files of 8 KB.
func BenchmarkScan(b *testing.B) {
	dir := b.TempDir()
	for i := range 20_000 {
		if i%200 == 0 {
			must(b, os.MkdirAll(fmt.Sprintf("%s/%d", dir, i/200), 0o755))
		}
		must(b, os.WriteFile(fmt.Sprintf("%s/%d/file-%d", dir, i/200, i), bytes.Repeat(fmt.Append(nil, i), 1600), 0o644))
	}
	for _, alg := range []verity.Algorithm{verity.SHA256, verity.SHA512} {
		b.Run(alg.String(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := scan.Scan(b.Context(), dir, scan.Options{Algorithm: alg}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(20_000*b.N)/b.Elapsed().Seconds(), "files/s")
		})
	}
}

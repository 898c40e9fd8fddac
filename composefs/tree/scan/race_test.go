package scan

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/tree"
)

// TestWhatIsOpenedIsWhatWasSeen lets each type of inode be replaced by each
// other between the look at it and its opening: links to the outside must not
// be followed and fifos not be waited for.
func TestWhatIsOpenedIsWhatWasSeen(t *testing.T) {
	outside, dir := t.TempDir(), t.TempDir()
	names := map[uint32]string{
		unix.S_IFREG: "file", unix.S_IFDIR: "dir", unix.S_IFIFO: "fifo", unix.S_IFLNK: "link-to-dir", 0: "link-to-file", 1: "link-to-fifo",
	}
	for _, base := range []string{outside, dir} {
		for _, err := range []error{
			os.Mkdir(filepath.Join(base, "dir"), 0o755),
			os.WriteFile(filepath.Join(base, "file"), []byte("secret"), 0o644),
			unix.Mkfifo(filepath.Join(base, "fifo"), 0o644),
			os.Symlink(filepath.Join(outside, "dir"), filepath.Join(base, "link-to-dir")),
			os.Symlink(filepath.Join(outside, "fifo"), filepath.Join(base, "link-to-fifo")),
			os.Symlink(filepath.Join(outside, "file"), filepath.Join(base, "link-to-file")),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	for seen := range names {
		for is, name := range names {
			if seen == is || seen <= 1 || seen == unix.S_IFLNK && is <= 1 {
				continue
			}
			if err := openAs(t, dir, name, seen); err == nil {
				t.Errorf("%s is read as type %o", name, seen)
			}
		}
	}
}

// openAs reads the entry called name, which was of type seen a moment ago.
func openAs(t *testing.T, dir, name string, seen uint32) error {
	t.Helper()
	d, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	w := &walker{ctx: t.Context(), files: make(chan *file, 1), links: map[inode]*tree.Node{}}
	if _, err := w.inode(int(d.Fd()), name, "/"+name, &unix.Stat_t{Mode: seen, Size: 6}); err != nil {
		return err
	}
	close(w.files)
	return newReader(t.Context(), Options{}.withDefaults()).run(w.files)
}

// TestOnlyErrChanged scans a directory in which files come and go, grow and shrink and
// become something else: it is told from real trouble, because whoever scans a live
// directory tries again.
func TestOnlyErrChanged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for i := range 3 {
		name := filepath.Join(dir, string(rune('a'+i)))
		wg.Go(func() {
			for size := 0; ; size = (size + 7001) % 90_000 {
				select {
				case <-stop:
					return
				default:
				}
				errs := []error{
					os.WriteFile(name, make([]byte, size), 0o600), os.Rename(name, name+".moved"), os.Truncate(name+".moved", 1), os.Remove(name + ".moved"),
					os.Mkdir(name, 0o700), os.WriteFile(name+"/in", []byte("x"), 0o600), os.RemoveAll(name), os.Symlink("/", name), os.Remove(name),
				}
				if err := errors.Join(errs...); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 300 {
		if _, err := Scan(t.Context(), dir, Options{}); err != nil && !errors.Is(err, ErrChanged) {
			t.Error(err)
		}
	}
	close(stop)
	wg.Wait()
}

package scan

import (
	"os"
	"path/filepath"
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

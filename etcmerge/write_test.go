package etcmerge

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/tree"
	"github.com/bootc-go/bootc/composefs/tree/scan"
	"github.com/bootc-go/bootc/internal/testbase"
)

// TestWrite writes the /etc of a real system, with everything odd added that a file
// system can hold, and reads the same back.
func TestWrite(t *testing.T) {
	t.Parallel()
	src := copyDir(t, filepath.Join(testbase.Tree(t), "etc"))
	shell(t, src, `
		mkdir -m 2750 odd && cd odd
		echo x >private && chmod 600 private && chown 12:34 private
		: >empty
		ln private 'another name' && ln -s /nowhere dangling && chown -h 7:8 dangling
		mkfifo fifo && mknod null c 1 3
		setfattr -n user.k -v v private
		mkdir sealed && echo y >sealed/in && chmod 555 sealed
		touch -d '2001-02-03 04:05:06.789' sealed fifo`)
	want, err := scan.Scan(t.Context(), src, scan.Options{KeepHardlinks: true})
	must(t, err)
	dst := t.TempDir()
	must(t, Write(t.Context(), open(t, dst), want, DirOpener(open(t, src))))
	got, err := scan.Scan(t.Context(), dst, scan.Options{KeepHardlinks: true})
	must(t, err)
	for c := range tree.Diff(want, got) {
		t.Error(c)
	}
	var a, b unix.Stat_t
	must(t, unix.Stat(filepath.Join(dst, "odd/private"), &a))
	must(t, unix.Stat(filepath.Join(dst, "odd/another name"), &b))
	if a.Ino != b.Ino {
		t.Error("the names of one inode became two inodes")
	}
}

// TestWriteLeavesOut what belongs to no image's /etc, and refuses content that is not
// as long as the tree says.
func TestWriteLeavesOut(t *testing.T) {
	t.Parallel()
	root := spec("{.updated:A b:{.updated:B}}").parse(1)
	dst := t.TempDir()
	must(t, Write(t.Context(), open(t, dst), root, nil))
	if _, err := os.Lstat(filepath.Join(dst, ".updated")); !os.IsNotExist(err) {
		t.Errorf(".updated: %v", err)
	}
	if _, err := os.Lstat(filepath.Join(dst, "b/.updated")); err != nil {
		t.Error(err)
	}
	root = spec("{f:A}").parse(1)
	root.Child("f").File = &tree.File{Size: 5}
	empty := func(string, *tree.Node) (io.ReadCloser, error) { return os.Open(os.DevNull) }
	if err := Write(t.Context(), open(t, t.TempDir()), root, empty); err == nil {
		t.Error("a short file was written without a word")
	}
}

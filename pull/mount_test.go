package pull_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/mount"
	"github.com/bootc-go/bootc/composefs/repo"
	"github.com/bootc-go/bootc/composefs/verity"
	"github.com/bootc-go/bootc/internal/testbase"
)

// mountImage mounts an image until the test ends.
func mountImage(t *testing.T, r *repo.Repo, id verity.Digest) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("this test mounts, which only root may")
	}
	img, _, err := r.OpenImage(id.String())
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	objects, err := r.ObjectsDir()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := mount.MountAt(mount.Options{Image: img, Objects: objects, Source: "composefs:" + id.String()}, dir); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// TestMountedAsUnpacked pulls a real image, mounts it and compares all that a
// program can see with what umoci unpacks of the same image.
func TestMountedAsUnpacked(t *testing.T) {
	p := newPuller(t, newRepo(t))
	p.opts.Bootable = true
	res := p.mustPull(t, "oci:"+testbase.Image(t)+":"+testbase.Tag, "base")
	fsckClean(t, p.repo)
	want, got := describe(t, testbase.Tree(t)), describe(t, mountImage(t, p.repo, res.Image))
	forget(want, "/run/")
	for _, m := range []map[string]string{want, got} {
		forget(m, "/") // both say so: the root is like /usr, /run is empty and as old as /usr
		forget(m, "/run")
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("umoci's is -, ours is +\n%s", d)
	}
	boot := describe(t, mountImage(t, p.repo, res.BootImage))
	if _, ok := boot["/usr/bin/sh"]; !ok {
		t.Error("the boot image has no /usr/bin/sh")
	}
	for path := range boot {
		if strings.HasPrefix(path, "/boot/") {
			t.Errorf("the boot image has %s", path)
		}
	}
}

// forget takes a path out, or all that begins with a path that ends in a slash.
func forget(m map[string]string, path string) {
	for p := range m {
		if p == path || len(path) > 1 && path[len(path)-1] == '/' && strings.HasPrefix(p, path) {
			delete(m, p)
		}
	}
}

// describe tells of each path below root all that stat, readlink, read and
// listxattr tell; names of one inode tell of the first among them.
func describe(t *testing.T, root string) map[string]string {
	t.Helper()
	all, first := map[string]string{}, map[uint64]string{}
	err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(path, root)
		if name == "" {
			name = "/"
		}
		all[name], err = describePath(path, name, first)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func describePath(path, name string, first map[uint64]string) (string, error) {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return "", err
	}
	text := fmt.Sprintf("%o %d:%d %d.%09d", st.Mode, st.Uid, st.Gid, st.Mtim.Sec, st.Mtim.Nsec)
	var err error
	var more string
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		more, err = contentOf(path)
	case unix.S_IFLNK:
		more, err = os.Readlink(path)
	case unix.S_IFCHR, unix.S_IFBLK:
		more = fmt.Sprintf("%x", st.Rdev)
	}
	if err != nil {
		return "", err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR && st.Nlink > 1 {
		if f, ok := first[st.Ino]; ok {
			more += " = " + f
		} else {
			first[st.Ino] = name
		}
		more += fmt.Sprint(" nlink ", st.Nlink)
	}
	xattrs, err := xattrsOf(path)
	return text + " " + more + xattrs, err
}

func contentOf(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, f)
	return fmt.Sprintf("%d bytes %x", n, h.Sum(nil)[:8]), err
}

// xattrsOf tells of the one attribute that an image keeps.
func xattrsOf(path string) (string, error) {
	buf := make([]byte, 1024)
	n, err := unix.Lgetxattr(path, "security.capability", buf)
	if errors.Is(err, unix.ENODATA) || errors.Is(err, unix.ENOTSUP) {
		return "", nil
	}
	return fmt.Sprintf(" caps %x", buf[:max(n, 0)]), err
}

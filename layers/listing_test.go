package layers

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/tree"
)

// listing describes a file system: all that a merge decides, by path.
type listing map[string]listed

type listed struct {
	Mode     string
	Owner    string
	Mtime    string
	Rdev     uint32
	Target   string
	Content  string // of a regular file, hashed
	Xattrs   string
	LinkedTo string // the first path, in order, of the same inode
}

// listTree lists a merged tree. An unknown time is that of a directory that no
// entry describes.
func listTree(root *tree.Node, store *memStore) listing {
	out := listing{}
	first := map[*tree.Node]string{}
	err := tree.Walk(root, func(path string, n *tree.Node) error {
		l := listed{
			Mode: fmt.Sprintf("%o", n.Mode), Owner: fmt.Sprintf("%d:%d", n.UID, n.GID),
			Mtime: fmt.Sprintf("%d.%09d", n.Mtime.Sec, n.Mtime.Nsec), Rdev: n.Rdev, Target: n.Target,
		}
		if n.IsRegular() {
			l.Content = hashed(store.content(n.File))
		}
		for _, x := range n.Xattrs {
			l.Xattrs += fmt.Sprintf("%s=%q;", x.Name, x.Value)
		}
		if n.IsDir() && n.Mtime == (tree.Time{}) {
			l.Mtime = unknownTime
		}
		if _, ok := first[n]; !ok {
			first[n] = path
		}
		l.LinkedTo = first[n]
		out[path] = l
		return nil
	})
	if err != nil {
		panic(err)
	}
	return out
}

const unknownTime = "unknown"

func hashed(data []byte) string {
	return fmt.Sprintf("%d bytes, %x", len(data), sha256.Sum256(data))
}

// listDir lists a directory on disk. A time of the last hours is unknown too: it
// is that of a directory which the unpacking changed, or made because no entry
// does.
func listDir(t testing.TB, dir string) listing {
	t.Helper()
	out := listing{}
	first := map[uint64]string{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		path := "/" + strings.TrimPrefix(strings.TrimPrefix(name, dir), "/")
		info, err := d.Info()
		if err != nil {
			return err
		}
		st, ok := info.Sys().(*syscall.Stat_t)
		if !ok {
			return fmt.Errorf("%s: no stat", name)
		}
		l := listed{
			Mode: fmt.Sprintf("%o", st.Mode), Owner: fmt.Sprintf("%d:%d", st.Uid, st.Gid),
			Mtime: fmt.Sprintf("%d.%09d", st.Mtim.Sec, st.Mtim.Nsec),
		}
		if time.Since(info.ModTime()) < 24*time.Hour {
			l.Mtime = unknownTime
		}
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFREG:
			data, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			l.Content = hashed(data)
		case unix.S_IFLNK:
			if l.Target, err = os.Readlink(name); err != nil {
				return err
			}
		case unix.S_IFBLK, unix.S_IFCHR:
			l.Rdev = uint32(st.Rdev)
		}
		if l.Xattrs, err = diskXattrs(name); err != nil {
			return err
		}
		if _, ok := first[st.Ino]; !ok {
			first[st.Ino] = path
		}
		l.LinkedTo = first[st.Ino]
		out[path] = l
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func diskXattrs(name string) (string, error) {
	buf := make([]byte, 4096)
	n, err := unix.Llistxattr(name, buf)
	if err != nil || n == 0 {
		return "", err
	}
	names := strings.Split(strings.TrimSuffix(string(buf[:n]), "\x00"), "\x00")
	slices.Sort(names)
	var b strings.Builder
	for _, x := range names {
		value := make([]byte, 4096)
		k, err := unix.Lgetxattr(name, x, value)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "%s=%q;", x, value[:k])
	}
	return b.String(), nil
}

// forget makes unknown in both listings what is unknown in one.
func forget(a, b listing) {
	for path, l := range a {
		if m, ok := b[path]; ok && (l.Mtime == unknownTime || m.Mtime == unknownTime) {
			l.Mtime, m.Mtime = unknownTime, unknownTime
			a[path], b[path] = l, m
		}
	}
}

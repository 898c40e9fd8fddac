package erofs

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/tree"
)

// checkName returns an error if name cannot be that of a directory's entry.
func checkName(name string) error {
	switch {
	case name == "":
		return errors.New("empty name")
	case len(name) > maxName:
		return fmt.Errorf("name of %d bytes (%d are possible)", len(name), maxName)
	case name == ".", name == "..":
		return fmt.Errorf("name %q", name)
	case strings.ContainsAny(name, "/\x00"):
		return fmt.Errorf("name %q with a slash or a NUL", name)
	}
	return nil
}

// checkNode returns an error if an image cannot hold n. Entries of a directory
// are not looked at.
func checkNode(n *tree.Node) error {
	switch {
	case n.Mode>>16 != 0:
		return fmt.Errorf("mode %#o", n.Mode)
	case n.Mtime.Nsec >= 1e9:
		return fmt.Errorf("modification time with %d nanoseconds", n.Mtime.Nsec)
	case !n.IsDir() && n.Len() > 0:
		return errors.New("not a directory, but with entries")
	}
	if err := checkXattrs(n.Xattrs); err != nil {
		return err
	}
	switch n.Type() {
	case unix.S_IFREG:
		return checkFile(n.File)
	case unix.S_IFLNK:
		return checkTarget(n.Target)
	case unix.S_IFDIR, unix.S_IFCHR, unix.S_IFBLK, unix.S_IFIFO, unix.S_IFSOCK:
		return nil
	}
	return fmt.Errorf("unknown file type in mode %#o", n.Mode)
}

func checkTarget(target string) error {
	switch {
	case target == "":
		return errors.New("symbolic link to nothing")
	case len(target) > maxTarget:
		return fmt.Errorf("symbolic link with a target of %d bytes (%d are possible)", len(target), maxTarget)
	case strings.Contains(target, "\x00"):
		return errors.New("symbolic link with a NUL in its target")
	}
	return nil
}

func checkFile(f *tree.File) error {
	switch {
	case f == nil || f.Size == 0 && len(f.Inline) == 0:
		return nil
	case len(f.Inline) > maxInline:
		return fmt.Errorf("inline content of %d bytes (%d are possible)", len(f.Inline), maxInline)
	case len(f.Inline) > 0 && uint64(len(f.Inline)) != f.Size:
		return fmt.Errorf("inline content of %d bytes in a file of %d", len(f.Inline), f.Size)
	case len(f.Inline) > 0:
		return nil
	case f.Size > maxFile:
		return fmt.Errorf("file of %d bytes (%d are possible)", f.Size, uint64(maxFile))
	}
	return checkPayload(f.Payload)
}

// checkPayload refuses, besides what the format cannot hold, paths that leave
// the directory of the objects.
func checkPayload(path string) error {
	switch {
	case path == "": // content that is nowhere
		return nil
	case len(path) > maxTarget:
		return fmt.Errorf("payload path of %d bytes (%d are possible)", len(path), maxTarget)
	case strings.Contains(path, "\x00"):
		return errors.New("payload path with a NUL")
	case !strings.Contains(path, ".."):
		return nil
	}
	for part := range strings.SplitSeq(path, "/") {
		if part == ".." {
			return fmt.Errorf("payload path %q, which leaves the objects", path)
		}
	}
	return nil
}

// checkXattrs returns an error unless all xattrs are possible, sorted and
// different, and fit an inode together with all that the rewriting adds.
func checkXattrs(xs []tree.Xattr) error {
	const added = 8 << 10
	total := 0
	for i, x := range xs {
		if err := checkXattr(x); err != nil {
			return err
		}
		if i > 0 && x.Name <= xs[i-1].Name {
			return fmt.Errorf("xattr %q after %q: not sorted, or twice", x.Name, xs[i-1].Name)
		}
		total += len(escapedPrefix) + xentrySize + 3 + len(x.Name) + len(x.Value)
	}
	if total > maxXattrBody-added {
		return fmt.Errorf("xattrs of %d bytes (%d are possible)", total, maxXattrBody-added)
	}
	return nil
}

func checkXattr(x tree.Xattr) error {
	switch {
	case x.Name == "":
		return errors.New("xattr without a name")
	case len(x.Name) > maxXattrName:
		return fmt.Errorf("xattr with a name of %d bytes (%d are possible)", len(x.Name), maxXattrName)
	case strings.Contains(x.Name, "\x00"):
		return fmt.Errorf("xattr %q: NUL in the name", x.Name)
	case len(x.Value) > maxXattrVal:
		return fmt.Errorf("xattr %s with a value of %d bytes (%d are possible)", x.Name, len(x.Value), maxXattrVal)
	}
	return nil
}

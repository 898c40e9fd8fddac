package layers

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/bootc-go/bootc/composefs/tree"
)

// maxEntrySize is the size in bytes of the largest boot loader entry that is
// read.
const maxEntrySize = 1 << 20

// checkBootFiles looks for boot files where composefs-rs does, and refuses what
// it refuses: it makes no image, and so no id, of a tree whose boot files it
// cannot copy to a boot partition. All faults are reported.
//
// These are entries of the Boot Loader Specification in /boot/loader/entries;
// unified kernel images in /boot/EFI/Linux, /boot/loader/addons and
// /usr/lib/modules/*/; kernels in /usr/lib/modules/*/vmlinuz; and boot
// partitions of Android devices in /boot/aboot-*.img.
func checkBootFiles(r treeReader) error {
	c := bootChecker{treeReader: r}
	c.inDirectory("/boot/loader/entries", c.entries)
	c.inDirectory("/boot/EFI/Linux", c.unified)
	c.inDirectory("/boot/loader/addons", c.unified)
	c.inDirectory("/usr/lib/modules", c.modules)
	c.inDirectory("/boot", c.android)
	return errors.Join(c.faults...)
}

type bootChecker struct {
	treeReader
	faults  []error
	kernels int // boot files that an Android boot partition cannot stand beside
}

func (c *bootChecker) fault(path string, err error) {
	c.faults = append(c.faults, fmt.Errorf("%s: %w", path, err))
}

var errNotRegular = errors.New("not a regular file")

// inDirectory calls fn if there is a directory called path.
func (c *bootChecker) inDirectory(path string, fn func(path string, dir *tree.Node)) {
	dir, err := findDirectory(c.root, path)
	if err != nil {
		c.faults = append(c.faults, err)
	}
	if dir != nil {
		fn(path, dir)
	}
}

func (c *bootChecker) entries(path string, dir *tree.Node) {
	for name, n := range dir.Children() {
		if !strings.HasSuffix(name, ".conf") {
			continue
		}
		c.kernels++
		if err := c.entry(n); err != nil {
			c.fault(path+"/"+name, err)
		}
	}
}

// entry checks that the files that a boot loader entry names are in the tree,
// by paths from its root.
func (c *bootChecker) entry(n *tree.Node) error {
	if !n.IsRegular() {
		return errNotRegular
	}
	data, err := c.content(n, maxEntrySize)
	if err != nil {
		return err
	}
	if !utf8.Valid(data) {
		return errors.New("not UTF-8")
	}
	for line := range strings.SplitSeq(string(data), "\n") {
		for _, key := range []string{"linux", "initrd", "efi"} {
			value, ok := entryValue(line, key)
			if !ok {
				continue
			}
			if err := c.named(value); err != nil {
				return fmt.Errorf("%s %q: %w", key, value, err)
			}
		}
	}
	return nil
}

// entryValue returns the value of a line that sets key.
func entryValue(line, key string) (string, bool) {
	rest, ok := strings.CutPrefix(line, key)
	if !ok || rest == "" || !strings.ContainsRune(" \t\n\f\r", rune(rest[0])) {
		return "", false
	}
	return strings.TrimLeftFunc(rest, unicode.IsSpace), true
}

// named checks that path leads to a regular file.
func (c *bootChecker) named(path string) error {
	parts, err := components(path)
	if err != nil {
		return err
	}
	last := len(parts) - 1
	dir, err := findDirectory(c.root, strings.Join(parts[:last], "/"))
	if err != nil {
		return err
	}
	if dir == nil || dir.Child(parts[last]) == nil {
		return errors.New("no such file in the image")
	}
	if !dir.Child(parts[last]).IsRegular() {
		return errNotRegular
	}
	return nil
}

// components splits a path that names a file. A "." that is not the first
// component is nothing.
func components(path string) ([]string, error) {
	var parts []string
	for i, part := range strings.Split(path, "/") {
		switch {
		case part == "..", part == "." && i == 0:
			return nil, errors.New("not a path from the root")
		case part != "" && part != ".":
			parts = append(parts, part)
		}
	}
	if len(parts) == 0 {
		return nil, errors.New("not the path of a file")
	}
	return parts, nil
}

// unified checks the EFI programs in and below a directory.
func (c *bootChecker) unified(path string, dir *tree.Node) {
	for name, n := range dir.Children() {
		at := path + "/" + name
		switch {
		case n.IsDir():
			c.unified(at, n)
		case !strings.HasSuffix(name, ".efi"):
		case !n.IsRegular():
			c.fault(at, errNotRegular)
		case !strings.HasSuffix(name, ".addon.efi"):
			c.kernels++
		}
	}
}

// modules checks the directories of kernel versions.
func (c *bootChecker) modules(path string, dir *tree.Node) {
	for version, n := range dir.Children() {
		if !n.IsDir() {
			continue
		}
		c.unified(path+"/"+version, n)
		kernel := n.Child("vmlinuz")
		if kernel == nil || !kernel.IsRegular() {
			continue
		}
		c.kernels++
		if !utf8.ValidString(version) {
			c.fault(path+"/"+version, errors.New("the version is not UTF-8"))
		}
	}
}

package erofs

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/tree"
	"github.com/bootc-go/bootc/composefs/verity"
)

// Makers of nodes for tests. All have one name and belong to root.

func directory(perm uint32) *tree.Node {
	return linked(at(tree.NewDir(perm), 1_700_000_000, 0), 2)
}

func node(mode uint32) *tree.Node {
	return &tree.Node{Mode: mode, Nlink: 1, Mtime: tree.Time{Sec: 1_700_000_000}}
}

func symlink(target string) *tree.Node {
	n := node(unix.S_IFLNK | 0o777)
	n.Target = target
	return n
}

func inline(data string) *tree.Node {
	n := node(unix.S_IFREG | 0o644)
	n.File = &tree.File{Size: uint64(len(data)), Inline: []byte(data)}
	return n
}

func device(mode, rdev uint32) *tree.Node {
	n := node(mode)
	n.Rdev = rdev
	return n
}

func whiteout() *tree.Node { return node(unix.S_IFCHR | 0o600) }

// external is a file whose digest is that of a word.
func external(size uint64, word string) *tree.Node {
	return externalAlg(verity.SHA256, size, word)
}

func externalAlg(alg verity.Algorithm, size uint64, word string) *tree.Node {
	n := node(unix.S_IFREG | 0o755)
	d := verity.Sum(alg, []byte(word))
	n.File = &tree.File{Size: size, Payload: d.ObjectPath(), Digest: d}
	return n
}

func with(n *tree.Node, xattrs ...string) *tree.Node {
	for i := 0; i < len(xattrs); i += 2 {
		n.SetXattr(xattrs[i], []byte(xattrs[i+1]))
	}
	return n
}

func at(n *tree.Node, sec int64, nsec uint32) *tree.Node {
	n.Mtime = tree.Time{Sec: sec, Nsec: nsec}
	return n
}

func owned(n *tree.Node, uid, gid uint32) *tree.Node {
	n.UID, n.GID = uid, gid
	return n
}

func linked(n *tree.Node, nlink uint32) *tree.Node {
	n.Nlink = nlink
	return n
}

// holding adds entries, names and nodes in turn.
func holding(dir *tree.Node, entries ...any) *tree.Node {
	for i := 0; i < len(entries); i += 2 {
		dir.SetChild(entries[i].(string), entries[i+1].(*tree.Node)) //nolint:forcetypeassert // a test that errs there should panic
	}
	setDirLinks(dir)
	return dir
}

// setDirLinks gives directories the Nlink that an image has, and leaves all
// others alone.
func setDirLinks(dir *tree.Node) {
	dir.Nlink = 2
	for _, child := range dir.Children() {
		if child.IsDir() {
			setDirLinks(child)
			dir.Nlink++
		}
	}
}

// text is n bytes that differ from their neighbours.
func text(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = 'a' + byte(i*7+i/26)%26
	}
	return string(b)
}

// cases are trees that each show one part of the format.
var cases = map[string]func() *tree.Node{
	"empty": func() *tree.Node { return directory(0o755) },
	"every kind": func() *tree.Node {
		return holding(directory(0o755),
			"block", device(unix.S_IFBLK|0o660, 0x801), "char", device(unix.S_IFCHR|0o666, 0x103),
			"big-device", device(unix.S_IFCHR|0o600, 0xfff0_00ff), "fifo", node(unix.S_IFIFO|0o644),
			"socket", node(unix.S_IFSOCK|0o755), "link", symlink("../usr/bin/true"), "inline", inline("hello"),
			"empty", inline(""), "nothing", node(unix.S_IFREG|0o600), "external", external(12345, "a"),
			"dir", holding(directory(0o1777), "sub", directory(0o2711)), "setuid", inlineMode("x", 0o4755))
	},
	"external": func() *tree.Node {
		root := directory(0o755)
		for i, size := range []uint64{1, 2, 64, 4095, 4096, 4097, 1 << 20, 1<<20 + 1, 1<<32 - 1, 1 << 32, 1 << 43, 1<<43 + 1, 1 << 50, 1<<53 - 1, 1 << 53} {
			holding(root, fmt.Sprintf("%d", size), external(size, fmt.Sprint(i)))
			noDigest := external(size, fmt.Sprint(i))
			noDigest.File.Digest = verity.Digest{}
			noWhere := external(size, fmt.Sprint(i))
			noWhere.File.Payload, noWhere.File.Digest = "", verity.Digest{}
			holding(root, fmt.Sprintf("%d-plain", size), noDigest, fmt.Sprintf("%d-nowhere", size), noWhere)
		}
		return root
	},
	"chunk lists at every offset": func() *tree.Node {
		root := directory(0o755)
		for i := range 40 {
			n := external(1<<53-uint64(i)<<43, fmt.Sprint(i))
			holding(root, fmt.Sprintf("f%02d", i), with(n, "user.pad", strings.Repeat("p", i*4)))
		}
		return root
	},
	"inline files": func() *tree.Node {
		root := directory(0o755)
		for _, size := range []int{1, 2, 3, 4, 31, 32, 33, 63, 64, 65, 1000, 2047, 2048, 2049, 4064, 4095, 4096, 4097, 4999, 5000} {
			holding(root, fmt.Sprintf("f%d", size), inline(text(size)))
		}
		return root
	},
	"tails": func() *tree.Node {
		root := directory(0o755)
		for i := range 200 {
			holding(root, fmt.Sprintf("f%03d", i), inline(text(i*37%2049)))
		}
		return root
	},
	"symlinks": func() *tree.Node {
		root := directory(0o755)
		for _, size := range []int{1, 59, 60, 255, 1024, 2048, 3000, 3990, 4000, 4030, 4031, 4032, 4033, 4063, 4064, 4065, 4094, 4095} {
			holding(root, fmt.Sprintf("l%d", size), symlink(text(size)), fmt.Sprintf("x%d", size), with(symlink(text(size)), "user.a", text(size%100)))
		}
		return root
	},
	"big directory": func() *tree.Node {
		dir := directory(0o755)
		for i := range 6000 {
			dir.SetChild(fmt.Sprintf("file-%05d-%s", i, text(i%40)), inline(text(i%5)))
		}
		return holding(directory(0o755), "dir", dir)
	},
	"directory sizes": func() *tree.Node {
		root := directory(0o755)
		for i := range 120 {
			dir := directory(0o755)
			for k := range i {
				dir.SetChild(fmt.Sprintf("%0*d", 20+i%7, k), directory(0o700))
			}
			root.SetChild(fmt.Sprintf("d%03d", i), dir)
		}
		return holding(root)
	},
	"names around dots": func() *tree.Node {
		root := directory(0o755)
		for _, name := range []string{"!", "-", "-.", ". ", ".-", ".a", "...", "..a", ".. ", "..-", "0", "/x"[1:], "\x01", "\xff", "\xfe\xff", strings.Repeat("n", 255), "new\nline", "tab\t", `back\slash`, "="} {
			holding(root, name, inline(name))
		}
		return root
	},
	"stubs that are there": func() *tree.Node {
		return holding(with(owned(directory(0o755), 7, 8), "security.selinux", "root_t\x00", "user.other", "x"),
			"00", directory(0o755), "7f", inline("x"), "ff", whiteout(), "a0", symlink("ff"), "AA", directory(0o755), "0", inline("y"), "000", inline("z"))
	},
	"whiteouts": func() *tree.Node {
		return holding(directory(0o755), "gone", whiteout(), "also", with(whiteout(), "user.a", "b", "trusted.overlay.origin", "o"),
			"dir", holding(with(directory(0o755), "trusted.overlay.impure", "y"), "w", at(whiteout(), 5, 6), "file", inline("f")),
			"plain", holding(directory(0o755), "file", inline("f")))
	},
	"overlay xattrs": func() *tree.Node {
		return holding(with(directory(0o755), "trusted.overlay.opaque", "y", "trusted.overlay.overlay.opaque", "z", "trusted.overlay.", "odd"),
			"file", with(external(5000, "x"), "trusted.overlay.metacopy", "mine", "trusted.overlay.redirect", "elsewhere", "trusted.overlay", "short", "trusted.overlayz", "long"),
			"dir", with(directory(0o755), "trusted.overlay.whiteouts", "", "user.overlay.opaque", "y"),
			"looks like a whiteout", with(inline(""), "trusted.overlay.whiteout", ""))
	},
	"hard links": func() *tree.Node {
		a, b, c := linked(inline("a"), 3), linked(external(4711, "b"), 2), linked(symlink("c"), 70000)
		w := linked(whiteout(), 2)
		return holding(directory(0o755), "z", a, "zz", a, "m", holding(directory(0o755), "x", holding(directory(0o755), "deep", b, "w", w), "y", a, "z", c),
			"n", holding(directory(0o755), "b", b, "w", w), "a", holding(directory(0o755), "q", holding(directory(0o755), "c", c)), "c", c, "c2", c)
	},
	"compact and extended": func() *tree.Node {
		return holding(at(directory(0o755), 100, 5),
			"same", at(inline("1"), 100, 5), "later", at(inline("2"), 100, 6), "much later", at(inline("3"), 101, 0),
			"uid", at(owned(inline("4"), 65536, 0), 100, 5), "gid", at(owned(inline("5"), 65535, 65536), 100, 5), "both", at(owned(inline("6"), 65535, 65535), 100, 5),
			"nlink", at(linked(inline("7"), 65536), 100, 5), "links", at(linked(inline("8"), 65535), 100, 5),
			"large", at(external(1<<32, "x"), 100, 5), "not so large", at(external(1<<32-1, "x"), 100, 5), "fifo", at(node(unix.S_IFIFO), 100, 5))
	},
	"times": func() *tree.Node {
		return holding(at(directory(0o755), 10, 999_999_999), "zero", at(inline("0"), 0, 0), "one", at(inline("1"), 0, 1), "ages", at(inline("2"), 1<<40, 999_999_999))
	},
	"before 1970": func() *tree.Node {
		return holding(at(directory(0o755), 10, 0), "old", at(inline("0"), -5, 7), "older", at(inline("1"), -1<<40, 1))
	},
	"shared xattrs": func() *tree.Node {
		root := with(directory(0o755), "security.selinux", "root_t")
		for i := range 50 {
			n := with(inline(fmt.Sprint(i)), "security.selinux", fmt.Sprintf("t%d", i%7), "user.same", "same", "user.own", fmt.Sprint(i),
				"user.len", strings.Repeat("v", i%5), "security.capability", string([]byte{1, 0, byte(i % 3), 255}))
			root.SetChild(fmt.Sprint(i), n)
		}
		return holding(root, "e1", external(100, "e"), "e2", external(100, "e"), "e3", external(200, "e"))
	},
	"many shared xattrs": func() *tree.Node {
		root := directory(0o755)
		for _, count := range []int{127, 128, 129, 200, 600} {
			for k := range 2 {
				n := inline("x")
				for i := range count {
					n.SetXattr(fmt.Sprintf("user.%d.%d", count, i), []byte("v"))
				}
				root.SetChild(fmt.Sprintf("%d-%d", count, k), n)
			}
		}
		return holding(root)
	},
	"large xattrs": func() *tree.Node {
		root := directory(0o755)
		for i, size := range []int{0, 1, 3, 4, 250, 1000, 2000, 4000, 4096, 8192, 20000, 32000} {
			root.SetChild(fmt.Sprintf("f%d", i), with(inline(text(i*11)), "user.large", text(size)))
			root.SetChild(fmt.Sprintf("l%d", i), with(symlink(text(i+1)), "user.large", text(size+1)))
			root.SetChild(fmt.Sprintf("d%d", i), with(directory(0o755), "trusted."+strings.Repeat("n", 240), text(size)))
		}
		return holding(root)
	},
	"xattr names": func() *tree.Node {
		return holding(directory(0o755), "acl", with(inline("a"), "system.posix_acl_access", "a\x00b", "system.posix_acl_default", "c"),
			"others", with(inline("b"), "lustre.lov", "l", "system.nfs4_acl", "n", "btrfs.x", "y", "user.", "no suffix", "trusted.x", "", "security.ima", "\x03\x04",
				"user.a=b", "c", "USER.x", "up", "user.sp ace", "with \n newline"))
	},
	"no acl": func() *tree.Node {
		return holding(directory(0o755), "almost", with(inline("b"), "system.posix_acl_accessible", "x", "user.system.posix_acl_access", "y"))
	},
	"deep": func() *tree.Node {
		root := directory(0o755)
		for dir, i := root, 1; i < 200; i++ {
			dir.SetChild("d", directory(0o755))
			dir = dir.Child("d")
		}
		return holding(root)
	},
}

func inlineMode(data string, perm uint32) *tree.Node {
	n := inline(data)
	n.Mode = unix.S_IFREG | perm
	return n
}

func TestWriteIsByteForByteMkcomposefs(t *testing.T) {
	t.Parallel()
	for name, mk := range cases {
		for _, oracle := range oracles {
			t.Run(name+"/"+oracle.name, func(t *testing.T) {
				t.Parallel()
				root := mk()
				before := dumpOf(t, root)
				img := oracle.same(t, root)
				sameDigest(t, root, img, oracle.opts)
				fsck(t, img)
				if !bytes.Equal(before, dumpOf(t, root)) {
					t.Error("Write changed the tree")
				}
			})
		}
	}
}

// Marks of whiteouts replace xattrs of the same names. The tree cannot be read
// back, so this is none of the cases. Where an old value is longer than the
// mark mkcomposefs may fail: its count of bytes runs below zero.
func TestMarksOfWhiteoutsReplaceXattrs(t *testing.T) {
	dir := with(directory(0o755), "trusted.overlay.opaque", "y", "user.overlay.opaque", "z", "user.overlay.whiteouts", "", "trusted.overlay.whiteouts", "")
	root := holding(directory(0o755), "dir", holding(dir, "gone", with(whiteout(), "user.overlay.whiteout", "", "trusted.overlay.whiteout", "")))
	for _, oracle := range oracles {
		oracle.same(t, root)
	}
}

package tree

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/verity"
)

// systemTree is about n inodes that look like an operating system's: files of
// all kinds of content, labels from a small set, nested directories.
func systemTree(n int) *Node {
	root := NewDir(0o755)
	count := 0
	for i := 0; count < n; i++ {
		top := NewDir(0o755)
		root.SetChild(fmt.Sprintf("dir-%05d", i), labelled(top, i))
		for j := range 8 {
			dir := NewDir(0o755)
			top.SetChild(fmt.Sprintf("sub%02d", j), labelled(dir, i))
			for k := range 11 {
				dir.SetChild(fmt.Sprintf("some-file-name-%03d.so", k), labelled(systemFile(count, k), count))
				count++
			}
		}
	}
	SetLinks(root)
	return root
}

func labelled(n *Node, i int) *Node {
	n.Mtime = Time{Sec: 1633950376, Nsec: uint32(i % 1000)}
	n.Xattrs = []Xattr{{"security.selinux", []byte("system_u:object_r:" + []string{"usr_t", "bin_t", "etc_t"}[i%3] + ":s0\x00")}}
	return n
}

func systemFile(i, k int) *Node {
	switch k {
	case 8:
		return &Node{Mode: unix.S_IFLNK | 0o777, Target: "../lib/some.so"}
	case 9:
		return &Node{Mode: unix.S_IFREG | 0o644, File: &File{Size: 10, Inline: []byte("some text\n")}}
	case 10:
		return &Node{Mode: unix.S_IFREG | 0o644}
	}
	d := verity.Sum(verity.SHA256, fmt.Append(nil, i))
	return &Node{Mode: unix.S_IFREG | 0o644, File: &File{Size: uint64(65 + i), Payload: d.ObjectPath(), Digest: d}}
}

func systemDump(tb testing.TB, n int) string {
	tb.Helper()
	var b strings.Builder
	if err := WriteDump(&b, systemTree(n)); err != nil {
		tb.Fatal(err)
	}
	return b.String()
}

func BenchmarkReadDump(b *testing.B) {
	dump := systemDump(b, 200_000)
	b.SetBytes(int64(len(dump)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ReadDump(strings.NewReader(dump)); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(strings.Count(dump, "\n"))*float64(b.N)/b.Elapsed().Seconds(), "lines/s")
}

func BenchmarkWriteDump(b *testing.B) {
	root := systemTree(200_000)
	b.ReportAllocs()
	for b.Loop() {
		if err := WriteDump(io.Discard, root); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDiff(b *testing.B) {
	var dump bytes.Buffer
	if err := WriteDump(&dump, systemTree(200_000)); err != nil {
		b.Fatal(err)
	}
	one, _ := ReadDump(bytes.NewReader(dump.Bytes()))
	two, _ := ReadDump(bytes.NewReader(dump.Bytes()))
	for b.Loop() {
		for c := range Diff(one, two) {
			b.Fatal(c)
		}
	}
}

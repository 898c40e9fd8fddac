package erofs

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/tree"
)

// dumpOf is the tree in the text form that mkcomposefs --from-file reads
// (composefs-dump(5)). It is apart from package tree on purpose: an error there
// cannot hide one here.
func dumpOf(t testing.TB, root *tree.Node) []byte {
	t.Helper()
	var b bytes.Buffer
	first := map[*tree.Node]string{}
	err := tree.Walk(root, func(path string, n *tree.Node) error {
		if target, ok := first[n]; ok {
			fmt.Fprintf(&b, "%s 0 @%o 1 0 0 0 0.0 %s - -\n", dumpText(path), n.Mode, dumpText(target))
			return nil
		}
		first[n] = path
		dumpNode(&b, path, n)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func dumpNode(w io.Writer, path string, n *tree.Node) {
	payload, content, digest := n.Target, "", ""
	if f := n.File; n.IsRegular() && f != nil {
		payload, content, digest = f.Payload, string(f.Inline), f.Digest.String()
	}
	rdev := uint32(0)
	if n.Type() == unix.S_IFBLK || n.Type() == unix.S_IFCHR {
		rdev = n.Rdev
	}
	fmt.Fprintf(w, "%s %d %o %d %d %d %d %d.%d %s %s %s", dumpText(path), n.Size(), n.Mode, n.Nlink, n.UID, n.GID, rdev,
		n.Mtime.Sec, n.Mtime.Nsec, optional(payload), optional(content), optional(digest))
	for _, x := range n.Xattrs {
		fmt.Fprintf(w, " %s=%s", dumpText(x.Name), dumpText(string(x.Value)))
	}
	fmt.Fprintln(w)
}

func optional(s string) string {
	switch s {
	case "":
		return "-"
	case "-":
		return `\x2d`
	}
	return dumpText(s)
}

func dumpText(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || c == '\\' || c == '=' {
			fmt.Fprintf(&b, `\x%02x`, c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

package etcmerge

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/aymanbagabas/go-udiff"

	"github.com/bootc-go/bootc/composefs/tree"
)

// maxPatched is the size in bytes up to which a file is shown in a patch.
const maxPatched = 1 << 20

// PatchOptions say what a patch shows.
type PatchOptions struct {
	// Private shows files that not everyone may read, too. Without it a patch
	// can be sent to somebody: it has no password hashes and no keys.
	Private bool
}

// WritePatch writes each change in a line that begins with "#", and what it does
// to text as a unified diff, which patch(1) can apply to the pristine /etc. The
// order is that of the paths.
func (d *Diff) WritePatch(w io.Writer, pristine, current Opener, o PatchOptions) error {
	all := slices.Concat(d.Added, d.Modified, d.Removed)
	slices.SortStableFunc(all, func(a, b tree.Change) int { return cmp.Compare(a.Path, b.Path) })
	for _, c := range all {
		secret := !o.Private && (d.hidden[c.Path] || private(c.Old) || private(c.New))
		text, err := patch(c, pristine, current, secret)
		if err != nil {
			return fmt.Errorf("cannot show %s: %w", show(c.Path), err)
		}
		if _, err := io.WriteString(w, text); err != nil {
			return err
		}
	}
	return nil
}

// patch is what to show of a change.
func patch(c tree.Change, pristine, current Opener, secret bool) (string, error) {
	head := "# " + c.String() + "\n"
	switch {
	case !isRegular(c.Old) && !isRegular(c.New), c.Kind == tree.Changed && c.What&(tree.ContentAspect|tree.TypeAspect) == 0:
		return head, nil
	case secret:
		return head + "# its content is not shown: not everyone may read it\n", nil
	case tooLarge(c.Old) || tooLarge(c.New):
		return head + "# its content is not shown: it is large\n", nil
	}
	before, err := content(c.Path, c.Old, pristine)
	if err != nil {
		return "", err
	}
	after, err := content(c.Path, c.New, current)
	if err != nil {
		return "", err
	}
	from, to := label("a/etc/", c.Path, c.Old), label("b/etc/", c.Path, c.New)
	if isBinary(before) || isBinary(after) {
		return head + fmt.Sprintf("Binary files %s and %s differ\n", from, to), nil
	}
	text, err := udiff.ToUnified(from, to, string(before), udiff.Lines(string(before), string(after)), udiff.DefaultContextLines)
	return head + text, err
}

// content is that of a regular file, and nothing of all else.
func content(path string, n *tree.Node, open Opener) ([]byte, error) {
	switch {
	case !isRegular(n) || n.Size() == 0:
		return nil, nil
	case n.File.Inline != nil:
		return n.File.Inline, nil
	}
	return load(path, n, open)
}

// label is how a side is called in the diff: what is no regular file is as good
// as nothing.
func label(prefix, path string, n *tree.Node) string {
	if !isRegular(n) {
		return "/dev/null"
	}
	return quoteName(prefix + path)
}

// quoteName is a name as git and patch(1) read it: odd ones are C strings.
func quoteName(name string) string {
	odd := func(b byte) bool { return b <= ' ' || b >= 0x7f || b == '"' || b == '\\' }
	if !slices.ContainsFunc([]byte(name), odd) {
		return name
	}
	var out strings.Builder
	for _, b := range []byte(name) {
		if odd(b) {
			fmt.Fprintf(&out, `\%03o`, b)
		} else {
			out.WriteByte(b)
		}
	}
	return `"` + out.String() + `"`
}

// private says whether there are users who may not read n.
func private(n *tree.Node) bool { return isRegular(n) && n.Perm()&0o004 == 0 }

func tooLarge(n *tree.Node) bool { return isRegular(n) && n.Size() > maxPatched }

// isBinary judges as diff(1) and git do.
func isBinary(data []byte) bool { return bytes.IndexByte(data, 0) >= 0 }

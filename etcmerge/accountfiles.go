package etcmerge

import (
	"bytes"
	"fmt"

	"github.com/bootc-go/bootc/composefs/tree"
	"github.com/bootc-go/bootc/etcmerge/accounts"
)

// accountFiles returns the content of the account files of a tree, those that
// are regular files.
func accountFiles(root *tree.Node) (accounts.Files, error) {
	out := accounts.Files{}
	for _, name := range accounts.Names() {
		n := root.Child(name)
		switch {
		case !isRegular(n):
		case n.Size() == 0:
			out[name] = []byte{}
		case n.File.Inline == nil:
			return nil, fmt.Errorf("internal error: the content of %s was not loaded", name)
		default:
			out[name] = n.File.Inline
		}
	}
	return out, nil
}

// mergeAccounts merges the account files of three trees.
func mergeAccounts(p, c, n *tree.Node) (accounts.Files, []accounts.Note, error) {
	var states [3]accounts.Files
	for i, root := range []*tree.Node{p, c, n} {
		files, err := accountFiles(root)
		if err != nil {
			return nil, nil, err
		}
		states[i] = files
	}
	merged, notes := accounts.Merge(states[0], states[1], states[2])
	return merged, notes, nil
}

// account is an account file whose content is decided. Its attributes are
// merged by themselves: a mode that was changed here is no reason to keep old
// content.
func (m *merger) account(path string, content []byte, p, c, n *tree.Node) *tree.Node {
	local := !isRegular(p) || differs(p, c)&attributeAspects != 0
	switch {
	case holds(n, content) && (!local || differs(c, n)&attributeAspects == 0):
		m.links.untouched(path, c, n)
		return n
	case holds(c, content) && local:
		return m.leaf(path, p, c, n)
	}
	attributes := n
	if local {
		attributes = m.labelled(p, c, n)
	}
	out := copyOf(attributes)
	out.Nlink = 1
	out.File = &tree.File{Size: uint64(len(content)), Inline: content}
	if out.Mtime = n.Mtime; c.Mtime.Compare(n.Mtime) > 0 {
		out.Mtime = c.Mtime
	}
	return out
}

// holds says whether a file has just this content.
func holds(n *tree.Node, content []byte) bool {
	if n.Size() == 0 {
		return len(content) == 0
	}
	return bytes.Equal(n.File.Inline, content)
}

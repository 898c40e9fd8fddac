package selinux

import (
	"fmt"
	"strings"

	"github.com/bootc-go/bootc/composefs/tree"
)

// Relabel sets the label of every inode below root, and removes those of files
// that the policy gives none. The first name of an inode, in depth-first order,
// decides on its label; each later name with another label becomes an inode of
// its own, and such inodes are never joined again. Link counts stay right.
//
// A substitution replaces the path of an entry if it is exactly the first path
// of the substitution; what is below the entry has paths below the second one,
// which are looked up among the substitutions again.
func (p *Policy) Relabel(root *tree.Node) error {
	r := relabeler{policy: p, labels: map[*tree.Node]string{}, values: map[string][]byte{}}
	return r.directory(root, "/")
}

// Strip removes the label of every inode below root.
func Strip(root *tree.Node) {
	root.RemoveXattr(XattrName)
	for _, child := range root.Children() {
		Strip(child)
	}
}

type relabeler struct {
	policy *Policy
	labels map[*tree.Node]string // of inodes that are no directories; "" is no label
	values map[string][]byte     // one slice a label
}

func (r *relabeler) directory(n *tree.Node, path string) error {
	label, err := r.label(path, n)
	if err != nil {
		return err
	}
	r.set(n, label)
	for name, child := range n.Children() {
		childPath := r.policy.Below(path, name)
		if child.IsDir() {
			err = r.directory(child, childPath)
		} else {
			err = r.file(n, name, child, childPath)
		}
		if err != nil {
			return err
		}
		path = trim(path)
	}
	return nil
}

// file labels the entry called name of a directory.
func (r *relabeler) file(dir *tree.Node, name string, n *tree.Node, path string) error {
	label, err := r.label(path, n)
	if err != nil {
		return err
	}
	if other, ok := r.labels[n]; ok && other != label {
		split := *n
		split.Nlink = 1
		n.Nlink--
		n = &split
		dir.SetChild(name, n)
	}
	r.labels[n] = label
	r.set(n, label)
	return nil
}

func (r *relabeler) label(path string, n *tree.Node) (string, error) {
	label, _, err := r.policy.Label(path, n.Mode)
	if err != nil {
		return "", fmt.Errorf("labelling %s: %w", path, err)
	}
	return label, nil
}

// set replaces the label of n. The list of attributes is made anew, because it
// may be shared with other inodes.
func (r *relabeler) set(n *tree.Node, label string) {
	xattrs := make([]tree.Xattr, 0, len(n.Xattrs)+1)
	for _, x := range n.Xattrs {
		if x.Name != XattrName {
			xattrs = append(xattrs, x)
		}
	}
	n.Xattrs = xattrs
	if label == "" {
		return
	}
	value, ok := r.values[label]
	if !ok {
		value = []byte(label)
		r.values[label] = value
	}
	n.SetXattr(XattrName, value)
}

// Below is the path by which to look up the label of the entry called name of a
// directory whose own label was looked up by dir, "/" for the root, substitutions
// applied.
func (p *Policy) Below(dir, name string) string {
	path := join(dir, name)
	if to, ok := p.subs[path]; ok {
		return to
	}
	return path
}

func join(dir, name string) string {
	if strings.HasSuffix(dir, "/") {
		return dir + name
	}
	return dir + "/" + name
}

// trim takes slashes and "." components off the end of a path. A substitution
// may bring them in, and composefs-rs loses them when it has entered and left
// the first entry of the directory.
func trim(path string) string {
	for {
		switch {
		case strings.HasSuffix(path, "/."):
			path = path[:len(path)-1]
		case len(path) > 1 && strings.HasSuffix(path, "/"):
			path = path[:len(path)-1]
		default:
			return path
		}
	}
}

package layers

import (
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/bootc-go/bootc/composefs/tree"
	"github.com/bootc-go/bootc/selinux"
)

// A treeReader reads files of a tree by their paths. It follows no symbolic
// links, as composefs-rs does not when it reads a tree.
type treeReader struct {
	root *tree.Node
	open func(*tree.Node) (io.ReadCloser, error)
}

// read returns the content of the regular file at an absolute path, and whether
// there is one.
func (r treeReader) read(name string) ([]byte, bool, error) {
	dir, err := findDirectory(r.root, path.Dir(name))
	if err != nil || dir == nil {
		return nil, false, err
	}
	n := dir.Child(path.Base(name))
	if n == nil {
		return nil, false, nil
	}
	if !n.IsRegular() {
		return nil, false, fmt.Errorf("%s is not a regular file", name)
	}
	data, err := r.content(n, selinux.MaxFileSize)
	if err != nil {
		return nil, false, fmt.Errorf("%s: %w", name, err)
	}
	return data, true, nil
}

// content returns what is in a regular file of at most limit bytes.
func (r treeReader) content(n *tree.Node, limit uint64) ([]byte, error) {
	if n.Size() > limit {
		return nil, fmt.Errorf("too large: %d bytes, at most %d are read", n.Size(), limit)
	}
	data, err := r.prefix(n, limit)
	if err == nil && uint64(len(data)) != n.Size() {
		err = fmt.Errorf("its object has %d bytes instead of %d", len(data), n.Size())
	}
	return data, err
}

// prefix returns the first limit bytes of a regular file, or all if it has no
// more.
func (r treeReader) prefix(n *tree.Node, limit uint64) ([]byte, error) {
	if n.File == nil || n.File.Payload == "" && n.File.Digest.IsZero() {
		return inline(n, limit), nil
	}
	f, err := r.open(n)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, int64(min(n.Size()+1, limit))))
	return data, errors.Join(err, f.Close())
}

func inline(n *tree.Node, limit uint64) []byte {
	if n.File == nil {
		return nil
	}
	return n.File.Inline[:min(uint64(len(n.File.Inline)), limit)]
}

// findDirectory returns the directory at path below root, or nil if there is
// nothing. Anything else on the way is an error.
func findDirectory(root *tree.Node, path string) (*tree.Node, error) {
	dir, at := root, ""
	for name := range strings.SplitSeq(path, "/") {
		if name == "" {
			continue
		}
		at += "/" + name
		if dir = dir.Child(name); dir == nil {
			return nil, nil
		}
		if !dir.IsDir() {
			return nil, fmt.Errorf("%s is not a directory", at)
		}
	}
	return dir, nil
}

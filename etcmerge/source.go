package etcmerge

import (
	"context"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/tree"
	"github.com/bootc-go/bootc/composefs/tree/scan"
	"github.com/bootc-go/bootc/composefs/verity"
	"github.com/bootc-go/bootc/etcmerge/accounts"
)

// maxAccountFile bounds what is read of an account file, in bytes. It is enough
// for half a million users.
const maxAccountFile = 64 << 20

// Opener opens the content of the regular file n, which is at path, relative to
// /etc.
type Opener func(path string, n *tree.Node) (io.ReadCloser, error)

// DirOpener opens files below the directory dir. It follows no symbolic links.
func DirOpener(dir *os.File) Opener {
	return func(path string, _ *tree.Node) (io.ReadCloser, error) {
		d := newDir(int(dir.Fd()))
		defer d.close()
		return d.open(path)
	}
}

// Scan reads the directory at path, in the way that [NewPlan] wants it. The
// digests are of the given algorithm, which must be that of the other trees.
// File systems mounted below are entered; who does not want their files copied
// scans a clone without them, see open_tree(2).
func Scan(ctx context.Context, path string, alg verity.Algorithm) (*tree.Node, error) {
	root, err := scan.Scan(ctx, path, scan.Options{Algorithm: alg, KeepHardlinks: true})
	if err != nil {
		return nil, err
	}
	dir, err := os.OpenFile(path, os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	return root, LoadAccounts(root, DirOpener(dir))
}

// LoadAccounts puts the content of the account files into the tree root, in
// place of their digests, for [NewPlan] merges them by their lines. No image may
// be made of the tree afterwards.
func LoadAccounts(root *tree.Node, open Opener) error {
	for _, name := range accounts.Names() {
		n := child(root, name)
		if !isRegular(n) || n.Size() == 0 || n.File.Inline != nil {
			continue
		}
		data, err := load(name, n, open)
		if err != nil {
			return fmt.Errorf("cannot read %s: %w", name, err)
		}
		n.File = &tree.File{Size: n.Size(), Inline: data}
	}
	return nil
}

// load reads a file, which must have as many bytes as n says.
func load(path string, n *tree.Node, open Opener) ([]byte, error) {
	if n.Size() > maxAccountFile {
		return nil, fmt.Errorf("%d bytes are more than the %d that can be merged", n.Size(), maxAccountFile)
	}
	r, err := open(path, n)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, int64(n.Size())+1))
	if err == nil && uint64(len(data)) != n.Size() {
		err = ErrChanged
	}
	return data, err
}

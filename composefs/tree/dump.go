package tree

import (
	"errors"
	"io"
)

// ReadDump reads the text form of a file system, composefs-dump(5), strictly:
// what mkcomposefs and composefs-rs would read differently is refused, with the
// number of the line. The format is described in
// docs/reference/formats/dump.md. Memory is bounded by a small multiple of what
// r really yields.
func ReadDump(r io.Reader) (*Node, error) { return nil, errors.New("not written yet") }

// WriteDump writes the text form of the tree, one line a name in the order of
// [Walk], as composefs-rs does: directories have size 0, the first name of an
// inode stands for it and all later ones are hard links to that one. Link
// counts are those of the nodes; see [SetLinks].
func WriteDump(w io.Writer, root *Node) error { return errors.New("not written yet") }

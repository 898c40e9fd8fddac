package etcmerge

import (
	"errors"
	"io"

	"github.com/bootc-go/bootc/composefs/tree"
)

// Diff is how current differs from pristine. Paths are relative to /etc, "." is
// /etc itself.
type Diff struct {
	Added      []tree.Change // with everything below a directory that was added
	Modified   []tree.Change // content, attributes or type
	Removed    []tree.Change // of a directory only itself is named
	Unmergable []Conflict    // with the new image; empty if there is none to compare with
}

// Conflict is a local change that the new image leaves no place for.
type Conflict struct {
	Path string
	// Directory says that the local side is a directory and the new image's is
	// not; else it is the other way about.
	Directory bool
}

// String is the conflict in a sentence.
func (c Conflict) String() string { return "" }

// Compare finds the local changes.
func Compare(pristine, current *tree.Node) (*Diff, error) {
	return nil, errors.New("internal error: not there yet")
}

// WriteText writes a line for each change: the kind and the quoted path.
func (d *Diff) WriteText(w io.Writer) error { return errors.New("internal error: not there yet") }

// MarshalJSON is the diff as docs/explanation/etc-merge.md describes it.
func (d *Diff) MarshalJSON() ([]byte, error) { return nil, errors.New("internal error: not there yet") }

// PatchOptions say what a patch shows.
type PatchOptions struct {
	// Private shows files that not everyone may read, too.
	Private bool
}

// WritePatch writes the changes of text files as a unified diff, and a line
// for each change that is none of text.
func (d *Diff) WritePatch(w io.Writer, pristine, current Opener, o PatchOptions) error {
	return errors.New("internal error: not there yet")
}

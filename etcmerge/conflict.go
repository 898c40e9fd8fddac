package etcmerge

import (
	"errors"
	"fmt"
)

// ErrConflict means that a local change and the new image cannot both have their
// way.
var ErrConflict = errors.New("merge conflicts found in etc")

// Conflict is a local change that the new image leaves no place for, because it
// has made a directory of a file, or a file of a directory.
type Conflict struct {
	Path string
	// Directory says that the local side is a directory and the new image's is
	// none; else it is the other way about.
	Directory bool
}

// String is the conflict in a sentence.
func (c Conflict) String() string {
	if c.Directory {
		return fmt.Sprintf("Directory '%s' now defaults to a file in new etc", show(c.Path))
	}
	return fmt.Sprintf("File '%s' now defaults to a directory in new etc", show(c.Path))
}

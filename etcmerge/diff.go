package etcmerge

import (
	"github.com/bootc-go/bootc/composefs/tree"
)

// Diff is how current differs from pristine. Paths are relative to /etc, "." is
// /etc itself.
type Diff struct {
	Added      []tree.Change // with everything below a directory that was added
	Modified   []tree.Change // content, attributes or type
	Removed    []tree.Change // of a directory only itself is named
	Unmergable []Conflict    // with the new image; none if there is no new image

	hidden map[string]bool // paths that not everyone can reach
}

// Empty says whether nothing was changed.
func (d *Diff) Empty() bool {
	return len(d.Added)+len(d.Modified)+len(d.Removed)+len(d.Unmergable) == 0
}

// Package etcmerge carries the local changes of /etc into the /etc of a new
// image.
//
// Three trees meet: pristine, the /etc of the image that the host runs; current,
// the host's /etc; and new, the /etc of the image that comes. What differs
// between pristine and current is local and wins; all else follows new. The
// rules, and why they are what they are, are in docs/explanation/etc-merge.md.
//
// [NewPlan] is pure: it looks at nothing but its three trees and changes
// nothing, so that every preview is the computation that [Plan.Apply] carries
// out.
package etcmerge

import (
	"errors"

	"github.com/bootc-go/bootc/composefs/tree"
	"github.com/bootc-go/bootc/composefs/tree/scan"
	"github.com/bootc-go/bootc/etcmerge/accounts"
)

var (
	// ErrConflict means that a local change and the new image cannot both have
	// their way.
	ErrConflict = errors.New("merge conflicts found in etc")
	// ErrChanged means that a file was changed while it was read, or after the
	// plan was made. The remedy is to plan again.
	ErrChanged = scan.ErrChanged
)

// Plan is how the new /etc comes about.
type Plan struct {
	// Local is how current differs from pristine, and which of that cannot be
	// carried over.
	Local Diff
	// Result is what /etc will be. Its nodes may be those of the trees that
	// went in; nobody may change them.
	Result *tree.Node
	// Notes is what the administrator should know about merged account files.
	Notes []accounts.Note

	steps []step
}

// NewPlan merges three trees, as [Scan] makes them, or as they stand in an
// EROFS image with [LoadAccounts] applied. It changes none of them. Conflicts
// are no error of NewPlan; see [Plan.Err].
func NewPlan(pristine, current, new *tree.Node) (*Plan, error) {
	return nil, errors.New("internal error: not there yet")
}

// Err is nil if the plan can be applied. Else it is an ErrConflict that names
// every conflict.
func (p *Plan) Err() error { return nil }

// step is one idempotent change of the new /etc.
type step struct{}

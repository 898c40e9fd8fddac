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
	"fmt"

	"github.com/bootc-go/bootc/composefs/tree"
	"github.com/bootc-go/bootc/etcmerge/accounts"
)

// Plan is how the new /etc comes about.
type Plan struct {
	// Local is how current differs from pristine, and which of that cannot be
	// carried over.
	Local Diff
	// Result is what /etc will be; nil if there are conflicts. Its nodes may be
	// those of the trees that went in: nobody may change them. Link counts are
	// not those of the result.
	Result *tree.Node
	// Notes is what the administrator should know about merged account files.
	Notes []accounts.Note

	current *tree.Node
	steps   []step
}

// NewPlan merges three trees, as [Scan] makes them, or as they stand in an
// EROFS image with [LoadAccounts] applied. It changes none of them. Conflicts
// are no error of NewPlan; see [Plan.Err].
func NewPlan(pristine, current, new *tree.Node) (*Plan, error) {
	p, err := newPlan(pristine, current, new)
	if err != nil {
		return nil, fmt.Errorf("cannot merge /etc: %w", err)
	}
	return p, nil
}

func newPlan(pristine, current, new *tree.Node) (*Plan, error) {
	if err := comparable(pristine, current, new); err != nil {
		return nil, err
	}
	files, notes, err := mergeAccounts(pristine, current, new)
	if err != nil {
		return nil, err
	}
	p := &Plan{Notes: notes, current: current}
	p.Local.inode(here, pristine, current, false)
	m := &merger{accounts: files, links: newLinks()}
	root := m.inode(here, pristine, current, new)
	if p.Local.Unmergable = m.conflicts; len(m.conflicts) > 0 {
		return p, nil
	}
	m.links.join(root)
	p.Result, p.steps = root, planSteps(new, root, m.links)
	return p, nil
}

// Err is nil if the plan can be applied. Else it is an ErrConflict that names
// every conflict.
func (p *Plan) Err() error {
	var all []error
	for _, c := range p.Local.Unmergable {
		all = append(all, errors.New(c.String()))
	}
	if len(all) == 0 {
		return nil
	}
	return fmt.Errorf("%w:\n%w", ErrConflict, errors.Join(all...))
}

// Effect is how the result differs from the /etc that there is; nil if there are
// conflicts. Times do not count.
func (p *Plan) Effect() (*Diff, error) {
	if p.Result == nil {
		return nil, nil
	}
	return Compare(p.current, p.Result)
}

// Cost is how much Apply writes at most: the bytes of contents, and the number
// of inodes that are made.
func (p *Plan) Cost() (bytes uint64, inodes int) {
	for _, s := range p.steps {
		switch s.op {
		case opCopy, opWrite, opMkdir, opMake:
			bytes, inodes = bytes+s.node.Size(), inodes+1
		case opRemove, opFinish, opLink: // write nothing
		}
	}
	return bytes, inodes
}

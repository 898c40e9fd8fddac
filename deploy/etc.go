package deploy

import (
	"context"
	"errors"
	"fmt"

	"github.com/bootc-go/bootc/composefs/repo"
	"github.com/bootc-go/bootc/composefs/tree"
	"github.com/bootc-go/bootc/etcmerge"
)

// scanAttempts is how often /etc is read while others write to it.
const scanAttempts = 5

// currentEtc reads the live /etc.
func (s *Sysroot) currentEtc(ctx context.Context, r *repo.Repo) (*tree.Node, error) {
	live, err := s.liveEtc()
	if err != nil {
		return nil, err
	}
	for attempt := 1; ; attempt++ {
		etc, err := etcmerge.Scan(ctx, fdPath(live), r.Algorithm())
		if errors.Is(err, etcmerge.ErrChanged) && attempt < scanAttempts {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("/etc: %w", err)
		}
		return etc, nil
	}
}

// pristineEtc is the /etc of the image that runs.
func (s *Sysroot) pristineEtc(r *repo.Repo) (*tree.Node, error) {
	root, err := bootTree(r, s.sys.Booted.ID)
	if err != nil {
		return nil, err
	}
	return etcOf(r, root)
}

// planEtc plans the merge of the live /etc into that of a new image.
func (s *Sysroot) planEtc(ctx context.Context, r *repo.Repo, next *tree.Node) (*etcmerge.Plan, error) {
	pristine, err := s.pristineEtc(r)
	if err != nil {
		return nil, err
	}
	current, err := s.currentEtc(ctx, r)
	if err != nil {
		return nil, err
	}
	return etcmerge.NewPlan(pristine, current, next)
}

// ConfigDiff is how /etc differs from that of the image.
type ConfigDiff struct {
	*etcmerge.Diff                    // with conflicts, if something is staged
	Pristine, Current etcmerge.Opener // of use until the Sysroot is closed
}

// ConfigDiff compares /etc with that of the image that runs.
func (s *Sysroot) ConfigDiff(ctx context.Context) (*ConfigDiff, error) {
	d, err := s.configDiff(ctx)
	if err != nil {
		return nil, fmt.Errorf("cannot compare /etc with that of the image: %w", err)
	}
	return d, nil
}

func (s *Sysroot) configDiff(ctx context.Context) (*ConfigDiff, error) {
	live, err := s.liveEtc()
	if err != nil {
		return nil, err
	}
	r, err := s.repository(ctx)
	if err != nil {
		return nil, err
	}
	d := &ConfigDiff{Pristine: objects(r), Current: etcmerge.DirOpener(live)}
	m, err := s.menus()
	if err != nil {
		return nil, err
	}
	if len(m.staged) > 0 && m.reset == "" {
		root, err := bootTree(r, m.staged[0].ID)
		if err != nil {
			return nil, err
		}
		next, err := etcOf(r, root)
		if err != nil {
			return nil, err
		}
		plan, err := s.planEtc(ctx, r, next)
		if err != nil {
			return nil, err
		}
		d.Diff = &plan.Local
		return d, nil
	}
	pristine, err := s.pristineEtc(r)
	if err != nil {
		return nil, err
	}
	current, err := s.currentEtc(ctx, r)
	if err != nil {
		return nil, err
	}
	d.Diff, err = etcmerge.Compare(pristine, current)
	return d, err
}

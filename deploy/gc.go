package deploy

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/bootc-go/bootc/composefs/oci"
	"github.com/bootc-go/bootc/composefs/repo"
	"github.com/bootc-go/bootc/composefs/verity"
)

// GCOptions say how GC goes about it.
type GCOptions struct {
	DryRun bool // remove nothing
}

// GCResult names what GC removed, or would remove.
type GCResult struct {
	Kernels []string      // kernels of no deployment
	States  []string      // state directories, by id, and leftovers in those that stay
	Tags    []string      // of images in the repository
	Bound   []string      // images that no deployment is bound to, by name
	Repo    repo.GCResult // a dry run misses what only Tags keep

	Stateroots []string // what factory resets left, below state/
}

// Empty reports whether there was no garbage.
func (r GCResult) Empty() bool {
	return len(r.Kernels)+len(r.States)+len(r.Tags)+len(r.Bound)+len(r.Stateroots) == 0 && r.Repo == repo.GCResult{}
}

// GC removes what belongs to no deployment: kernels, state directories, tags, and
// what in the repository nothing refers to any more. It waits until nobody else has
// the repository open. Where the deployment that runs has no boot entry it refuses:
// then it does not see what there is.
func (s *Sysroot) GC(ctx context.Context, o GCOptions) (GCResult, error) {
	m, err := s.menus()
	var res GCResult
	if err == nil {
		res, err = s.collect(ctx, m, o.DryRun)
	}
	if err != nil {
		err = fmt.Errorf("cannot collect garbage: %w", err)
	}
	return res, err
}

// collectOrWarn collects after an operation that is done, or that failed, whichever
// of its contexts has ended. What it cannot do, the next one does.
func (s *Sysroot) collectOrWarn(ctx context.Context) {
	if errors.Is(ctx.Err(), context.Canceled) {
		ctx = context.WithoutCancel(ctx)
	}
	if _, err := s.GC(ctx, GCOptions{}); err != nil {
		s.warn("%v", err)
	}
}

// collect goes from what refers to what is referred to: a power cut in between
// leaves what the next run finds.
func (s *Sysroot) collect(ctx context.Context, m menus, dryRun bool) (res GCResult, err error) {
	if err := s.sees(m); err != nil {
		return res, err
	}
	if res, err = s.collectFiles(m, dryRun); err != nil {
		return res, err
	}
	r, err := s.repository(ctx)
	if err != nil {
		return res, err
	}
	keep := s.kept(m)
	if res.Tags, err = s.untag(r, m, dryRun); err != nil {
		return res, err
	}
	roots, err := imagesOf(r, keep)
	if err == nil {
		res.Repo, err = r.GC(ctx, repo.GCOptions{Roots: roots, DryRun: dryRun})
	}
	if err == nil {
		res.Bound, err = s.pruneBound(ctx, r, keep, dryRun)
	}
	if err == nil {
		res.Stateroots, err = s.collectStateroots(ctx, m, dryRun)
	}
	return res, err
}

// sees makes sure that the menu is the one that this system was booted from.
func (s *Sysroot) sees(m menus) error {
	if s.sys.Booted.ID.IsZero() {
		return nil
	}
	_, err := s.bootedEntry(m)
	return err
}

// kept are the ids of all deployments.
func (s *Sysroot) kept(m menus) []verity.Digest {
	var ids []verity.Digest
	for _, e := range m.all() {
		ids = append(ids, e.ID)
	}
	return ids
}

// collectSmall collects what is not in the repository: little work, that makes room
// where it is scarcest.
func (s *Sysroot) collectSmall(m menus) error {
	err := s.sees(m)
	if err == nil {
		_, err = s.collectFiles(m, false)
	}
	return err
}

// collectFiles collects the staged menu if nothing is staged, kernels and state
// directories.
func (s *Sysroot) collectFiles(m menus, dryRun bool) (res GCResult, err error) {
	if !dryRun && len(m.staged) == 0 {
		if err := s.sys.Loader.Discard(); err != nil {
			return res, err
		}
	}
	kernels := s.sys.Loader.Collect
	if dryRun {
		kernels = s.sys.Loader.Unused
	}
	if res.Kernels, err = kernels(); err != nil {
		return res, err
	}
	if res.States, err = s.garbageStates(m); err != nil || dryRun {
		return res, err
	}
	for _, name := range res.States {
		if err := s.states.RemoveAll(name); err != nil {
			return res, err
		}
	}
	return res, nil
}

// garbageStates lists what stands among the states and belongs to no deployment.
func (s *Sysroot) garbageStates(m menus) ([]string, error) {
	if s.states == nil {
		return nil, nil
	}
	dir, err := s.states.Open(".")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	var garbage []string
	all := m.all()
	for _, name := range names {
		id, err := verity.ParseHex(name)
		if err != nil {
			continue // nothing of ours
		}
		if _, ok := byID(all, id); !ok {
			garbage = append(garbage, name)
			continue
		}
		_, isStaged := byID(m.staged[:min(1, len(m.staged))], id)
		more, err := s.leftovers(id, isStaged)
		if err != nil {
			return nil, err
		}
		garbage = append(garbage, more...)
	}
	return garbage, nil
}

// untag removes the tags of images that are no deployment's. Tags of others, made
// by cfsctl for instance, are not ours.
func (s *Sysroot) untag(r *repo.Repo, m menus, dryRun bool) ([]string, error) {
	live := map[string]bool{}
	for _, id := range s.kept(m) {
		o, _ := s.origin(id) // a damaged one keeps nothing but what its image has
		live[tagOf(o.manifest)] = true
	}
	if len(m.staged) > 0 {
		o, _ := s.stagedOrigin(m)
		live[tagOf(o.manifest)] = true
	}
	refs, err := oci.Refs(r)
	if err != nil {
		return nil, err
	}
	var gone []string
	for _, ref := range refs {
		if !strings.HasPrefix(ref.Tag, tagPrefix) || live[ref.Tag] {
			continue
		}
		if !dryRun {
			if err := oci.Untag(r, ref.Tag); err != nil {
				return gone, err
			}
		}
		gone = append(gone, ref.Tag)
	}
	return gone, nil
}

// imagesOf are the deployments' images as roots for the collector: they stay even
// if nothing else leads to them. A missing one cannot be kept.
func imagesOf(r *repo.Repo, ids []verity.Digest) ([]string, error) {
	var roots []string
	for _, id := range ids {
		ok, err := r.HasImage(id)
		if err != nil {
			return nil, err
		}
		if ok {
			roots = append(roots, id.String())
		}
	}
	return roots, nil
}

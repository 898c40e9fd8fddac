package deploy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/bootc-go/bootc/boundimage"
	"github.com/bootc-go/bootc/composefs/repo"
	"github.com/bootc-go/bootc/composefs/treefs"
	"github.com/bootc-go/bootc/composefs/verity"
	"github.com/bootc-go/bootc/image"
)

// BoundDir is where bound images are, below the physical root.
const BoundDir = bootcDir + "/storage"

// BoundStore keeps container images by their names. [image.Store] is one.
type BoundStore interface {
	// Need is what Pull would do about each of the images. It changes nothing.
	Need(ctx context.Context, names []string) ([]image.StoreNeed, error)
	// Pull gets the images that are missing.
	Pull(ctx context.Context, names []string) error
	// Prune removes all but those to keep, or only says which, and returns their names.
	Prune(ctx context.Context, keep []string, dryRun bool) (removed []string, err error)
}

// errNoBoundStore is for programs that have none.
var errNoBoundStore = errors.New("the image is bound to other images, and there is no store for those")

// pullBound gets the images that the candidate is bound to. Nothing is staged then, and
// what was staged before still is.
func (st *staging) pullBound(ctx context.Context) error {
	names, err := boundTo(st.fsys)
	if err != nil {
		return err
	}
	st.binding = true
	state, err := stateRoom(st.etc, st.merge)
	if err != nil {
		return err
	}
	return st.s.getBound(ctx, names, state)
}

// boundTo are the names of the images that the OS image is bound to.
func boundTo(fsys fs.FS) ([]string, error) {
	images, err := boundimage.Load(fsys)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, im := range images {
		names = append(names, im.Ref)
	}
	return names, nil
}

// getBound gets images, if there is room for them and for what comes after them. As with
// a pull, layers may take more than what is fetched.
func (s *Sysroot) getBound(ctx context.Context, names []string, after room) error {
	if len(names) == 0 {
		return nil
	}
	need, err := s.needBound(ctx, names)
	if err != nil {
		return err
	}
	if err := s.makePlaces(); err != nil {
		return err
	}
	if need.Bytes > 0 {
		after.bytes += need.Bytes
		if err := after.check(s.sys.Root, "the images that the image is bound to"); err != nil {
			return err
		}
	}
	return s.sys.Bound.Pull(ctx, names)
}

// needBound finds out what getBound would fetch. A forecast tells the same.
func (s *Sysroot) needBound(ctx context.Context, names []string) (*BoundImages, error) {
	need := &BoundImages{Images: []BoundImage{}}
	switch {
	case len(names) == 0:
		return need, nil
	case s.sys.Bound == nil:
		return nil, errNoBoundStore
	}
	images, err := s.sys.Bound.Need(ctx, names)
	if err != nil {
		return nil, err
	}
	for _, im := range images {
		need.Images = append(need.Images, BoundImage(im))
		need.Bytes += im.Bytes
	}
	return need, nil
}

// BoundImages are the names of the images that a pulled OS image is bound to.
func (p *Pulled) BoundImages() ([]string, error) { return boundTo(p.FS) }

// PullBound gets the images that an OS image is bound to, before it is deployed.
func (s *Sysroot) PullBound(ctx context.Context, p *Pulled) error {
	names, err := p.BoundImages()
	if err == nil {
		err = s.getBound(ctx, names, room{})
	}
	if err != nil {
		return fmt.Errorf("cannot get what the image is bound to: %w", err)
	}
	return nil
}

// pruneBound removes the images that no deployment is bound to. Where it cannot be told
// what one is bound to all stay.
func (s *Sysroot) pruneBound(ctx context.Context, r *repo.Repo, ids []verity.Digest, dryRun bool) ([]string, error) {
	if is, err := s.hasBound(); !is || err != nil {
		return nil, err
	}
	var keep []string
	for _, id := range ids {
		names, err := s.boundOf(r, id)
		if err != nil {
			s.warn("bound images are kept: %v", err)
			return nil, nil
		}
		keep = append(keep, names...)
	}
	return s.sys.Bound.Prune(ctx, keep, dryRun)
}

// hasBound says whether there ever was a bound image here.
func (s *Sysroot) hasBound() (bool, error) {
	if s.sys.Bound == nil {
		return false, nil
	}
	root, err := os.OpenRoot(fdPath(s.sys.Root))
	if err != nil {
		return false, err
	}
	defer root.Close()
	return exists(root, BoundDir)
}

// boundOf are the names of the images that a deployment is bound to.
func (s *Sysroot) boundOf(r *repo.Repo, id verity.Digest) ([]string, error) {
	root, err := bootTree(r, id)
	if err != nil {
		return nil, err
	}
	return boundTo(treefs.New(root, r.OpenObject))
}

// PullBoundImages gets images to where those are that deployments are bound to. What no
// deployment is bound to is collected as garbage.
func (s *Sysroot) PullBoundImages(ctx context.Context, names []string) error {
	if err := s.getBound(ctx, names, room{}); err != nil {
		return fmt.Errorf("cannot store %s: %w", strings.Join(names, ", "), err)
	}
	return nil
}

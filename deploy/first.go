package deploy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"

	"github.com/opencontainers/go-digest"

	"github.com/bootc-go/bootc/bootloader"
	"github.com/bootc-go/bootc/composefs/repo"
	"github.com/bootc-go/bootc/composefs/tree"
	"github.com/bootc-go/bootc/composefs/verity"
	"github.com/bootc-go/bootc/etcmerge"
	"github.com/bootc-go/bootc/internal/atomicfile"
	"github.com/bootc-go/bootc/kargs"
	"github.com/bootc-go/bootc/osimage"
)

// Pulled is an image that is in the repository and can boot.
type Pulled struct {
	ID             verity.Digest // of the deployment that it makes
	ManifestDigest digest.Digest
	OS             *osimage.Image
	FS             fs.FS // the image's files, of use until the Sysroot is closed

	origin origin
}

// Pull fetches an image into the repository, which it makes if there is none, for
// Deploy: with fs-verity if the file system has it. It is for a disk that nothing
// runs from yet; a running host uses Check and Stage.
func (s *Sysroot) Pull(ctx context.Context, t Target) (*Pulled, error) {
	r, err := s.makeRepository(ctx)
	if err != nil {
		return nil, err
	}
	u, err := s.look(ctx, r, t)
	if err != nil {
		return nil, err
	}
	defer u.Close() //nolint:errcheck // only read from
	need, err := s.pullRoom(r, u.Plan)
	if err == nil {
		err = need.check(s.sys.Root, "the image")
	}
	if err != nil {
		return nil, fmt.Errorf("cannot pull %s: %w", t.name(), err)
	}
	res, err := s.pullImage(ctx, r, u.Plan, 0)
	if err != nil {
		return nil, err
	}
	p := &Pulled{ID: res.BootImage, ManifestDigest: u.ManifestDigest, origin: u.origin()}
	if p.OS, p.FS, err = s.osOf(ctx, r, u.ManifestDigest); err != nil {
		return nil, fmt.Errorf("cannot deploy %s: %w", t.name(), err)
	}
	p.origin.bootType, p.origin.bootDigest = p.OS.Kernel.Type, p.OS.Kernel.Digest
	return p, nil
}

// makeRepository opens the repository, or makes one.
func (s *Sysroot) makeRepository(ctx context.Context) (*repo.Repo, error) {
	r, err := s.repository(ctx)
	if !errors.Is(err, repo.ErrNotRepository) {
		return r, err
	}
	path := fdPath(s.sys.Root) + "/" + repoDir
	s.repo, _, err = repo.Init(ctx, path, repo.Config{})
	if errors.Is(err, verity.ErrNotSupported) {
		s.repo, _, err = repo.Init(ctx, path, repo.Config{Insecure: true})
	}
	return s.repo, err
}

// FirstOptions say how the first deployment comes about.
type FirstOptions struct {
	Loader bootloader.Loader // which often depends on what was pulled
	Target Target            // what upgrades will follow; zero for what was pulled

	// Addons are the names of the addons of a unified kernel image that are installed, now
	// and by upgrades, see [osimage.Kernel.AddonNames]; nil for all that there are.
	Addons []string

	// Kargs makes the whole kernel command line, but for what names the deployment,
	// of the arguments that the image asks for. A unified kernel image has its own.
	Kargs func(ofImage kargs.Line) kargs.Line

	Stateroot string // the name of the /var on the root file system; "" for "default"

	// Var is an empty file system that the host will have at /var, whoever mounts it;
	// nil for a directory of the root file system.
	Var *os.File
}

// Deploy makes of an image the first deployment of a disk, which is live at once:
// /etc and /var are those of the image, and the menu has this one entry. The /var of
// an installation that was there before stays as it is.
func (s *Sysroot) Deploy(ctx context.Context, p *Pulled, o FirstOptions) (*bootloader.Entry, error) {
	s.sys.Loader = o.Loader
	e, err := s.deploy(ctx, p, o)
	if err != nil {
		return nil, fmt.Errorf("cannot deploy the image: %w", err)
	}
	return e, nil
}

func (s *Sysroot) deploy(ctx context.Context, p *Pulled, o FirstOptions) (*bootloader.Entry, error) {
	r, err := s.repository(ctx)
	if err != nil {
		return nil, err
	}
	root, err := bootTree(r, p.ID)
	if err != nil {
		return nil, err
	}
	etc, err := etcOf(r, root)
	if err != nil {
		return nil, err
	}
	image := *p.OS
	if image.Kernel, err = chosen(p.OS.Kernel, p.FS, o.Addons); err != nil {
		return nil, err
	}
	c := candidate{id: p.ID, os: &image, fsys: p.FS, root: s.rootOf(r, p.ID, p.OS)}
	e, err := c.entry(o.Kargs(p.OS.Kargs))
	if err != nil {
		return nil, err
	}
	from := p.origin
	from.cmdline, from.addons = c.cmdline(), newChoice(o.Addons)
	if !o.Target.Ref.IsZero() {
		from.target = o.Target
	}
	if err := s.sys.Loader.CheckRoom(image.Kernel.Size); err != nil {
		return nil, err
	}
	if err := checkVarRoom(o.Var, root); err != nil {
		return nil, err
	}
	o.Stateroot = cmp.Or(o.Stateroot, defaultStateroot)
	if err := CheckStateroot(o.Stateroot); err != nil {
		return nil, err
	}
	return &e, s.run(ctx, []step{
		{"copy the kernel", func(ctx context.Context) error {
			return s.sys.Loader.AddKernel(ctx, c.kernel(e.Kernel))
		}},
		{"copy /var of the image", func(ctx context.Context) error { return s.seedVar(ctx, r, root, o) }},
		{"copy /etc of the image", func(ctx context.Context) error {
			if err := s.makeStateIn(deployed(p.ID), o.Stateroot); err != nil {
				return err
			}
			if err := s.freshEtc(ctx, r, p.ID, etc); err != nil {
				return err
			}
			if err := moveInto(s.states, etcPath(p.ID, etcWork), etcPath(p.ID, etcName)); err != nil {
				return err
			}
			return s.states.RemoveAll(etcPath(p.ID, etcWork)) // that of an attempt before
		}},
		{"write the origin", func(context.Context) error { return s.writeOrigin(p.ID, from) }},
		{"make places for others", func(context.Context) error { return s.makePlaces() }},
		{"prepare the boot menu", func(context.Context) error { return s.sys.Loader.Stage([]bootloader.Entry{e}) }},
		{"make the boot menu live", func(context.Context) error { return s.sys.Loader.Commit() }},
	})
}

// seedVar makes /var that of the image, unless there is one. It is made under
// another name first: a half-filled one must not be taken for somebody's data. If it is
// another file system, that gets the files, and the directory is there and empty.
func (s *Sysroot) seedVar(ctx context.Context, r *repo.Repo, image *tree.Node, o FirstOptions) error {
	dir := stateTop + "/" + stateroot(o.Stateroot) + "/" + varName
	root, err := os.OpenRoot(fdPath(s.sys.Root))
	if err != nil {
		return err
	}
	defer root.Close()
	if o.Var != nil {
		if err := fillVar(ctx, o.Var, r, image); err != nil {
			return fmt.Errorf("the file system for /var: %w", err)
		}
		return makeDirs(root, dir)
	}
	if ok, err := hasFiles(root, dir); ok || err != nil {
		return err
	}
	if err := makeDirs(root, path.Dir(dir)); err != nil {
		return err
	}
	work := dir + ".work"
	if err := writeTree(ctx, root, work, r, varOf(image)); err != nil {
		return err
	}
	if err := moveInto(root, work, dir); err != nil {
		return err
	}
	return root.RemoveAll(work) // what was there, and empty
}

// fillVar writes /var of the image into dir, for good.
func fillVar(ctx context.Context, dir *os.File, r *repo.Repo, image *tree.Node) error {
	if err := etcmerge.Write(ctx, dir, varOf(image), objects(r)); err != nil {
		return err
	}
	return atomicfile.SyncFS(dir)
}

// hasFiles tells whether the directory name is there and anything in it.
func hasFiles(root *os.Root, name string) (bool, error) {
	names, err := dirNames(root, name)
	return len(names) > 0, err
}

// checkVarRoom makes sure that /var of the image fits into the file system own, if that
// is not nil.
func checkVarRoom(own *os.File, image *tree.Node) error {
	if own == nil {
		return nil
	}
	need, err := stateRoom(varOf(image), nil)
	if err != nil {
		return err
	}
	return need.check(own, "/var of the image, on its file system")
}

package deploy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/bootloader"
	"github.com/bootc-go/bootc/composefs/repo"
	"github.com/bootc-go/bootc/composefs/tree"
	"github.com/bootc-go/bootc/composefs/treefs"
	"github.com/bootc-go/bootc/composefs/verity"
	"github.com/bootc-go/bootc/etcmerge"
	"github.com/bootc-go/bootc/etcmerge/accounts"
	"github.com/bootc-go/bootc/host"
	"github.com/bootc-go/bootc/kargs"
	"github.com/bootc-go/bootc/kargs/kargsd"
	"github.com/bootc-go/bootc/osimage"
	"github.com/bootc-go/bootc/pull"
)

// StageOptions say how an update is staged.
type StageOptions struct {
	DownloadOnly bool // a reboot does not apply it, until Unlock
	Parallel     int  // layers fetched at once; 0 means pull.DefaultParallel
	AllowFailed  bool // even an image that was given up, which is forgiven by it
}

// Staged is what Stage brought about.
type Staged struct {
	// Change is what was done. It is Unchanged, too, if the image turned out to have
	// the same content as the one that runs: then Same is set, and only the origin of
	// the booted deployment says now that it is of this image.
	Change Change
	Same   bool

	ID           verity.Digest // of the deployment that is staged
	Entry        *host.BootEntry
	SharedKernel bool // the kernel was there already
	Stats        pull.Stats
	Notes        []accounts.Note // about account files that will be merged
}

// finalizeUnit is the unit that runs Finalize when the host shuts down.
const finalizeUnit = "bootc-finalize-staged.service"

// bootableLabel is the label by which images say that they are meant for this.
const bootableLabel = "containers.bootc"

// Stage makes the image of an update boot next, once the host has shut down and
// Finalize has run. u may come from another Sysroot, and is of use until it is
// closed. If Stage fails nothing has changed, but that a deployment which was staged
// before may be staged no more, see docs/explanation/deployments.md, and what it
// wrote is collected. Layers that were fetched whole before the network failed are
// kept for the next attempt.
func (s *Sysroot) Stage(ctx context.Context, u *Update, o StageOptions) (*Staged, error) {
	st := &staging{s: s, u: u, o: o, out: &Staged{}}
	err := st.decide(ctx)
	if err == nil && st.out.Change == Available {
		if err = st.fetch(ctx); err != nil && st.pulling {
			return nil, err // a sentence of its own
		}
		if err == nil {
			err = st.stage(ctx)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("cannot stage %s: %w", u.Target.name(), err)
	}
	return st.out, nil
}

// decide finds out what is to be done, and does it if there is nothing to fetch.
func (st *staging) decide(ctx context.Context) (err error) {
	s, out := st.s, st.out
	if st.menus, err = s.menus(); err != nil {
		return err
	}
	if st.booted, err = s.bootedEntry(st.menus); err != nil {
		return err
	}
	out.Change = s.change(st.menus, st.u)
	if err := s.checkAddons(st.menus, st.u, out.Change); err != nil {
		return err
	}
	switch out.Change {
	case AlreadyStaged:
		out.ID, out.Entry = st.menus.staged[0].ID, s.bootEntry(st.menus.staged[0])
		out.Entry.DownloadOnly = st.o.DownloadOnly
		return s.setLock(ctx, st.menus, st.o.DownloadOnly)
	case Unstage:
		return s.dropStaged(ctx)
	case Available:
		if err := s.resetStaged(st.menus); err != nil {
			return err
		}
		return s.refused(st.u, st.o.AllowFailed)
	case Unchanged:
	}
	return nil
}

// setLock locks or unlocks what is staged.
func (s *Sysroot) setLock(ctx context.Context, m menus, locked bool) error {
	if m.locked == locked {
		return nil
	}
	if err := s.sys.Systemctl(ctx, "start", finalizeUnit); err != nil {
		return err
	}
	defer s.announce()
	as := m.as()
	as.ID, as.Locked = m.staged[0].ID, locked
	return s.writeMarker(as)
}

// Unlock lets the next shutdown apply what was staged with DownloadOnly. The error
// is ErrNotStaged if nothing is staged.
func (s *Sysroot) Unlock(ctx context.Context) error {
	m, err := s.menus()
	if err == nil && len(m.staged) == 0 {
		err = ErrNotStaged
	}
	if err == nil {
		err = s.setLock(ctx, m, false)
	}
	if err != nil {
		return fmt.Errorf("cannot unlock the staged deployment: %w", err)
	}
	return nil
}

// dropStaged makes nothing be staged, and collects what was.
func (s *Sysroot) dropStaged(ctx context.Context) error {
	if err := s.setMenus(ctx, nil, nil, marker{}); err != nil {
		return err
	}
	s.collectOrWarn(ctx)
	return nil
}

// staging is one image on its way to being staged.
type staging struct {
	s      *Sysroot
	u      *Update
	o      StageOptions
	menus  menus
	booted bootloader.Entry
	out    *Staged

	repo    *repo.Repo
	pulling bool // or done
	binding bool // likewise, of images that the image is bound to
	candidate
	osTree *tree.Node // what os was found in
	etc    *tree.Node // of the image
	merge  *etcmerge.Plan
	next   bootloader.Entry
	origin origin
}

// stage looks whether the image, which is here, can take over, and only then changes
// anything that counts.
func (st *staging) stage(ctx context.Context) error {
	err := st.prepare(ctx)
	if err == nil && st.id == st.booted.ID {
		return st.adopt(ctx)
	}
	if err != nil && st.binding && !errors.Is(err, unix.ENOSPC) && !errors.Is(err, ErrNoRoom) {
		return err // what was fetched is kept for the next attempt
	}
	if err == nil {
		err = st.s.run(ctx, st.steps())
		st.s.announce()
	}
	st.s.collectOrWarn(ctx)
	if err == nil {
		st.out.ID, st.out.Entry = st.id, st.s.bootEntry(st.next)
		st.out.Entry.DownloadOnly = st.o.DownloadOnly
		if st.u.Target.Switch {
			st.s.done(EventSwitch, "switched to and staged", st.id)
		} else {
			st.s.done(EventStage, "staged", st.id)
		}
	}
	return err
}

// fetch gets the image into the repository, if there is room for it.
func (st *staging) fetch(ctx context.Context) error {
	s := st.s
	if st.u.labels[bootableLabel] == "" {
		s.warn("%s has no label %s and may not be meant to boot", st.u.Target.name(), bootableLabel)
	}
	if err := s.collectSmall(st.menus); err != nil {
		s.warn("cannot collect garbage: %v", err)
	}
	var err error
	if st.repo, err = s.repository(ctx); err != nil {
		return err
	}
	plan, err := st.planPull(ctx)
	if err != nil {
		return err
	}
	if err := s.sys.Systemctl(ctx, "start", finalizeUnit); err != nil {
		return fmt.Errorf("start %s: %w", finalizeUnit, err)
	}
	st.pulling = true
	res, err := s.pullImage(ctx, st.repo, plan, st.o.Parallel)
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		s.collectOrWarn(ctx)
	}
	if err != nil {
		return err
	}
	st.id, st.out.Stats = res.BootImage, res.Stats
	return nil
}

// planPull plans the pull and makes sure that there is room for it, at need by
// collecting garbage. The update's own plan may be of another time.
func (st *staging) planPull(ctx context.Context) (*pull.Plan, error) {
	for collected := false; ; collected = true {
		plan, err := pull.NewPlan(ctx, st.repo, st.u.img)
		if err != nil {
			return nil, err
		}
		need, err := st.s.pullRoom(st.repo, plan)
		if err == nil {
			err = need.check(st.s.sys.Root, "the image")
		}
		if err == nil || collected || !errors.Is(err, ErrNoRoom) {
			return plan, err
		}
		st.s.collectOrWarn(ctx)
	}
}

// prepare finds out all that the steps need, and everything that speaks against
// them, and gets the images that this one is bound to. See checkRoom as well.
func (st *staging) prepare(ctx context.Context) error {
	err := st.examine(ctx)
	if err != nil || st.id == st.booted.ID {
		return err
	}
	if err := st.pullBound(ctx); err != nil {
		return err
	}
	st.binding = false
	return st.checkRoom(ctx)
}

// examine finds out what the deployment will be, and all that speaks against it but
// for the room. It changes nothing, so that a forecast does the same. With an error
// that says why the image cannot be deployed, what is known of it stands in st.
func (st *staging) examine(ctx context.Context) (err error) {
	s := st.s
	if st.os, st.osTree, st.fsys, err = s.osTreeOf(ctx, st.repo, st.u.ManifestDigest); err != nil {
		return err
	}
	st.root = s.rootOf(st.repo, st.id, st.os)
	st.origin = st.u.origin()
	st.origin.bootType, st.origin.bootDigest = st.os.Kernel.Type, st.os.Kernel.Digest
	addons := st.chooseAddons(st.wantedAddons())
	st.origin.cmdline = st.cmdline()
	if old, _ := s.origin(st.id); old.file != nil {
		st.origin.file, st.origin.pinned = old.file, old.pinned
	}
	if st.id == st.booted.ID {
		return addons
	}
	root, err := bootTree(st.repo, st.id)
	if err != nil {
		return err
	}
	if st.etc, err = etcOf(st.repo, root); err != nil {
		return err
	}
	if st.merge, err = s.planEtc(ctx, st.repo, st.etc); err != nil {
		return err
	}
	st.out.Notes = st.merge.Notes
	options, err := st.options(ctx)
	if err != nil {
		return err
	}
	st.next, err = st.entry(options)
	st.next.Tries = st.tries()
	st.next = st.withSources(st.next)
	var moves error
	if s.sys.VarMoves {
		moves = ErrVarMoves
	}
	return errors.Join(addons, st.merge.Err(), err, st.fits(), moves)
}

// ErrVarMoves means that the host would come up with another /var: /etc/fstab names one,
// which what boots now leaves alone.
var ErrVarMoves = errors.New("/etc/fstab has a file system for /var that is not mounted, and would be after the update")

// fits refuses an image that does not fit the host's disks. What cannot be found out
// keeps nobody from an update.
func (st *staging) fits() error {
	err := st.checkFit(cmdlineOf(st.next, st.origin))
	if err != nil && !errors.Is(err, osimage.ErrUnfit) {
		st.s.warn("it is not known whether the image fits the disks of this host: %v", err)
		return nil
	}
	return err
}

// completeUnit is in images that say by themselves that they have booted.
const completeUnit = "usr/lib/systemd/system/bootc-boot-complete.service"

// tries are those of the candidate. An image that never says that it has booted well is
// trusted at once: counted, it would be given up however well it is.
func (st *staging) tries() *bootloader.Tries {
	n := min(st.s.sys.Tries, bootloader.MaxTries)
	if n == 0 {
		return nil
	}
	if _, err := fs.Stat(st.fsys, completeUnit); err != nil {
		st.s.warn("%s has no bootc-boot-complete.service: its boots are not counted", st.u.Target.name())
		return nil
	}
	return &bootloader.Tries{Left: n}
}

// options are the kernel arguments of the booted deployment, with those of its image
// exchanged for those of the new one.
func (st *staging) options(ctx context.Context) (kargs.Line, error) {
	if st.booted.UKI {
		return st.ukiOptions(ctx)
	}
	root, err := bootTree(st.repo, st.booted.ID)
	if err != nil {
		return nil, err
	}
	old, err := kargsd.Load(treefs.New(root, st.repo.OpenObject), st.s.sys.Arch)
	if err != nil {
		st.s.warn("the kernel arguments of the image that runs: %v", err)
	}
	return st.booted.Options.Rebase(old, st.os.Kargs), nil
}

// ukiOptions are the arguments where the booted deployment has a unified kernel
// image: its command line is no entry's and has nothing of this machine.
func (st *staging) ukiOptions(ctx context.Context) (kargs.Line, error) {
	o, err := st.s.origin(st.booted.ID)
	if err != nil {
		return nil, err
	}
	os, fsys, err := st.s.osOf(ctx, st.repo, o.manifest)
	if err != nil {
		return nil, err
	}
	line, err := ukiCmdline(fsys, os.Kernel.UKI)
	return line.Rebase(os.Kargs, st.os.Kargs), err
}

// checkRoom makes sure that the steps have room, exactly. The kernel of what was
// staged so far gives way if need be, for it will be replaced anyway.
func (st *staging) checkRoom(ctx context.Context) error {
	s := st.s
	need, err := stateRoom(st.etc, st.merge)
	if err != nil {
		return err
	}
	if err := need.check(s.sys.Root, "/etc"); err != nil {
		return err
	}
	shared, err := s.sharedKernel(&st.candidate, st.menus.all())
	if err != nil {
		return err
	}
	if shared != "" {
		st.next.Kernel, st.out.SharedKernel = shared, true
		return nil
	}
	err = s.sys.Loader.CheckRoom(st.os.Kernel.Size)
	if !errors.Is(err, bootloader.ErrNoRoom) || len(st.menus.staged) == 0 {
		return err
	}
	if err := s.setMenus(ctx, nil, nil, marker{}); err != nil {
		return err
	}
	st.menus.staged = nil
	if _, err := s.sys.Loader.Collect(); err != nil {
		return err
	}
	return s.sys.Loader.CheckRoom(st.os.Kernel.Size)
}

// steps make the candidate the staged deployment.
//
//  1. The kernel. No menu names it: a power cut leaves garbage, of which the loader
//     knows whether it is whole.
//  2. The state directory, with etcStaged. The live /etc of a deployment that is
//     here already, under the same id, is not touched. Another power cut, the same.
//  3. The origin, for the same reason so late: of a deployment that is here already
//     it says then that it is of this image, which is true.
//  4. The marker goes. What was staged so far is given up here, and not before.
//  5. The staged menu, which the loader reads only after Commit.
//  6. The marker. From here on the deployment is staged.
//
// Until Finalize commits, the live menu is the old one whatever happens. A power cut
// empties /run, so that after each of the steps nothing is staged, and the next
// attempt finds its way by doing all of them again.
func (st *staging) steps() []step {
	s := st.s
	menu := s.nextMenu(st.next, st.booted, st.menus)
	var steps []step
	if !st.out.SharedKernel {
		steps = append(steps, step{"copy the kernel", func(ctx context.Context) error {
			return s.sys.Loader.AddKernel(ctx, st.kernel(st.next.Kernel))
		}})
	}
	steps = append(steps,
		step{"copy /etc of the image", func(ctx context.Context) error {
			if err := s.makeState(st.id); err != nil {
				return err
			}
			return s.stageEtc(ctx, st.repo, st.id, st.etc)
		}},
		step{"write the origin", func(context.Context) error {
			if err := s.forgetTrial(st.id); err != nil {
				return err
			}
			return s.writeOrigin(st.id, st.origin)
		}})
	return append(steps, s.stageMenuSteps(menu, marker{Locked: st.o.DownloadOnly})...)
}

// adopt makes the image that of the booted deployment, which has the same content.
// What is staged is dropped: that which is wanted runs.
func (st *staging) adopt(ctx context.Context) error {
	st.out.Change, st.out.Same = Unchanged, true
	if len(st.menus.staged) > 0 {
		st.out.Change = Unstage
	}
	if err := st.s.writeOrigin(st.id, st.origin); err != nil {
		return err
	}
	return st.s.dropStaged(ctx)
}

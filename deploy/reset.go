package deploy

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/bootloader"
	"github.com/bootc-go/bootc/composefs/tree"
	"github.com/bootc-go/bootc/host"
	"github.com/bootc-go/bootc/kargs"
)

// ResetOptions say how a factory reset goes.
type ResetOptions struct {
	Stateroot   string    // the name of the directory of the new /var; empty for the next free one
	Now         time.Time // of which the year is in that name
	Keep        []string  // absolute paths below /etc and /var that are copied
	NoRootKargs bool      // do not take over what tells the kernel where the root is
	Kargs       kargs.Line
	AllowFailed bool // even an image that was given up, which is forgiven by it
	Parallel    int  // layers fetched at once; 0 means pull.DefaultParallel
}

// Reset is what Reset staged.
type Reset struct {
	Entry     *host.BootEntry
	Stateroot string
	Kept      []string
}

// What a factory reset is refused with, and what it stands in the way of.
var (
	// ErrResetStaged means that a factory reset is staged, which an update would undo.
	ErrResetStaged = errors.New("a factory reset is staged")
	// ErrStateroot means that there is a stateroot of that name.
	ErrStateroot = errors.New("there is a stateroot of that name")
)

// Reset makes a deployment boot next, once the host has shut down, that has the /etc of
// its image, and a /var as on the day of installation: of the image that u is of or, if
// that is nil, of the one that runs. What is staged is dropped. Until the host shuts down
// nothing of the system that runs changes, and until the new one has completed a boot
// all of the old one is there, see docs/explanation/deployments.md.
func (s *Sysroot) Reset(ctx context.Context, u *Update, o ResetOptions) (*Reset, error) {
	r := &resetting{staging: staging{s: s, u: u, o: StageOptions{Parallel: o.Parallel}, out: &Staged{}}, o: o}
	defer r.close()
	err := r.prepare(ctx)
	if err == nil {
		err = s.run(ctx, r.steps())
		s.announce()
	}
	if r.begun {
		s.collectOrWarn(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot stage a factory reset: %w", err)
	}
	s.done(EventReset, "staged a factory reset to", r.id)
	out := &Reset{Entry: s.entryOf(r.next, r.origin), Stateroot: r.stateroot}
	for _, k := range r.kept {
		out.Kept = append(out.Kept, k.String())
	}
	return out, nil
}

// resetting is a factory reset on its way to being staged.
type resetting struct {
	staging
	o ResetOptions

	begun     bool // there may be something to collect
	stateroot string
	dir       string // of the state, below stateTop
	kept      []keptPath
	keeper    *keeper
	varTree   *tree.Node
	needed    room // by what is kept
	fstab     []string
}

func (r *resetting) close() {
	if r.keeper != nil {
		r.keeper.close()
	}
}

// prepare finds out all that the steps need, and everything that speaks against them.
// Before it fetches or drops anything it looks at what it was asked for.
func (r *resetting) prepare(ctx context.Context) (err error) {
	s := r.s
	if r.menus, err = s.menus(); err != nil {
		return err
	}
	if r.booted, err = s.bootedEntry(r.menus); err != nil {
		return err
	}
	if s.displaced() {
		return ErrDisplaced
	}
	if r.kept, err = parseAllKept(r.o.Keep); err != nil {
		return err
	}
	if r.stateroot, err = s.newStateroot(r.o); err != nil {
		return err
	}
	if r.keeper, err = s.newKeeper(); err != nil {
		return err
	}
	if r.needed, err = r.keeper.check(r.kept); err != nil {
		return err
	}
	if r.fstab, err = s.bootLines(); err != nil {
		return err
	}
	if err := r.getImage(ctx); err != nil {
		return err
	}
	if err := r.examine(ctx); err != nil {
		return err
	}
	if err := r.pullBound(ctx); err != nil {
		return err
	}
	r.begun = true
	if err := s.setMenus(ctx, nil, nil, marker{}); err != nil {
		return err
	}
	r.menus.staged, r.menus.reset = nil, ""
	if err := s.collectSmall(r.menus); err != nil {
		return err
	}
	return r.checkRoom(ctx)
}

// newStateroot is the name of the new stateroot: upstream's, s<year>-<number>.
func (s *Sysroot) newStateroot(o ResetOptions) (string, error) {
	if name := o.Stateroot; name != "" {
		if err := CheckStateroot(name); err != nil {
			return "", err
		}
		if ok, err := exists(s.state, stateroot(name)); ok || err != nil {
			return "", errors.Join(fmt.Errorf("%w: %s", ErrStateroot, name), err)
		}
		return name, nil
	}
	for n := 0; ; n++ {
		name := fmt.Sprintf("s%d-%d", o.Now.UTC().Year(), n)
		if ok, err := exists(s.state, stateroot(name)); !ok || err != nil {
			return name, err
		}
	}
}

// getImage has the image be in the repository, and finds out its id.
func (r *resetting) getImage(ctx context.Context) (err error) {
	s := r.s
	if r.u != nil {
		if err := s.refused(r.u, r.o.AllowFailed); err != nil {
			return err
		}
		r.begun = true
		if err := r.fetch(ctx); err != nil {
			return err
		}
		r.origin = r.u.origin()
		return nil
	}
	r.id = s.sys.Booted.ID
	if r.origin, err = s.origin(r.id); err != nil {
		return err
	}
	if r.origin.manifest == "" {
		return errors.New("it is not known which image runs; --target-imgref says it")
	}
	if r.repo, err = s.repository(ctx); err != nil {
		return err
	}
	if err := s.sys.Systemctl(ctx, "start", finalizeUnit); err != nil {
		return fmt.Errorf("start %s: %w", finalizeUnit, err)
	}
	return nil
}

// examine finds out what the deployment will be.
func (r *resetting) examine(ctx context.Context) (err error) {
	s := r.s
	if r.os, r.osTree, r.fsys, err = s.osTreeOf(ctx, r.repo, r.origin.manifest); err != nil {
		return err
	}
	r.root = s.rootOf(r.repo, r.id, r.os)
	r.origin.bootType, r.origin.bootDigest = r.os.Kernel.Type, r.os.Kernel.Digest
	addons := r.origin.addons
	if r.u != nil {
		addons = r.wantedAddons()
	}
	if err := r.chooseAddons(addons); err != nil {
		return err
	}
	r.origin.cmdline = r.cmdline()
	if old, _ := s.origin(r.id); old.file != nil {
		r.origin.file, r.origin.pinned = old.file, old.pinned
	}
	root, err := bootTree(r.repo, r.id)
	if err != nil {
		return err
	}
	if r.etc, err = etcOf(r.repo, root); err != nil {
		return err
	}
	r.varTree = varOf(root)
	r.dir = deployed(r.id)
	if _, live := byID(r.menus.live, r.id); live {
		r.dir = aside(r.stateroot, r.id)
	}
	options, err := r.kernelArguments(ctx)
	if err != nil {
		return err
	}
	if r.next, err = r.entry(options); err != nil {
		return err
	}
	if r.next.UKI && (len(r.o.Kargs) > 0 || r.o.NoRootKargs) {
		return ErrUnsupported
	}
	if err := r.fits(); err != nil {
		return err
	}
	// The image that runs has proven itself, or is about to.
	if r.next.Tries = r.booted.Tries; r.id != r.booted.ID {
		r.next.Tries = r.tries()
	}
	return nil
}

// kernelArguments are those of the image, those of the entry that runs by which the
// root and /boot are found, and those that were asked for. What else was added on this
// host is gone, as the rest of its configuration is.
func (r *resetting) kernelArguments(ctx context.Context) (kargs.Line, error) {
	line := r.os.Kargs
	if !r.o.NoRootKargs {
		all, err := r.options(ctx)
		if err != nil {
			return nil, err
		}
		line = slices.DeleteFunc(slices.Clone(all), func(a kargs.Arg) bool {
			return !isRootArg(a) && !slices.Contains(r.os.Kargs, a)
		})
	}
	return line.With(r.o.Kargs...), nil
}

// isRootArg tells whether an argument is about where the file systems are that a host
// cannot be without: what installations write, and what initramfses read.
func isRootArg(a kargs.Arg) bool {
	switch key := a.Key(); key {
	case "root", "rootflags", "rootfstype", "rw", "ro", "systemd.mount-extra":
		return true
	default:
		return strings.HasPrefix(key, "rd.") || strings.HasPrefix(key, "luks.")
	}
}

// checkRoom makes sure that the steps have room.
func (r *resetting) checkRoom(ctx context.Context) error {
	need, err := stateRoom(r.varTree, nil)
	if err != nil {
		return err
	}
	need.bytes += r.needed.bytes
	need.inodes += r.needed.inodes
	if err := need.check(r.s.sys.Root, "/var and what is kept"); err != nil && !r.s.sharesExtents() {
		return err
	}
	return r.staging.checkRoom(ctx)
}

// sharesExtents tells whether copies of files take no room.
func (s *Sysroot) sharesExtents() bool {
	var st unix.Statfs_t
	return unix.Fstatfs(int(s.sys.Root.Fd()), &st) == nil && st.Type == unix.BTRFS_SUPER_MAGIC
}

// steps make the reset the staged deployment.
//
//  1. The kernel, if it is another one.
//  2. The new stateroot with its /var: no deployment links there, so that after a power
//     cut it is garbage.
//  3. The state directory. That of a deployment of the live menu stays what it is: the
//     new one is made beside the new /var. Otherwise no menu has it yet. After a power cut
//     either is garbage.
//  4. The staged menu and the marker, as for every update, see [staging.steps].
func (r *resetting) steps() []step {
	s := r.s
	var steps []step
	if !r.out.SharedKernel {
		steps = append(steps, step{"copy the kernel", func(ctx context.Context) error {
			return s.sys.Loader.AddKernel(ctx, r.kernel(r.next.Kernel))
		}})
	}
	steps = append(steps,
		step{"make a new /var", r.makeVar},
		step{"make a new /etc", r.makeEtc})
	return append(steps, s.stageMenuSteps(r.menu(), marker{Stateroot: r.stateroot})...)
}

// menu is the live one, if the reset is to what runs: all others are as good to go back
// to as before. To another image it is that of an update.
func (r *resetting) menu() []bootloader.Entry {
	if r.id == r.booted.ID {
		return append([]bootloader.Entry{r.next}, without(r.menus.live, r.id)...)
	}
	return r.s.nextMenu(r.next, r.booted, r.menus)
}

// makeVar makes the stateroot: /var as the image has it, and what is kept of the old one.
func (r *resetting) makeVar(ctx context.Context) error {
	s, dir := r.s, stateroot(r.stateroot)
	if err := makeDirs(s.state, dir); err != nil {
		return err
	}
	f, err := s.state.OpenFile(dir+"/"+madeName, os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := writeTree(ctx, s.state, dir+"/"+varName, r.repo, r.varTree); err != nil {
		return err
	}
	return r.keep(ctx, varName, dir+"/"+varName)
}

// makeEtc makes the state directory.
func (r *resetting) makeEtc(ctx context.Context) error {
	s := r.s
	if err := s.makeStateIn(r.dir, r.stateroot); err != nil {
		return err
	}
	etc := r.dir + "/" + etcName
	if err := writeTree(ctx, s.state, etc, r.repo, r.etc); err != nil {
		return err
	}
	if err := addLines(s.state, etc+"/fstab", r.fstab); err != nil {
		return err
	}
	if err := r.keep(ctx, etcName, etc); err != nil {
		return err
	}
	if r.dir == deployed(r.id) {
		if err := s.forgetTrial(r.id); err != nil {
			return err
		}
	}
	return s.writeOriginIn(r.dir, r.id, r.origin)
}

// keep copies into dir what is kept of /etc or /var, and makes all of it durable.
func (r *resetting) keep(ctx context.Context, in, dir string) error {
	to, err := r.s.state.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer to.Close()
	var kept []keptPath
	for _, k := range r.kept {
		if k.in == in {
			kept = append(kept, k)
		}
	}
	if err := r.keeper.copy(ctx, kept, map[string]*os.Root{in: to}); err != nil {
		return err
	}
	return unix.Syncfs(int(r.s.lock.Fd()))
}

// varOf is the /var of an image.
func varOf(image *tree.Node) *tree.Node {
	if n := tree.Lookup(image, varName); n != nil && n.IsDir() {
		return n
	}
	return tree.NewDir(0o755)
}

// maxFstab bounds /etc/fstab, in bytes.
const maxFstab = 1 << 20

// bootLines are those lines of the live fstab that mount what a boot loader reads. They
// are of the disk, as the kernel's root= is, and no image could have them.
func (s *Sysroot) bootLines() ([]string, error) {
	live, err := s.liveEtc()
	if err != nil {
		return nil, err
	}
	etc, err := os.OpenRoot(fdPath(live))
	if err != nil {
		return nil, err
	}
	defer etc.Close()
	data, err := readSmall(etc, "fstab", maxFstab)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("/etc/fstab: %w", err)
	}
	var lines []string
	for line := range strings.Lines(string(data)) {
		switch mountPoint(line) {
		case "/boot", "/boot/efi", "/efi":
			lines = append(lines, strings.TrimRight(line, "\n"))
		}
	}
	return lines, nil
}

// mountPoint is where a line of fstab mounts something, "" if it is none.
func mountPoint(line string) string {
	if fields := strings.Fields(line); len(fields) > 1 && !strings.HasPrefix(fields[0], "#") {
		return fields[1]
	}
	return ""
}

// addLines adds to an fstab the lines for what it does not mount itself.
func addLines(root *os.Root, name string, lines []string) error {
	if len(lines) == 0 {
		return nil
	}
	data, err := readSmall(root, name, maxFstab)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	text := string(data)
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	for _, add := range lines {
		taken := slices.ContainsFunc(strings.Split(string(data), "\n"), func(l string) bool { return mountPoint(l) == mountPoint(add) })
		if !taken {
			text += add + "\n"
		}
	}
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// resetStaged returns an error if a factory reset is in the way.
func (s *Sysroot) resetStaged(m menus) error {
	switch {
	case m.reset != "":
		return ErrResetStaged
	case s.displaced():
		return ErrDisplaced
	}
	return nil
}

// stagedOrigin is the origin of the deployment that is staged.
func (s *Sysroot) stagedOrigin(m menus) (origin, error) {
	id := m.staged[0].ID
	if m.reset != "" {
		if o, err := s.originIn(aside(m.reset, id), id); err == nil {
			return o, nil
		}
	}
	return s.origin(id)
}

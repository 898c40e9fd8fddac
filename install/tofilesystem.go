package install

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/install/config"
	"github.com/bootc-go/bootc/install/disk"
	"github.com/bootc-go/bootc/internal/atomicfile"
	"github.com/bootc-go/bootc/internal/mounts"
	"github.com/bootc-go/bootc/kargs"
)

// Replace says what becomes of what is in the file systems.
type Replace string

// The ways to replace.
const (
	ReplaceNothing   Replace = ""          // they must be empty
	ReplaceAll       Replace = "wipe"      // all is removed, also on what is mounted on var; other mounts stay
	ReplaceAlongside Replace = "alongside" // /boot and the ESP are emptied, the rest stays
)

// FilesystemOptions say where the host's file systems are, and how it finds them.
type FilesystemOptions struct {
	Path     string  // where the root is mounted, with /boot and the ESP in it
	RootSpec *string // what root= says; "" for no root=, nil for the root's UUID
	BootSpec *string // by what /boot is found, likewise
	Replace  Replace

	// Inherit is the command line of the system that runs, whose arguments for its
	// root are taken over; nil if another one's root is the target.
	Inherit kargs.Line

	SkipFinalize bool // leave the file systems writable
	Cleanup      bool // have the image's cleanup unit remove the old system's files
}

// ToFilesystem installs into file systems that are mounted.
func ToFilesystem(ctx context.Context, o Options, f FilesystemOptions) (*Result, error) {
	res, err := toFilesystem(ctx, o, f)
	if err != nil {
		return nil, fmt.Errorf("cannot install into %s: %w", f.Path, err)
	}
	return res, nil
}

func toFilesystem(ctx context.Context, o Options, f FilesystemOptions) (*Result, error) {
	if f.Replace == ReplaceAll {
		if host, err := IsHostRoot(f.Path); err != nil {
			return nil, err
		} else if host {
			return nil, errors.New("the system that runs is there, and --replace=wipe would remove it under itself: --replace=alongside keeps it")
		}
	}
	t, err := openTarget(ctx, f)
	if err != nil {
		return nil, err
	}
	defer t.close()
	if f.Replace == ReplaceNothing {
		if err := t.checkEmpty(); err != nil {
			return nil, err
		}
	}
	p, err := t.place(o.Config)
	if err != nil {
		return nil, err
	}
	if kind := o.wantedLoader(); kind != "" {
		if err := p.check(kind); err != nil {
			return nil, err
		}
	}
	in, err := newInstaller(ctx, o)
	if err != nil {
		return nil, err
	}
	if err := in.checkVarEarly(p); err != nil {
		return nil, err
	}
	res, err := in.fill(ctx, t, p)
	switch {
	case err != nil && t.changed:
		return nil, fmt.Errorf("%w; %w: files were changed, but the image does not boot", err, ErrHalfway)
	case err != nil && t.Replace == ReplaceAlongside:
		return nil, fmt.Errorf("%w; nothing was removed, and what is there boots as before", err)
	case err != nil:
		return nil, fmt.Errorf("%w; %w: what was fetched is in the file system", err, ErrHalfway)
	}
	return res, nil
}

// fill makes room and installs.
func (in *installer) fill(ctx context.Context, t *target, p place) (*Result, error) {
	if t.Replace == ReplaceAll {
		if err := t.clear(t.root, t.boot, t.loader.mountedESP); err != nil {
			return nil, err
		}
	}
	var err error
	if p.boot, err = makeDir(t.root, "boot"); err != nil {
		return nil, err
	}
	defer p.boot.Close()
	p.clear = func() error { return t.clearLate(p.boot) }
	res, err := in.install(ctx, p)
	if err != nil {
		return nil, errors.Join(err, t.emptyVar())
	}
	if t.Cleanup {
		if err := t.requestCleanup(); err != nil {
			return nil, err
		}
	}
	in.say("finishing the file systems")
	return res, t.finalize()
}

// clearLate removes what is only replaced when the image is there and fit: where the
// old system boots from, or somebody's data.
func (t *target) clearLate(boot *os.File) error {
	var dirs []*os.File
	switch t.Replace {
	case ReplaceAlongside:
		dirs = []*os.File{boot, t.loader.mountedESP}
	case ReplaceAll:
		dirs = []*os.File{t.ownVar.filled()}
	case ReplaceNothing:
	}
	if t.ownVar != nil {
		t.ownVar.taken = true
	}
	return t.clear(dirs...)
}

// target is a root in which an installation goes, with what is mounted in it.
type target struct {
	FilesystemOptions
	root    *os.File
	mounted disk.Mounted
	boot    *os.File // a file system of its own; nil if there is none
	bootFS  disk.Mounted
	ownVar  *ownVar // nil if /var is on the root
	loader  loaderPlaces
	changed bool // what was there is gone, or is no longer what boots
}

func openTarget(ctx context.Context, f FilesystemOptions) (*target, error) {
	root, err := os.OpenFile(f.Path, os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	t := &target{FilesystemOptions: f, root: root}
	if err := t.examine(ctx); err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

func (t *target) close() {
	for _, f := range []*os.File{t.root, t.boot} {
		if f != nil {
			f.Close()
		}
	}
	if t.ownVar != nil {
		t.ownVar.dir.Close()
	}
	t.loader.close()
}

func (t *target) examine(ctx context.Context) error {
	if is, err := disk.IsMountPoint(t.root); err != nil || !is {
		return errors.Join(err, errors.New("it is no mount point: mount the root file system there"))
	}
	var err error
	if t.mounted, err = disk.Inspect(ctx, t.root); err != nil {
		return err
	}
	if dir, err := openDir(t.root, "sysroot/composefs"); err == nil { // its root is an overlay
		dir.Close()
		return errors.New("a host of bootc runs from it already: 'bootc switch' makes it run another image")
	}
	if _, err := config.ParseFilesystem(t.mounted.Type); err != nil {
		return err
	}
	if t.boot, err = t.openMount("boot"); err != nil {
		return err
	}
	if t.boot != nil {
		if t.bootFS, err = disk.Inspect(ctx, t.boot); err != nil {
			return err
		}
	}
	if err := t.findVar(ctx); err != nil {
		return err
	}
	return t.findLoaderPlaces(ctx)
}

// openMount opens the directory name of the root if something is mounted there.
func (t *target) openMount(name string) (*os.File, error) {
	dir, err := openDir(t.root, name)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	is, err := disk.IsMountPoint(dir)
	if err == nil && is {
		return dir, nil
	}
	dir.Close()
	return nil, err
}

// place says how the host finds its file systems.
func (t *target) place(c *config.Config) (place, error) {
	p := place{
		mount: func() (*mounts.View, error) { return mounts.Clone(t.Path, true) },
		root:  t.root, rootUUID: t.mounted.UUID, bootPath: path.Join(t.mounted.Subtree, "boot"), ownVar: t.ownVar,
	}
	t.loader.tell(&p)
	if c == nil {
		c = &config.Config{}
	}
	if t.boot != nil {
		p.rootUUID, p.bootPath = t.bootFS.UUID, strings.TrimSuffix(t.bootFS.Subtree, "/")
	}
	var err error
	if p.args, err = t.rootArgs(first(t.RootSpec, c.RootMountSpec)); err != nil {
		return p, err
	}
	p.args = append(p.args, "rw")
	p.args = append(p.args, t.bootArgs(first(t.BootSpec, c.BootMountSpec))...)
	return p, nil
}

// first is the one of two that is given.
func first(a, b *string) *string {
	if a != nil {
		return a
	}
	return b
}

// rootArgs tell the initramfs where the root is.
func (t *target) rootArgs(spec *string) (kargs.Line, error) {
	switch {
	case spec != nil && *spec == "":
		return nil, nil
	case spec != nil:
		return kargs.Line{kargs.Arg("root=" + *spec)}, nil
	}
	if root, ok := t.Inherit.Last("root"); ok {
		line := kargs.Line{kargs.Arg("root=" + root)}
		for _, a := range t.Inherit {
			if a.Key() == "rootflags" || strings.HasPrefix(a.Key(), "rd.") || strings.HasPrefix(a.Key(), "luks.") {
				line = append(line, a)
			}
		}
		return line, nil
	}
	if t.mounted.UUID == "" {
		return nil, errors.New("the root file system has no UUID: say with --root-mount-spec how to find it")
	}
	line := kargs.Line{kargs.Arg("root=UUID=" + t.mounted.UUID)}
	for o := range strings.SplitSeq(t.mounted.Options, ",") {
		if subvol, ok := strings.CutPrefix(o, "subvol="); ok && t.mounted.Type == "btrfs" && subvol != "/" {
			line = append(line, kargs.Arg("rootflags=subvol="+subvol))
		}
	}
	return line, nil
}

// bootArgs have systemd mount a /boot that is a file system of its own.
func (t *target) bootArgs(spec *string) kargs.Line {
	source := ""
	switch {
	case spec != nil:
		source = *spec
	case t.boot != nil && t.bootFS.UUID != "":
		source = "UUID=" + t.bootFS.UUID
	}
	if source == "" {
		return nil
	}
	fstype := "auto"
	if t.boot != nil {
		fstype = t.bootFS.Type
	}
	return kargs.Line{mountBoot(source, fstype)}
}

// finalize makes all durable, and unless that is to be skipped leaves the file systems
// as if they were unmounted.
func (t *target) finalize() error {
	if err := t.loader.sync(); err != nil {
		return err
	}
	for _, dir := range []*os.File{t.boot, t.ownVar.filled(), t.root} {
		if dir == nil {
			continue
		}
		if err := atomicfile.SyncFS(dir); err != nil {
			return fmt.Errorf("%s: %w", dir.Name(), err)
		}
		if t.SkipFinalize {
			continue
		}
		if err := disk.Trim(dir); err != nil {
			return err
		}
		if err := disk.Seal(dir); err != nil {
			return err
		}
	}
	return nil
}

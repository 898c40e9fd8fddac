// Package install makes a new host of an OS image: on an empty disk, or in file
// systems that somebody else has made.
//
// docs/howto/install.md says how it is used, docs/reference/install-config.md what
// images can say about their own installation.
package install

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/bootloader"
	"github.com/bootc-go/bootc/composefs/verity"
	"github.com/bootc-go/bootc/deploy"
	"github.com/bootc-go/bootc/host"
	"github.com/bootc-go/bootc/image"
	"github.com/bootc-go/bootc/install/config"
	"github.com/bootc-go/bootc/install/disk"
	"github.com/bootc-go/bootc/internal/mounts"
	"github.com/bootc-go/bootc/internal/progress"
	"github.com/bootc-go/bootc/kargs"
	"github.com/bootc-go/bootc/osimage"
)

// What callers branch on.
var (
	// ErrNoFilesystem means that nobody said which file system the root gets.
	ErrNoFilesystem = errors.New("no root file system specified")
	// ErrHalfway means that the disk was changed but does not boot.
	ErrHalfway = errors.New("the installation is incomplete")
	// ErrNoLoader means that the image has no boot loader, or not the wanted one.
	ErrNoLoader = errors.New("no boot loader in the image")
)

// Options say what is installed, and how, wherever it is installed.
type Options struct {
	Source image.Reference
	Target deploy.Target  // what upgrades follow; with a zero Ref, Source
	Config *config.Config // nil for that of the image, where the image is not what runs
	Arch   string         // GOARCH

	Loader         config.Bootloader // "" leaves it to the configuration and the image
	Kargs          []kargs.Arg       // added to the others
	KargDeletes    []string          // "key" for all of that key, "key=value" for that one
	Addons         []string          // names of addons of the unified kernel image, see [osimage.Kernel.AddonNames]
	Stateroot      string            // the name of the directory with /var; "" leaves it to the configuration
	DisableSELinux bool
	SSHKeys        []byte // authorized_keys of root; nil for none
	CheckTarget    bool   // make sure that the target can be fetched from here
	Bound          BoundImages

	// Files is the image, if it is that of the container that runs; else nil.
	Files fs.FS

	encrypted bool // the root will be

	Image    image.Options // how to reach registries
	Clock    func() time.Time
	Progress progress.Func
}

// BoundImages says where images come from that the image is bound to.
type BoundImages string

// The sources of bound images.
const (
	BoundStored BoundImages = "stored" // containers-storage of the system that installs
	BoundPull   BoundImages = "pull"   // their registries
	BoundSkip   BoundImages = "skip"   // nowhere: the first upgrade gets them
)

// Result is what was installed.
type Result struct {
	ID     verity.Digest // of the deployment
	Loader bootloader.Kind
}

// place is where a host comes to be: the physical root and what belongs to it.
type place struct {
	root *os.File // its root directory
	boot *os.File // /boot in it
	esp  *os.File // a directory for the ESP's files; nil if there is none

	mirrors   []*os.File            // ESPs of other disks
	bios      []bootloader.BIOSDisk // for GRUB on machines without UEFI
	espIsBoot bool                  // the ESP is mounted on /boot
	noESP     error                 // why there is none, if more is known than that

	ownVar *ownVar // nil if /var is on the root

	rootUUID string // of the file system with /boot
	bootPath string // where /boot is in it, for GRUB

	args         kargs.Line // by which the initramfs finds the root
	discoverable bool       // it could find it without

	mount func() (*mounts.View, error) // makes another mount of the root, attached nowhere

	// clear makes boot and esp empty. It is called when the image is there and fit to
	// be installed, since what is there boots until then.
	clear func() error
}

// installer is one installation.
type installer struct {
	Options
	image *image.Image // manifest and configuration
	kind  bootloader.Kind
	fstab string // of the image, when that is here
}

// newInstaller checks what can be checked before anything is changed: the options,
// and that the image is there and is for this machine.
func newInstaller(ctx context.Context, o Options) (*installer, error) {
	if o.Target.Ref.IsZero() {
		o.Target.Ref = o.Source
	}
	if err := o.checkStateroot(); err != nil {
		return nil, err
	}
	if err := bootloader.CheckOptions(o.wantedLoader(), o.Kargs); err != nil {
		return nil, err
	}
	img, err := image.Open(ctx, o.Source, o.Image)
	if err != nil {
		return nil, err
	}
	in := &installer{Options: o, image: img}
	if err := img.Close(); err != nil {
		return nil, err
	}
	if err := in.checkFiles(ctx); err != nil {
		return nil, err
	}
	return in, in.checkTarget(ctx)
}

// checkTarget makes sure that upgrades will find the image.
func (in *installer) checkTarget(ctx context.Context) error {
	if !in.CheckTarget {
		return nil
	}
	img, err := image.Open(ctx, in.Target.Ref, in.Image)
	if err != nil {
		return fmt.Errorf("check that upgrades will be possible: %w", err)
	}
	return img.Close()
}

// stateroot is that of the command line, else of the configuration; "" for what every
// host has.
func (o Options) stateroot() string {
	if o.Stateroot == "" && o.Config != nil && o.Config.Stateroot != nil {
		return *o.Config.Stateroot
	}
	return o.Stateroot
}

// checkStateroot refuses a name that no directory can have.
func (o Options) checkStateroot() error {
	if name := o.stateroot(); name != "" {
		return deploy.CheckStateroot(name)
	}
	return nil
}

// say tells the user what is being done.
func (in *installer) say(format string, args ...any) {
	in.Progress.Report(progress.Event{Kind: progress.Message, Text: fmt.Sprintf(format, args...)})
}

// install pulls the image into the place and makes it boot.
func (in *installer) install(ctx context.Context, p place) (*Result, error) {
	run, err := disk.Memory(1 << 20) // nothing of the /run of this machine is meant
	if err != nil {
		return nil, err
	}
	defer run.Close()
	s, err := deploy.Open(ctx, deploy.System{
		Root: p.root, Run: run.Root, Image: in.Image, Arch: in.Arch, Progress: in.Progress, Bound: in.store(p.mount),
	})
	if err != nil {
		return nil, err
	}
	res, err := in.deploy(ctx, s, p)
	if cerr := s.Close(); err == nil {
		err = cerr
	}
	return res, err
}

func (in *installer) deploy(ctx context.Context, s *deploy.Sysroot, p place) (*Result, error) {
	in.say("pulling %s", in.Source)
	pulled, err := s.Pull(ctx, deploy.Target{Ref: in.Source})
	if err != nil {
		return nil, err
	}
	if err := in.readConfig(ctx, pulled); err != nil {
		return nil, err
	}
	if in.kind, err = in.chooseLoader(pulled.FS); err != nil {
		return nil, err
	}
	if err := in.checkImage(pulled, p); err != nil {
		return nil, err
	}
	if in.Bound != BoundSkip {
		if err := s.PullBound(ctx, pulled); err != nil {
			return nil, hintStored(err)
		}
	}
	if err := p.clear(); err != nil {
		return nil, err
	}
	files := bootloader.Files{Boot: p.boot, ESP: p.esp}
	loader, err := bootloader.New(in.kind, files)
	if err != nil {
		return nil, err
	}
	in.say("deploying %s", pulled.ID)
	entry, err := s.Deploy(ctx, pulled, deploy.FirstOptions{
		Loader: loader, Target: in.Target, Stateroot: in.stateroot(), Addons: append([]string{}, in.Addons...), Var: p.ownVar.filled(),
		Kargs: func(ofImage kargs.Line) kargs.Line { return in.commandLine(p, ofImage) },
	})
	if err != nil {
		return nil, err
	}
	if err := in.writeSSHKeys(p.root, pulled); err != nil {
		return nil, err
	}
	if err := in.writeAleph(p.root, pulled); err != nil {
		return nil, err
	}
	if err := in.installLoader(ctx, pulled, files, p); err != nil {
		return nil, err
	}
	return &Result{ID: entry.ID, Loader: in.kind}, nil
}

// readConfig reads the image's own configuration if that of its container was not
// given.
func (in *installer) readConfig(ctx context.Context, p *deploy.Pulled) error {
	if in.Config != nil {
		return nil
	}
	c, warnings, err := config.Load(p.FS, in.Arch)
	if err != nil {
		return err
	}
	for _, w := range warnings {
		in.say("warning: %s", w)
	}
	in.Config = c
	if err := in.checkStateroot(); err != nil {
		return err
	}
	return in.enforceSignature(ctx)
}

// enforceSignature heeds that the configuration wants an image whose signature is
// verified.
func (in *installer) enforceSignature(ctx context.Context) error {
	if enforce := in.Config.EnforceContainerSigpolicy; enforce == nil || !*enforce || in.Image.RequireSignature {
		return nil
	}
	in.Image.RequireSignature = true
	in.Target.Signature = &host.Signature{Kind: host.ContainerPolicy}
	img, err := image.Open(ctx, in.Source, in.Image)
	if err != nil {
		return fmt.Errorf("the image's configuration enforces the signature policy: %w", err)
	}
	return img.Close()
}

// checkImage refuses an image that cannot boot from the place.
func (in *installer) checkImage(pulled *deploy.Pulled, p place) (err error) {
	if in.fstab, err = readText(pulled.FS, "etc/fstab"); err != nil {
		return err
	}
	uki := pulled.OS.Kernel.Type == osimage.UKI
	if uki && len(in.Kargs)+len(in.KargDeletes) > 0 {
		return errors.New("the image has a unified kernel image, whose kernel arguments cannot be changed")
	}
	if _, err := pulled.OS.Kernel.WithAddons(pulled.FS, in.Addons); err != nil {
		return err
	}
	if uki && p.esp == nil && in.kind == bootloader.GRUB {
		return p.lacksESP("the unified kernel image")
	}
	if err := in.checkEncrypted(pulled.FS, pulled.OS.Kernel); err != nil {
		return err
	}
	if in.encrypted && in.kind == bootloader.GRUB {
		if err := osimage.CheckMountExtra(pulled.FS, "/boot", "with the boot loader systemd /boot is not needed"); err != nil {
			return err
		}
	}
	if in.kind == bootloader.GRUB {
		if err := disk.NeedTools("grub-mkimage"); err != nil {
			return err
		}
	}
	if !uki {
		line := in.commandLine(p, pulled.OS.Kargs).WithRoot(kargs.Root{ID: pulled.ID, Optional: true})
		if err := bootloader.CheckOptions(in.kind, line); err != nil {
			return err
		}
	}
	if err := in.checkVar(pulled.FS, pulled.OS, p); err != nil {
		return err
	}
	return p.check(in.kind)
}

var errESPIsBoot = errors.New("the EFI system partition is mounted on boot of the target, where GRUB has its files: mount it on boot/efi")

var errNoESP = errors.New("none is mounted on boot/efi of the target, nor is one on the disks below it")

// lacksESP says that something needs an ESP, and why there is none.
func (p place) lacksESP(who string) error {
	return fmt.Errorf("%s needs an EFI system partition (ESP): %w", who, cmp.Or(p.noESP, errNoESP))
}

// check refuses a place where the boot loader cannot be.
func (p place) check(kind bootloader.Kind) error {
	switch {
	case kind == bootloader.GRUB && p.espIsBoot:
		return errESPIsBoot
	case kind == bootloader.None || p.esp != nil:
		return nil
	case kind != bootloader.GRUB:
		return p.lacksESP(string(kind))
	case len(p.bios) == 0:
		return fmt.Errorf("%w; nor has a disk a BIOS boot partition", p.lacksESP("GRUB"))
	}
	return nil
}

func (in *installer) installLoader(ctx context.Context, pulled *deploy.Pulled, files bootloader.Files, p place) error {
	if in.kind == bootloader.None {
		return nil
	}
	in.say("installing the boot loader %s", in.kind)
	o := bootloader.InstallOptions{
		Kind: in.kind, Files: files, Image: pulled.FS, Arch: in.Arch, RootUUID: p.rootUUID, BootPath: p.bootPath,
		Run: func(ctx context.Context, name string, args ...string) error {
			_, err := disk.Tool(ctx, "", name, args...)
			return err
		},
	}
	if in.kind == bootloader.GRUB {
		o.BIOS = p.bios
		if pulled.OS.Kernel.Type != osimage.UKI { // which lie on the one ESP, and are started from where GRUB was
			o.Mirrors = p.mirrors
		}
		if p.noESP != nil {
			in.say("warning: GRUB is not on every disk: %s", strings.ReplaceAll(p.noESP.Error(), "\n", "; "))
		}
	}
	return bootloader.Install(ctx, o)
}

// openDir opens the directory name in dir. No part of name may be a link: it could lead
// out of dir, to what belongs to the system that runs.
func openDir(dir *os.File, name string) (*os.File, error) {
	fd, err := unix.Openat2(int(dir.Fd()), name, &unix.OpenHow{
		Flags:   unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS,
	})
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", name, err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

// makeDir makes the directory name in dir, if it is missing, and opens it.
func makeDir(dir *os.File, name string) (*os.File, error) {
	err := unix.Mkdirat(int(dir.Fd()), name, 0o755)
	if err != nil && !errors.Is(err, unix.EEXIST) {
		return nil, fmt.Errorf("make %s: %w", name, err)
	}
	return openDir(dir, name)
}

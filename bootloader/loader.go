package bootloader

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/bootc-go/bootc/bootloader/grubcfg"
)

// loader is every Loader: they differ in where things are, and GRUB has a grub.cfg.
type loader struct {
	kind    Kind
	entries area // in it loader/entries is
	linux   area // kernels, one directory for each
	uki     area // unified kernel images; its dir is nil on machines without UEFI
	grubCfg bool
}

const ukiPath = "EFI/Linux/bootc"

// New returns the loader of kind k. It keeps f and reads nothing yet.
func New(k Kind, f Files) (Loader, error) {
	boot := bootArea(f)
	l := &loader{kind: k, uki: espArea(f, ukiPath)}
	switch k {
	case Systemd, GRUBCC:
		l.entries, l.linux = espArea(f, "."), espArea(f, "EFI/Linux")
	case GRUB, None:
		l.entries, l.linux, l.grubCfg = boot, boot, k == GRUB
	default:
		return nil, fmt.Errorf("cannot use the boot loader %q: there is none of that name", k)
	}
	if l.entries.dir == nil {
		return nil, fmt.Errorf("cannot use the boot loader %s: it needs %s, and there is none", k, l.entries.name)
	}
	return l, nil
}

func espArea(f Files, path string) area { return area{"the EFI system partition", f.ESP, path} }

func bootArea(f Files) area { return area{"/boot", f.Boot, "."} }

// Kind implements [Loader].
func (l *loader) Kind() Kind { return l.kind }

// Menu implements [Loader].
func (l *loader) Menu() ([]Entry, error) {
	m, err := l.openMenus()
	if err != nil {
		return nil, fmt.Errorf("cannot read the boot menu: %w", err)
	}
	defer m.Close()
	d, err := m.read(live)
	if err != nil {
		err = fmt.Errorf("cannot read the boot menu on %s: %w", l.entries.name, err)
	}
	return d.entries(), err
}

// Staged implements [Loader].
func (l *loader) Staged() ([]Entry, error) {
	m, err := l.openMenus()
	if err != nil {
		return nil, fmt.Errorf("cannot read the staged boot menu: %w", err)
	}
	defer m.Close()
	if s, err := m.state(); err != nil || s != pending {
		return nil, err
	}
	d, err := m.read(staged)
	if err != nil {
		return nil, fmt.Errorf("cannot read the staged boot menu on %s: %w", l.entries.name, err)
	}
	return d.entries(), nil
}

// Stage implements [Loader].
func (l *loader) Stage(menu []Entry) error {
	m, err := l.openMenus()
	if err != nil {
		return fmt.Errorf("cannot stage the boot menu: %w", err)
	}
	defer m.Close()
	err = l.checkMenu(menu)
	if err == nil {
		err = run(m.stageSteps(menu))
	}
	if err != nil {
		return fmt.Errorf("cannot stage the boot menu on %s: %w", l.entries.name, err)
	}
	return nil
}

// checkMenu returns an error unless menu can be written and what it boots is there.
func (l *loader) checkMenu(menu []Entry) error {
	if err := CheckMenu(menu); err != nil {
		return err
	}
	for _, e := range menu {
		if err := CheckOptions(l.kind, e.Options); err != nil {
			return fmt.Errorf("boot entry %q: %w", e.Title, err)
		}
		whole, err := l.HasKernel(e.Kernel)
		if err != nil {
			return err
		}
		if !whole {
			return fmt.Errorf("boot entry %q: the kernel %s is not there", e.Title, e.Kernel)
		}
	}
	return nil
}

// Commit implements [Loader].
func (l *loader) Commit() error {
	m, err := l.openMenus()
	if err != nil {
		return fmt.Errorf("cannot switch the boot menu: %w", err)
	}
	defer m.Close()
	steps, err := m.commitSteps()
	if err == nil {
		err = run(steps)
	}
	if err != nil {
		return fmt.Errorf("cannot switch the boot menu on %s: %w", l.entries.name, err)
	}
	return nil
}

// Discard implements [Loader].
func (l *loader) Discard() error {
	m, err := l.openMenus()
	if err != nil {
		return fmt.Errorf("cannot drop the staged boot menu: %w", err)
	}
	defer m.Close()
	if err := m.drop(); err != nil {
		return fmt.Errorf("cannot drop the staged boot menu on %s: %w", l.entries.name, err)
	}
	return nil
}

func (l *loader) openMenus() (*menus, error) {
	r, err := l.entries.open()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", l.entries.name, err)
	}
	return &menus{loader: l, Root: r}, nil
}

// HasKernel implements [Loader].
func (l *loader) HasKernel(name string) (bool, error) {
	k, err := l.openKernel(name)
	if errors.Is(err, errNoESP) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("cannot look for a kernel: %w", err)
	}
	defer k.Close()
	if !k.hasFiles() {
		return false, nil
	}
	if k.isMarked() {
		return true, nil
	}
	// What another program installed has no mark. But the machine boots from it.
	used, err := l.usedBy(live)
	if err != nil {
		return false, fmt.Errorf("cannot look for a kernel: %w", err)
	}
	return used(name), nil
}

// OpenKernel implements [Loader].
func (l *loader) OpenKernel(name string) (Kernel, error) {
	open := func(elem ...string) Opener {
		return func() (io.ReadCloser, error) {
			k, err := l.openKernel(name)
			if err != nil {
				return nil, err
			}
			defer k.Close()
			return k.Open(k.file(elem...))
		}
	}
	k, err := l.openKernel(name)
	if err != nil {
		return Kernel{}, fmt.Errorf("cannot open a kernel: %w", err)
	}
	k.Close()
	if isUKI(name) {
		return Kernel{Name: name, UKI: open(name)}, nil
	}
	return Kernel{Name: name, Linux: open(name, linuxFile), Initrd: open(name, initrdFile)}, nil
}

// CheckRoom implements [Loader].
func (l *loader) CheckRoom(need int64) error { return l.linux.checkRoom(need) }

// AddKernel implements [Loader].
func (l *loader) AddKernel(ctx context.Context, k Kernel) error {
	err := l.addKernel(ctx, k)
	if err != nil {
		return fmt.Errorf("cannot install the kernel %s: %w", k.Name, err)
	}
	return nil
}

func (l *loader) addKernel(ctx context.Context, k Kernel) error {
	whole, err := l.HasKernel(k.Name)
	if err != nil || whole {
		return err
	}
	dir, err := l.openKernel(k.Name)
	if err != nil {
		return err
	}
	defer dir.Close()
	return run(dir.steps(ctx, k))
}

// grubMenu is GRUB's form of the entries of a directory with that generation.
func (m *menus) grubMenu(d *menuDir, generation uint64) ([]byte, error) {
	l := m.loader
	counts := m.grubCounts()
	var entries []grubcfg.Entry
	for _, f := range d.ours {
		e := grubcfg.Entry{ID: f.name.ID, Title: f.Title}
		if counts {
			e.Count = f.count(generation)
		}
		if f.UKI {
			e.UKI = l.uki.file(f.Kernel)
		} else {
			e.Linux, e.Initrd, e.Options = l.linux.file(f.Kernel, linuxFile), l.linux.file(f.Kernel, initrdFile), f.Options
		}
		entries = append(entries, e)
	}
	return grubcfg.Menu(entries)
}

var errNoESP = errors.New("a unified kernel image needs UEFI and an EFI system partition, and there is none")

// openKernel opens the place of a kernel, which need not exist.
func (l *loader) openKernel(name string) (*kernelDir, error) {
	if _, err := kernelID(name); err != nil {
		return nil, fmt.Errorf("internal error: %w", err)
	}
	k := &kernelDir{in: l.linux, name: name, uki: isUKI(name)}
	if k.uki {
		k.in = l.uki
	}
	if k.in.dir == nil {
		return nil, errNoESP
	}
	root, err := k.in.open()
	if err != nil {
		return nil, err
	}
	k.Root = root
	return k, nil
}

// usedBy returns a function that reports whether any file of the menus mentions a
// kernel, ours or not, whether it can be understood or not.
func (l *loader) usedBy(dirs ...string) (func(kernel string) bool, error) {
	m, err := l.openMenus()
	if err != nil {
		return nil, err
	}
	defer m.Close()
	return m.mentions(dirs...)
}

// Package bootloader keeps the boot menu: which deployments the loader offers, in
// which order, with which kernels and arguments.
//
// A menu is an ordered list of entries, the first of which is started by default. The
// live menu is what the loader shows; a staged one stands beside it, complete, and
// takes its place in one step, [Loader.Commit]. At every instant the machine boots
// from one menu or the other.
//
// The files, their names and when they are written are described in
// docs/reference/boot-entries.md.
package bootloader

import (
	"context"
	"errors"
	"io"
	"os"
)

// Kind is a boot loader, by the name that upstream's --bootloader has for it.
type Kind string

// The boot loaders.
const (
	Systemd Kind = "systemd" // systemd-boot: everything is on the ESP
	GRUB    Kind = "grub"    // entries and kernels in /boot, UKIs on the ESP
	GRUBCC  Kind = "grub-cc" // GRUB for confidential computing; its files are where those of systemd-boot are
	None    Kind = "none"    // entries and kernels in /boot, for a loader that the administrator cares for
)

// What callers branch on.
var (
	// ErrNoRoom means that a kernel does not fit where the loader needs it.
	ErrNoRoom = errors.New("not enough room for the kernel")
	// ErrNothingStaged means that there is no staged menu to commit.
	ErrNothingStaged = errors.New("no boot menu is staged")
)

// Files are the directories of the running system or of the one to install.
type Files struct {
	Boot *os.File // /boot of the physical root
	ESP  *os.File // the mounted EFI system partition, nil where there is none
}

// Opener opens one of a kernel's files.
type Opener func() (io.ReadCloser, error)

// Kernel is what a deployment needs of its image before it has a root file system:
// Linux and Initrd, or UKI with its Addons.
type Kernel struct {
	Name          string // as [Entry.Kernel]
	Linux, Initrd Opener
	UKI           Opener
	Addons        map[string]Opener // by file name, "<name>.addon.efi"
	Size          int64             // bytes of all of them
}

// Loader is a boot loader's menu on disk. One process at a time uses it; callers hold
// the lock of the system.
type Loader interface {
	Kind() Kind

	// Menu returns our entries of the live menu, in the order in which the loader
	// shows them. Other people's entries stay where they are and are left out. If some
	// of the files cannot be read, the error names them, and comes with the entries of
	// the others, which are fit to be shown and for nothing else.
	Menu() ([]Entry, error)

	// Staged returns the staged menu as Menu would after Commit; nil if there is none.
	Staged() ([]Entry, error)

	// HasKernel reports whether the kernel is there whole. One that a power cut left
	// half-written is not.
	HasKernel(name string) (bool, error)

	// OpenKernel is a kernel as it lies there, without its addons. Size is unknown. That
	// there is none is said when a file of it is opened. A UKI can be read at an offset,
	// too.
	OpenKernel(name string) (Kernel, error)

	// CheckRoom returns an ErrNoRoom, with the sizes, if a kernel of need bytes does
	// not fit. What Collect could free counts as taken.
	CheckRoom(need int64) error

	// AddKernel makes k durable under its name. A whole one of that name is left
	// alone, a half-written one is replaced.
	AddKernel(ctx context.Context, k Kernel) error

	// Stage makes menu the staged menu, in the place of an older one. When it returns
	// the menu is durable. All its kernels must be there.
	Stage(menu []Entry) error

	// Commit makes the staged menu the live one. If it was interrupted, calling it
	// again finishes it; without a staged menu it returns ErrNothingStaged.
	Commit() error

	// Discard drops the staged menu, if there is one.
	Discard() error

	// Unused names what Collect would remove.
	Unused(keep ...string) ([]string, error)

	// Collect removes the kernels that neither the live nor the staged menu needs, but
	// not those in keep, and returns the names of the removed.
	Collect(keep ...string) ([]string, error)
}

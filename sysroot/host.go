// Package sysroot finds and opens the host that a program runs on: what it was
// booted from, its physical root, its boot loader and the file systems that this
// one reads.
//
// Nothing is attached anywhere, and no mount that others see is made writable:
// the files of a [Host] lead into private mounts. Those of a host that was opened
// for reading are read-only, so that whoever only looks cannot change anything.
// Linux 5.12 is needed.
package sysroot

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/bootloader"
	"github.com/bootc-go/bootc/composefs/verity"
	"github.com/bootc-go/bootc/internal/mounts"
	"github.com/bootc-go/bootc/kargs"
)

// Options say which host to open, and for what.
type Options struct {
	Root      string // where the host's file system is seen; "" is "/"
	Write     bool
	Container string // $container, which managers of containers set
}

// Host is the host, opened. The files belong to it.
type Host struct {
	Booted   kargs.Root       // the deployment that is the root file system
	Kind     bootloader.Kind  // of the loader that started it
	Files    bootloader.Files // /boot, and the EFI system partition if there is one
	Root     *os.File         // the physical root, /sysroot
	Run      *os.File         // /run
	Etc      *os.File         // /etc, read-only, without what is mounted below it
	ReadOnly bool             // the physical root lies on a read-only file system

	root  string
	table mounts.Table
	esp   mounts.Device // number of the device; 0:0 if there is none
	files []*os.File
	views []*mounts.View
}

// Open opens the host. The error is ErrContainer, ErrNotBooted, ErrNotRoot,
// ErrNoAdmin or, for writing, ErrReadOnly if there is no host here to work on,
// or not for this process.
func Open(o Options) (*Host, error) {
	h := &Host{root: o.Root}
	if h.root == "" {
		h.root = "/"
	}
	if inContainer(o) {
		return nil, ErrContainer
	}
	err := h.findBooted()
	if err == nil {
		err = mayMount()
	}
	if err == nil {
		err = h.open(o.Write)
	}
	switch {
	case err == nil:
		return h, nil
	case errors.As(err, new(refusal)):
		h.Close()
		return nil, err
	}
	h.Close()
	return nil, fmt.Errorf("cannot open the host: %w", err)
}

// Close closes all files of the host.
func (h *Host) Close() {
	for _, f := range h.files {
		f.Close()
	}
	for _, v := range h.views {
		v.Close()
	}
}

// inContainer goes by the files that podman, Docker and systemd put there.
func inContainer(o Options) bool {
	for _, name := range []string{"run/.containerenv", ".dockerenv", "run/systemd/container"} {
		if exists(filepath.Join(o.Root, "/", name)) {
			return true
		}
	}
	return o.Container != ""
}

// mayMount tells whether the process may mount file systems.
func mayMount() error {
	if os.Geteuid() != 0 {
		return ErrNotRoot
	}
	if admin, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, unix.CAP_SYS_ADMIN, 0, 0, 0); err == nil && admin == 0 {
		return ErrNoAdmin
	}
	return nil
}

// findBooted reads what the root file system is. The mount table says which
// deployment, after a soft reboot too, which leaves the kernel's command line as
// it was: only of the deployment that it names it says whether fs-verity is demanded.
// Of another the mount says it.
func (h *Host) findBooted() error {
	if err := h.readTable(); err != nil {
		return err
	}
	root, _ := h.table.At("/")
	id, err := parseSource(root.Source)
	if err != nil {
		return err
	}
	cmdline, err := os.ReadFile(filepath.Join(h.root, "proc/cmdline"))
	if err != nil {
		return err
	}
	h.Booted.ID = id
	booted, err := kargs.FindRoot(kargs.Parse(string(cmdline)))
	switch {
	case err != nil:
	case booted.ID == id:
		h.Booted.Optional = booted.Optional
	default:
		h.Booted.Optional = !slices.Contains(strings.Split(root.Options, ","), "verity=require")
	}
	return nil //nolint:nilerr // without the argument it is demanded
}

func (h *Host) readTable() (err error) {
	h.table, err = mounts.Read(filepath.Join(h.root, "proc/self/mountinfo"))
	return err
}

// parseSource reads the id out of the source that the initramfs gives the root
// mount.
func parseSource(source string) (verity.Digest, error) {
	for _, prefix := range []string{"composefs:", "transient:composefs="} {
		if text, ok := strings.CutPrefix(source, prefix); ok {
			id, err := verity.ParseHex(text)
			if err != nil {
				return verity.Digest{}, fmt.Errorf("source %q of the root mount: %w", source, err)
			}
			return id, nil
		}
	}
	return verity.Digest{}, ErrNotBooted
}

// open opens all directories.
func (h *Host) open(write bool) error {
	root, err := h.clone("sysroot", write)
	if err != nil {
		return err
	}
	if h.ReadOnly, err = h.superblockReadOnly(root, write); err != nil {
		return err
	}
	if h.ReadOnly && write {
		return ErrReadOnly
	}
	h.Root = root.Root
	etc, err := h.clone("etc", false)
	if err != nil {
		return err
	}
	h.Etc = etc.Root
	if h.Run, err = os.Open(filepath.Join(h.root, "run")); err != nil {
		return err
	}
	h.files = append(h.files, h.Run)
	if err := h.mountAutomounts(); err != nil {
		return err
	}
	if err := h.openESP(write); err != nil {
		return err
	}
	if err := h.openBoot(write); err != nil {
		return err
	}
	return h.findLoader()
}

// mountAutomounts has systemd mount what it mounts when somebody comes along, so
// that the table shows it.
func (h *Host) mountAutomounts() error {
	for _, place := range espPlaces {
		if m, _ := h.table.At(place); m.FSType != "autofs" {
			continue
		}
		dir, err := os.Open(filepath.Join(h.root, place))
		if err != nil {
			return fmt.Errorf("automount: %w", err)
		}
		dir.Close()
	}
	return h.readTable()
}

// clone makes a view of the directory name of the host, which ends with it.
func (h *Host) clone(name string, write bool) (*mounts.View, error) {
	v, err := cloneView(filepath.Join(h.root, name), write)
	if err == nil {
		h.views = append(h.views, v)
	}
	return v, err
}

// superblockReadOnly tells whether v could not be written even if its mount were
// writable.
func (h *Host) superblockReadOnly(v *mounts.View, write bool) (bool, error) {
	if !write {
		rw, err := cloneView(v.Mount.Name(), true)
		if err != nil {
			return false, err
		}
		defer rw.Close()
		v = rw
	}
	return v.ReadOnly()
}

// openBoot opens the file system that is mounted at /boot, if it is not the EFI
// system partition, or else the directory boot of the physical root.
func (h *Host) openBoot(write bool) error {
	m, ok := h.table.At("/boot")
	if ok && m.Device != h.esp {
		v, err := h.clone("boot", write)
		if err == nil && write {
			err = v.MakeWritable()
		}
		if err != nil {
			return err
		}
		h.Files.Boot = v.Root
		return nil
	}
	dir, err := openDir(h.Root, "boot")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		h.files = append(h.files, dir)
		h.Files.Boot = dir
	}
	return err
}

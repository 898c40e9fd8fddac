package bootloader

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
)

// The files of a kernel, and the one that is written after them.
const (
	linuxFile    = "vmlinuz"
	initrdFile   = "initrd"
	addonsSuffix = ".extra.d"
	markerFile   = "complete"
)

// slack is room for directories, the menu, and what FAT rounds up.
const slack = 1 << 20

func isUKI(name string) bool { return strings.HasSuffix(name, ".efi") }

// kernelDir is where the files of one kernel are.
//
// They are written under their own names, and when they are durable an empty file says
// so. A rename would not do: on FAT a power cut within it can leave both names, for
// the same blocks, and removing one would destroy the other.
type kernelDir struct {
	*os.Root // of the file system

	in   area
	name string
	uki  bool
}

// file is a path below the Root.
func (k *kernelDir) file(elem ...string) string { return path.Join(k.in.path, path.Join(elem...)) }

// extra is the directory of a UKI's addons.
func (k *kernelDir) extra() string { return k.file(k.name + addonsSuffix) }

func (k *kernelDir) marker() string {
	if k.uki {
		return path.Join(k.extra(), markerFile)
	}
	return k.file(k.name, markerFile)
}

// hasFiles reports whether the files are there, with whatever content.
func (k *kernelDir) hasFiles() bool {
	if k.uki {
		return isFile(k.Root, k.file(k.name))
	}
	return isFile(k.Root, k.file(k.name, linuxFile)) && isFile(k.Root, k.file(k.name, initrdFile))
}

func (k *kernelDir) isMarked() bool {
	st, err := k.Lstat(k.marker())
	return err == nil && st.Mode().IsRegular()
}

// steps write the kernel. Before the last one it is half-written, and no menu names it.
func (k *kernelDir) steps(ctx context.Context, kernel Kernel) []step {
	return []step{
		{"remove a half-written one", k.remove},
		{"write", func() error {
			if err := k.in.checkRoom(kernel.Size); err != nil {
				return err
			}
			if err := k.write(ctx, kernel); err != nil {
				return errors.Join(err, k.remove())
			}
			return k.in.sync()
		}},
		{"complete", func() error {
			if err := create(ctx, k.Root, k.marker(), strings.NewReader("")); err != nil {
				return err
			}
			return k.in.sync()
		}},
	}
}

func (k *kernelDir) write(ctx context.Context, kernel Kernel) error {
	files := map[string]Opener{k.file(k.name, linuxFile): kernel.Linux, k.file(k.name, initrdFile): kernel.Initrd}
	if k.uki {
		files = map[string]Opener{k.file(k.name): kernel.UKI}
		for name, open := range kernel.Addons {
			files[path.Join(k.extra(), name)] = open
		}
	}
	if err := k.MkdirAll(path.Dir(k.marker()), 0o755); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := k.copy(ctx, name, files[name]); err != nil {
			return err
		}
	}
	return nil
}

func (k *kernelDir) copy(ctx context.Context, name string, open Opener) error {
	if open == nil {
		return fmt.Errorf("internal error: no content for %s", name)
	}
	from, err := open()
	if err != nil {
		return err
	}
	return errors.Join(create(ctx, k.Root, name, from), from.Close())
}

// remove removes whatever there is of the kernel. The marker goes first, so that a
// half-removed one is not taken for whole.
func (k *kernelDir) remove() error {
	err := k.Remove(k.marker())
	if err == nil {
		err = k.in.sync()
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := k.RemoveAll(k.file(k.name)); err != nil {
		return err
	}
	if k.uki {
		if err := k.RemoveAll(k.extra()); err != nil {
			return err
		}
	}
	return k.in.sync()
}

// checkRoom implements [Loader.CheckRoom] for one file system.
func (a area) checkRoom(need int64) error {
	free, err := a.free()
	if err != nil {
		return fmt.Errorf("cannot look for room: %w", err)
	}
	if need += slack; need > free {
		return fmt.Errorf("%w on %s: %d bytes needed, %d available", ErrNoRoom, a.name, need, free)
	}
	return nil
}

// Collect implements [Loader].
func (l *loader) Collect(keep ...string) ([]string, error) {
	removed, err := l.collect(keep)
	if err != nil {
		return removed, fmt.Errorf("cannot remove unused kernels: %w", err)
	}
	return removed, nil
}

// Unused implements [Loader].
func (l *loader) Unused(keep ...string) ([]string, error) {
	names, err := l.unused(keep)
	if err != nil {
		return nil, fmt.Errorf("cannot look for unused kernels: %w", err)
	}
	return names, nil
}

func (l *loader) collect(keep []string) (removed []string, err error) {
	names, err := l.unused(keep)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if err := l.removeKernel(name); err != nil {
			return removed, fmt.Errorf("%s: %w", name, err)
		}
		removed = append(removed, name)
	}
	return removed, nil
}

// unused are the kernels that no menu needs which is live or would be.
func (l *loader) unused(keep []string) ([]string, error) {
	m, err := l.openMenus()
	if err != nil {
		return nil, err
	}
	defer m.Close()
	dirs := []string{live}
	if s, err := m.state(); err != nil {
		return nil, err
	} else if s == pending {
		dirs = append(dirs, staged)
	}
	used, err := m.mentions(dirs...)
	if err != nil {
		return nil, err
	}
	names, err := l.kernels()
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(names, func(name string) bool { return used(name) || slices.Contains(keep, name) }), nil
}

func (l *loader) removeKernel(name string) error {
	k, err := l.openKernel(name)
	if err != nil {
		return err
	}
	defer k.Close()
	return k.remove()
}

// kernels lists the names of all kernels, whole or not, in order.
func (l *loader) kernels() ([]string, error) {
	var names []string
	for _, a := range []area{l.linux, l.uki} {
		if a.dir == nil {
			continue
		}
		r, err := a.open()
		if err != nil {
			return nil, err
		}
		entries, err := list(r, a.path)
		r.Close()
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			name := strings.TrimSuffix(e.Name(), addonsSuffix)
			if _, err := kernelID(name); err == nil && isUKI(name) == (a == l.uki) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// Package bootloadertest has a boot loader in memory for the tests of its users, and
// the tests that every boot loader passes.
package bootloadertest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"

	"github.com/bootc-go/bootc/bootloader"
)

// ErrInjected is what a step fails with that was told to.
var ErrInjected = errors.New("injected failure")

// PowerCut is the value that a step panics with that was told to.
const PowerCut = injected("power cut")

type injected string

// Fake is a boot loader in memory. What it holds survives a panic of PanicAt as a disk
// survives a power cut; the test then goes on with the same Fake.
type Fake struct {
	KindIs bootloader.Kind // Systemd if empty
	Room   int64           // bytes that its file system has for kernels; none if 0, without limit if negative

	NoCount bool // it does not count boots, as loaders that cannot write do not

	kernels map[string]kernel
	live    []bootloader.Entry
	staged  []bootloader.Entry

	steps   int // durable ones until now
	failAt  int
	panicAt int
}

type kernel struct {
	size  int64
	whole bool
	files bootloader.Kernel
}

var _ bootloader.Loader = (*Fake)(nil)

// NewFake returns a Fake that has room for everything.
func NewFake() *Fake { return &Fake{Room: -1} }

// Steps is how many durable steps were taken.
func (f *Fake) Steps() int { return f.steps }

// FailAt makes the n-th durable step from now (1 is the next) return [ErrInjected]
// instead of being taken.
func (f *Fake) FailAt(n int) { f.failAt = f.steps + n }

// PanicAt makes the n-th durable step from now panic with [PowerCut] instead of being
// taken.
func (f *Fake) PanicAt(n int) { f.panicAt = f.steps + n }

// step takes one durable step.
func (f *Fake) step(do func()) error {
	switch f.steps + 1 {
	case f.failAt:
		f.failAt = 0
		return ErrInjected
	case f.panicAt:
		f.panicAt = 0
		panic(PowerCut)
	}
	f.steps++
	do()
	return nil
}

// Boot is what firmware and loader would start now: the first entry of the live menu
// that has tries left, or else the first of all, unless there is none or its kernel is
// not whole.
func (f *Fake) Boot() (bootloader.Entry, bool) {
	menu := inOrder(f.live)
	if len(menu) == 0 || !f.kernels[menu[0].Kernel].whole {
		return bootloader.Entry{}, false
	}
	return menu[0], true
}

// Start is what firmware and loader do. The first entry whose kernel is whole loses one
// of its tries, unless NoCount is set, which is one durable step, and is started.
func (f *Fake) Start() (bootloader.Entry, bool) {
	menu := slices.DeleteFunc(inOrder(f.live), func(e bootloader.Entry) bool { return !f.kernels[e.Kernel].whole })
	if len(menu) == 0 {
		return bootloader.Entry{}, false
	}
	e := menu[0]
	if e.Tries == nil || f.NoCount {
		return e, true
	}
	tries := &bootloader.Tries{Left: e.Tries.Left, Done: e.Tries.Done + 1}
	if tries.Left > 0 {
		tries.Left--
	}
	_ = f.step(func() { // a loader that cannot count starts it all the same
		for i := range f.live {
			if f.live[i].ID == e.ID {
				f.live[i].Tries = tries
			}
		}
	})
	e.Tries = tries
	return e, true
}

// Break loses a kernel, as a damaged file system does.
func (f *Fake) Break(name string) { f.kernels[name] = kernel{} }

// inOrder is the menu as a loader shows it.
func inOrder(menu []bootloader.Entry) []bootloader.Entry {
	menu = clone(menu)
	slices.SortStableFunc(menu, func(a, b bootloader.Entry) int {
		switch {
		case a.Bad() == b.Bad():
			return 0
		case b.Bad():
			return -1
		}
		return 1
	})
	return menu
}

// Kernels are the names of all kernels that take room, the half-written included, in
// order.
func (f *Fake) Kernels() []string { return slices.Sorted(maps.Keys(f.kernels)) }

// Kind implements [bootloader.Loader].
func (f *Fake) Kind() bootloader.Kind {
	if f.KindIs == "" {
		return bootloader.Systemd
	}
	return f.KindIs
}

// Menu implements [bootloader.Loader].
func (f *Fake) Menu() ([]bootloader.Entry, error) { return inOrder(f.live), nil }

// Staged implements [bootloader.Loader].
func (f *Fake) Staged() ([]bootloader.Entry, error) { return inOrder(f.staged), nil }

// clone copies what a caller could change.
func clone(menu []bootloader.Entry) []bootloader.Entry {
	menu = slices.Clone(menu)
	for i := range menu {
		menu[i].Options = slices.Clone(menu[i].Options)
	}
	return menu
}

// HasKernel implements [bootloader.Loader].
func (f *Fake) HasKernel(name string) (bool, error) { return f.kernels[name].whole, nil }

// CheckRoom implements [bootloader.Loader].
func (f *Fake) CheckRoom(need int64) error {
	free := f.Room
	for _, k := range f.kernels {
		free -= k.size
	}
	if f.Room >= 0 && need > free {
		return fmt.Errorf("%w: the fake file system: %d bytes needed, %d available", bootloader.ErrNoRoom, need, free)
	}
	return nil
}

// AddKernel implements [bootloader.Loader]. It has two durable steps: after the first
// the kernel is half-written.
func (f *Fake) AddKernel(ctx context.Context, k bootloader.Kernel) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if f.kernels[k.Name].whole {
		return nil
	}
	delete(f.kernels, k.Name)
	if err := f.CheckRoom(k.Size); err != nil {
		return err
	}
	files, size, err := read(k)
	if err != nil {
		return err
	}
	if f.kernels == nil {
		f.kernels = map[string]kernel{}
	}
	if err := f.step(func() { f.kernels[k.Name] = kernel{size: size} }); err != nil {
		return err
	}
	return f.step(func() { f.kernels[k.Name] = kernel{size: size, whole: true, files: files} })
}

// read reads all that k consists of, and returns a copy of it.
func read(k bootloader.Kernel) (bootloader.Kernel, int64, error) {
	var size int64
	files := []*bootloader.Opener{&k.Linux, &k.Initrd}
	if k.UKI != nil {
		files = []*bootloader.Opener{&k.UKI}
	}
	k.Addons = maps.Clone(k.Addons)
	for name, open := range k.Addons {
		data, err := readAll(open)
		if err != nil {
			return k, 0, err
		}
		size += int64(len(data))
		k.Addons[name] = content(string(data))
	}
	for _, open := range files {
		data, err := readAll(*open)
		if err != nil {
			return k, 0, err
		}
		size += int64(len(data))
		*open = content(string(data))
	}
	return k, size, nil
}

func readAll(open bootloader.Opener) ([]byte, error) {
	r, err := open()
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(r)
	return data, errors.Join(err, r.Close())
}

// OpenKernel implements [bootloader.Loader].
func (f *Fake) OpenKernel(name string) (bootloader.Kernel, error) {
	if k, ok := f.kernels[name]; ok && k.whole {
		return k.files, nil
	}
	missing := func() (io.ReadCloser, error) { return nil, fs.ErrNotExist }
	return bootloader.Kernel{Name: name, Linux: missing, Initrd: missing, UKI: missing}, nil
}

// Stage implements [bootloader.Loader]. It has two durable steps: the first drops an
// older staged menu.
func (f *Fake) Stage(menu []bootloader.Entry) error {
	if err := bootloader.CheckMenu(menu); err != nil {
		return err
	}
	for _, e := range menu {
		if !f.kernels[e.Kernel].whole {
			return fmt.Errorf("the kernel %s is not there", e.Kernel)
		}
	}
	if err := f.Discard(); err != nil {
		return err
	}
	return f.step(func() { f.staged = clone(menu) })
}

// Commit implements [bootloader.Loader]. It has one durable step.
func (f *Fake) Commit() error {
	if f.staged == nil {
		return bootloader.ErrNothingStaged
	}
	return f.step(func() { f.live, f.staged = f.staged, nil })
}

// Discard implements [bootloader.Loader]. It has one durable step.
func (f *Fake) Discard() error {
	return f.step(func() { f.staged = nil })
}

// Collect implements [bootloader.Loader]. It has one durable step for each kernel.
func (f *Fake) Collect(keep ...string) ([]string, error) {
	names, err := f.Unused(keep...)
	if err != nil {
		return nil, err
	}
	var removed []string
	for _, name := range names {
		if err := f.step(func() { delete(f.kernels, name) }); err != nil {
			return removed, err
		}
		removed = append(removed, name)
	}
	return removed, nil
}

// Unused implements [bootloader.Loader].
func (f *Fake) Unused(keep ...string) ([]string, error) {
	return slices.DeleteFunc(f.Kernels(), func(name string) bool {
		return slices.Contains(keep, name) || inUse(f.live, name) || inUse(f.staged, name)
	}), nil
}

func inUse(menu []bootloader.Entry, kernel string) bool {
	return slices.ContainsFunc(menu, func(e bootloader.Entry) bool { return e.Kernel == kernel })
}

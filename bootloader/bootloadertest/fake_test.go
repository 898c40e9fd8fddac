package bootloadertest_test

import (
	"errors"
	"testing"

	"github.com/bootc-go/bootc/bootloader"
	"github.com/bootc-go/bootc/bootloader/bootloadertest"
)

func TestFake(t *testing.T) {
	t.Parallel()
	bootloadertest.Suite(t, func(*testing.T) bootloader.Loader { return bootloadertest.NewFake() })
}

func TestFakeBoots(t *testing.T) {
	t.Parallel()
	a, b := bootloadertest.Entry("a"), bootloadertest.Entry("b")
	f := bootloadertest.NewFake()
	if _, ok := f.Boot(); ok {
		t.Error("an empty disk boots")
	}
	bootloadertest.Install(t, f, b, a)
	if e, ok := f.Boot(); !ok || e.ID != b.ID {
		t.Errorf("boots %q", e.Title)
	}
}

// Every step of an update can be the last one before a power cut.
func TestFakePowerCut(t *testing.T) {
	t.Parallel()
	old, next := bootloadertest.Entry("old"), bootloadertest.Entry("next")
	update := func(f *bootloadertest.Fake) error {
		if err := f.AddKernel(t.Context(), bootloadertest.Kernel(next)); err != nil {
			return err
		}
		return errors.Join(f.Stage([]bootloader.Entry{next, old}), f.Commit())
	}
	cuts := 0
	for n := 1; ; n++ {
		f := bootloadertest.NewFake()
		bootloadertest.Install(t, f, old)
		f.PanicAt(n)
		cut := func() (cut bool) {
			defer func() { cut = recover() == any(bootloadertest.PowerCut) }()
			return update(f) != nil
		}()
		if e, ok := f.Boot(); !ok || e.ID != old.ID && cut {
			t.Errorf("cut %d: boots %q, %v", n, e.Title, ok)
		}
		if !cut {
			break
		}
		cuts++
		if err := update(f); err != nil {
			t.Errorf("cut %d: again: %v", n, err)
		}
		if e, ok := f.Boot(); !ok || e.ID != next.ID {
			t.Errorf("cut %d: boots %q, %v, after the second try", n, e.Title, ok)
		}
	}
	if cuts != 5 {
		t.Errorf("%d steps in an update", cuts)
	}
}

func TestFakeFails(t *testing.T) {
	t.Parallel()
	f := bootloadertest.NewFake()
	e := bootloadertest.Entry("a")
	f.FailAt(2)
	if err := f.AddKernel(t.Context(), bootloadertest.Kernel(e)); !errors.Is(err, bootloadertest.ErrInjected) {
		t.Errorf("got %v", err)
	}
	if len(f.Kernels()) != 1 {
		t.Errorf("kernels %q", f.Kernels())
	}
	if whole, _ := f.HasKernel(e.Kernel); whole {
		t.Error("the half-written kernel is whole")
	}
	f.Room = 10
	if err := f.CheckRoom(1); !errors.Is(err, bootloader.ErrNoRoom) {
		t.Errorf("full: %v", err)
	}
}

package bootloadertest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/bootc-go/bootc/bootloader"
	"github.com/bootc-go/bootc/composefs/verity"
	"github.com/bootc-go/bootc/kargs"
)

// Suite runs the tests that every boot loader passes. The function returns an empty
// one that has room and an ESP.
func Suite(t *testing.T, empty func(t *testing.T) bootloader.Loader) {
	for _, tt := range []struct {
		name string
		test func(t *testing.T, l bootloader.Loader)
	}{
		{"empty", testEmpty},
		{"kernel", testKernel},
		{"stage and commit", testCommit},
		{"order", testOrder},
		{"discard", testDiscard},
		{"stage twice", testStageTwice},
		{"collect", testCollect},
		{"room", testRoom},
		{"uki", testUKI},
		{"refused menus", testRefused},
		{"cancel", testCancel},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.test(t, empty(t))
		})
	}
}

// ID is a deployment's id, made of a name.
func ID(name string) verity.Digest { return verity.Sum(verity.SHA512, []byte(name)) }

// Entry is an entry for the deployment of that name, which has a kernel of its own.
func Entry(name string) bootloader.Entry {
	id := ID(name)
	root := kargs.Root{ID: id}
	return bootloader.Entry{
		ID: id, Root: root,
		Title: "Test OS " + name, Version: name, OSID: "testos",
		Options: kargs.Line{"quiet"}.WithRoot(root),
		Kernel:  bootloader.KernelName(id),
	}
}

// UKIEntry is an entry for the deployment of that name, which has a unified kernel
// image.
func UKIEntry(name string) bootloader.Entry {
	e := Entry(name)
	e.UKI, e.Options, e.Kernel = true, nil, bootloader.UKIName(e.ID)
	return e
}

// Kernel is the kernel that e names, small.
func Kernel(e bootloader.Entry) bootloader.Kernel {
	k := bootloader.Kernel{Name: e.Kernel, Size: 8}
	if e.UKI {
		k.UKI = content("uki+" + e.Version)
		k.Addons = map[string]bootloader.Opener{"a.addon.efi": content("addon")}
	} else {
		k.Linux, k.Initrd = content("linux "+e.Version), content("initrd "+e.Version)
	}
	return k
}

func content(s string) bootloader.Opener {
	return func() (io.ReadCloser, error) { return memory{strings.NewReader(s)}, nil }
}

// memory is a file that can be read at an offset.
type memory struct{ *strings.Reader }

func (memory) Close() error { return nil }

// wantContent checks that what the loader has is what it was given.
func wantContent(t testing.TB, l bootloader.Loader, e bootloader.Entry) {
	t.Helper()
	want, err := l.OpenKernel(e.Kernel)
	must(t, err)
	got := Kernel(e)
	for _, pair := range [][2]bootloader.Opener{{got.Linux, want.Linux}, {got.Initrd, want.Initrd}, {got.UKI, want.UKI}} {
		if pair[0] == nil {
			continue
		}
		a, err := readAll(pair[0])
		must(t, err)
		b, err := readAll(pair[1])
		must(t, err)
		if !bytes.Equal(a, b) {
			t.Errorf("kernel %.30s… has %q, not %q", e.Kernel, b, a)
		}
	}
}

// Install makes the entries the live menu of l, with their kernels.
func Install(t testing.TB, l bootloader.Loader, menu ...bootloader.Entry) {
	t.Helper()
	stage(t, l, menu...)
	must(t, l.Commit())
}

func stage(t testing.TB, l bootloader.Loader, menu ...bootloader.Entry) {
	t.Helper()
	for _, e := range menu {
		must(t, l.AddKernel(t.Context(), Kernel(e)))
	}
	must(t, l.Stage(menu))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantMenu(t testing.TB, what string, read func() ([]bootloader.Entry, error), want ...bootloader.Entry) {
	t.Helper()
	got, err := read()
	must(t, err)
	opts := cmp.Options{
		cmpopts.IgnoreFields(bootloader.Entry{}, "File"),
		cmpopts.EquateEmpty(),
		cmp.Comparer(func(a, b verity.Digest) bool { return a == b }),
	}
	if d := cmp.Diff(want, got, opts); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

func wantKernel(t testing.TB, l bootloader.Loader, name string, want bool) {
	t.Helper()
	got, err := l.HasKernel(name)
	must(t, err)
	if got != want {
		t.Errorf("HasKernel(%.30s…) is %v", name, got)
	}
}

func testEmpty(t *testing.T, l bootloader.Loader) {
	wantMenu(t, "live", l.Menu)
	wantMenu(t, "staged", l.Staged)
	wantKernel(t, l, Entry("a").Kernel, false)
	wantKernel(t, l, UKIEntry("a").Kernel, false)
	must(t, l.Discard())
	if err := l.Commit(); !errors.Is(err, bootloader.ErrNothingStaged) {
		t.Errorf("Commit of nothing: %v", err)
	}
	removed, err := l.Collect()
	must(t, err)
	if len(removed) > 0 {
		t.Errorf("removed %q", removed)
	}
	wantMenu(t, "live", l.Menu)
}

func testKernel(t *testing.T, l bootloader.Loader) {
	e := Entry("a")
	for range 2 {
		must(t, l.AddKernel(t.Context(), Kernel(e)))
		wantKernel(t, l, e.Kernel, true)
		wantContent(t, l, e)
	}
	broken := Kernel(Entry("b"))
	broken.Initrd = func() (io.ReadCloser, error) { return nil, io.ErrUnexpectedEOF }
	if err := l.AddKernel(t.Context(), broken); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("unreadable initrd: %v", err)
	}
	wantKernel(t, l, broken.Name, false)
	k, err := l.OpenKernel(Entry("c").Kernel)
	must(t, err)
	if _, err := k.Linux(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a kernel that is not there: %v", err)
	}
	must(t, l.AddKernel(t.Context(), Kernel(Entry("b"))))
	wantKernel(t, l, broken.Name, true)
}

func testCommit(t *testing.T, l bootloader.Loader) {
	a, b := Entry("a"), Entry("b")
	stage(t, l, a)
	wantMenu(t, "live", l.Menu)
	wantMenu(t, "staged", l.Staged, a)
	must(t, l.Commit())
	wantMenu(t, "live", l.Menu, a)
	wantMenu(t, "staged", l.Staged)
	if err := l.Commit(); !errors.Is(err, bootloader.ErrNothingStaged) {
		t.Errorf("second Commit: %v", err)
	}
	Install(t, l, b, a)
	wantMenu(t, "live", l.Menu, b, a)
	Install(t, l, a, b) // rollback
	wantMenu(t, "live", l.Menu, a, b)
}

func testOrder(t *testing.T, l bootloader.Loader) {
	var menu []bootloader.Entry
	for _, name := range []string{"9", "10", "1", "2", "same", "same2", "~", "", "z", "a", "b", "c"} {
		e := Entry("v" + name)
		e.Version = name
		menu = append(menu, e)
	}
	menu[4].Version, menu[5].Version = "1", "1"
	menu[5].OSID = "aaa" // sorted by name it would come first
	menu[7].Version = "" // none
	for range 3 {
		Install(t, l, menu...)
		wantMenu(t, "live", l.Menu, menu...)
		slices.Reverse(menu)
	}
}

func testDiscard(t *testing.T, l bootloader.Loader) {
	a, b := Entry("a"), Entry("b")
	Install(t, l, a)
	stage(t, l, b, a)
	must(t, l.Discard())
	wantMenu(t, "live", l.Menu, a)
	wantMenu(t, "staged", l.Staged)
	if err := l.Commit(); !errors.Is(err, bootloader.ErrNothingStaged) {
		t.Errorf("Commit after Discard: %v", err)
	}
}

func testStageTwice(t *testing.T, l bootloader.Loader) {
	a, b, c := Entry("a"), Entry("b"), Entry("c")
	Install(t, l, a)
	stage(t, l, b, a)
	stage(t, l, c, a)
	wantMenu(t, "live", l.Menu, a)
	wantMenu(t, "staged", l.Staged, c, a)
	must(t, l.Commit())
	wantMenu(t, "live", l.Menu, c, a)
}

func testCollect(t *testing.T, l bootloader.Loader) {
	a, b, kept, unused := Entry("a"), Entry("b"), Entry("kept"), Entry("unused")
	uki := UKIEntry("uki")
	Install(t, l, a)
	stage(t, l, b, a)
	for _, e := range []bootloader.Entry{kept, unused, uki} {
		must(t, l.AddKernel(t.Context(), Kernel(e)))
	}
	want := []string{unused.Kernel, uki.Kernel}
	slices.Sort(want)
	names, err := l.Unused(kept.Kernel)
	must(t, err)
	if d := cmp.Diff(want, names); d != "" {
		t.Error(d)
	}
	wantKernel(t, l, unused.Kernel, true)
	removed, err := l.Collect(kept.Kernel)
	must(t, err)
	if d := cmp.Diff(want, removed); d != "" {
		t.Error(d)
	}
	for _, e := range []bootloader.Entry{a, b, kept} {
		wantKernel(t, l, e.Kernel, true)
	}
	wantKernel(t, l, unused.Kernel, false)
	must(t, l.Discard())
	removed, err = l.Collect(kept.Kernel)
	must(t, err)
	if d := cmp.Diff([]string{b.Kernel}, removed); d != "" {
		t.Error(d)
	}
	wantMenu(t, "live", l.Menu, a)
}

func testRoom(t *testing.T, l bootloader.Loader) {
	must(t, l.CheckRoom(1))
	const tooMuch = math.MaxInt64 / 2
	if _, fake := l.(*Fake); fake {
		return // its room is the test's affair
	}
	if err := l.CheckRoom(tooMuch); !errors.Is(err, bootloader.ErrNoRoom) {
		t.Errorf("CheckRoom: %v", err)
	}
	for _, e := range []bootloader.Entry{Entry("a"), UKIEntry("b")} {
		k := Kernel(e)
		k.Size = tooMuch
		if err := l.AddKernel(t.Context(), k); !errors.Is(err, bootloader.ErrNoRoom) {
			t.Errorf("AddKernel: %v", err)
		}
		wantKernel(t, l, k.Name, false)
	}
}

func testUKI(t *testing.T, l bootloader.Loader) {
	a, b := UKIEntry("a"), Entry("b")
	Install(t, l, a, b)
	wantMenu(t, "live", l.Menu, a, b)
	wantKernel(t, l, a.Kernel, true)
	wantContent(t, l, a)
	Install(t, l, b)
	removed, err := l.Collect()
	must(t, err)
	if d := cmp.Diff([]string{a.Kernel}, removed); d != "" {
		t.Error(d)
	}
	wantKernel(t, l, a.Kernel, false)
}

func testRefused(t *testing.T, l bootloader.Loader) {
	a, b := Entry("a"), Entry("b")
	Install(t, l, a)
	noRoot, otherRoot, wrongKind := a, a, a
	noRoot.Options = kargs.Line{"quiet"}
	otherRoot.Options = b.Options
	wrongKind.UKI = true
	for name, menu := range map[string][]bootloader.Entry{
		"no entry":                nil,
		"kernel is not there":     {b, a},
		"no composefs=":           {noRoot},
		"another composefs=":      {otherRoot},
		"kernel of another kind":  {wrongKind},
		"entry without an id":     {{Title: "x"}},
		"kernel of no deployment": {{ID: a.ID, Root: a.Root, Options: a.Options, Kernel: "../etc"}},
	} {
		if err := l.Stage(menu); err == nil {
			t.Errorf("%s: staged", name)
		}
		wantMenu(t, name+": staged", l.Staged)
	}
	wantMenu(t, "live", l.Menu, a)
}

func testCancel(t *testing.T, l bootloader.Loader) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	k := Kernel(Entry("a"))
	if err := l.AddKernel(ctx, k); !errors.Is(err, context.Canceled) {
		t.Errorf("AddKernel: %v", err)
	}
	wantKernel(t, l, k.Name, false)
}

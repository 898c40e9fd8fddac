package deploy

import (
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bootc-go/bootc/bootloader"
	"github.com/bootc-go/bootc/bootloader/bootloadertest"
	"github.com/bootc-go/bootc/composefs/verity"
	"github.com/bootc-go/bootc/image/registrytest"
	"github.com/bootc-go/bootc/internal/testtool"
	"github.com/bootc-go/bootc/kargs"
	"github.com/bootc-go/bootc/osimage"
)

// addon is an addon whose command line is its name, by objcopy.
func (m *machine) addon(name string, size int) registrytest.Entry {
	m.t.Helper()
	dir := m.t.TempDir()
	line, out := filepath.Join(dir, "cmdline"), filepath.Join(dir, "addon")
	m.must(os.WriteFile(line, []byte("of-"+name), 0o644))
	args := []string{"--add-section", ".cmdline=" + line, "--change-section-vma", ".cmdline=0x10000000", "/usr/lib/systemd/boot/efi/linuxx64.efi.stub", out}
	if text, err := exec.CommandContext(m.t.Context(), testtool.Path(m.t, "objcopy"), args...).CombinedOutput(); err != nil {
		m.t.Fatalf("%v: %s", err, text)
	}
	data, err := os.ReadFile(out)
	m.must(err)
	return registrytest.File("boot/EFI/Linux/os.efi.extra.d/"+name+".addon.efi", string(data)+strings.Repeat("\x00", size))
}

// withAddons is an image with a unified kernel image and these addons beside it.
func (m *machine) withAddons(version string, names ...string) osVersion {
	m.t.Helper()
	o := m.uki(version, m.bootID(m.uki(version, verity.Sum(verity.SHA512, nil))))
	o.extra = append(o.extra, registrytest.Dir("boot/EFI/Linux/os.efi.extra.d"))
	for _, name := range names {
		o.extra = append(o.extra, m.addon(name, 0))
	}
	return o
}

// addonMachine is a host that was installed with addons.
func addonMachine(t *testing.T, choice []string, offer ...string) (*machine, *bootloadertest.Fake) {
	t.Helper()
	fake := bootloadertest.NewFake()
	m := newMachine(t, fake)
	m.addons = choice
	m.install(m.withAddons("1", offer...))
	m.addons = nil
	return m, fake
}

// wantAddons checks what boots: the files, and the command line that is known of it.
func (m *machine) wantAddons(want ...string) {
	m.t.Helper()
	kernel, err := m.loader.OpenKernel(bootloader.UKIName(m.booted.ID))
	m.must(err)
	m.must(m.with(func(s *Sysroot) error {
		o, err := s.origin(m.booted.ID)
		var files, args []string
		for _, name := range want {
			files, args = append(files, name+".addon.efi"), append(args, "of-"+name)
		}
		if diff := cmp.Diff(files, slices.Sorted(maps.Keys(kernel.Addons))); diff != "" {
			m.t.Errorf("files of %s: %s", m.version(), diff)
		}
		var got []string
		for _, a := range o.cmdline {
			if strings.HasPrefix(string(a), "of-") {
				got = append(got, string(a))
			}
		}
		if diff := cmp.Diff(args, got); diff != "" {
			m.t.Errorf("command line of %s: %s", m.version(), diff)
		}
		return err
	}))
}

// TestAddons: what was chosen at the installation is what every deployment has, whichever
// way it came, and what the images have besides is nowhere.
func TestAddons(t *testing.T) {
	t.Parallel()
	m, _ := addonMachine(t, []string{"c", "a", "c"}, "a", "b", "c")
	m.wantAddons("a", "c")
	m.push(m.withAddons("2", "a", "c", "d"))
	m.mustUpgrade()
	m.reboot()
	m.wantAddons("a", "c")
	if got := m.status().Status.Booted.Composefs.UKIAddons; !slices.Equal(got, []string{"a", "c"}) {
		t.Errorf("status: %q", got)
	}
	m.mustRollback(true)
	m.boot()
	m.wantPicture("booted 1 | rollback 2")
	m.wantAddons("a", "c")
	m.pushAs("other", m.withAddons("3", "c", "b", "a"))
	_, err := m.switchTo("other")
	m.must(err)
	m.reboot()
	m.wantAddons("a", "c")
	m.push(m.withAddons("4", "a", "b", "c"))
	_, err = m.reset("os", ResetOptions{})
	m.must(err)
	m.reboot()
	m.wantPicture("booted 4 | rollback 3")
	m.wantAddons("a", "c")
	m.complete()
	m.gcIsNoOp()
	m.fsck()
}

// TestNoAddons: none were chosen, and none come later.
func TestNoAddons(t *testing.T) {
	t.Parallel()
	m, _ := addonMachine(t, []string{}, "a")
	m.wantAddons()
	m.push(m.withAddons("2", "a"))
	m.mustUpgrade()
	m.reboot()
	m.wantAddons()
}

// TestAddonsBeforeThereWasAChoice: a host whose origin knows none has all, and keeps
// having all.
func TestAddonsBeforeThereWasAChoice(t *testing.T) {
	t.Parallel()
	m, _ := addonMachine(t, nil, "a", "b")
	m.wantAddons("a", "b")
	m.push(m.withAddons("2", "b", "c"))
	m.mustUpgrade()
	m.reboot()
	m.wantAddons("b", "c")
	data, err := os.ReadFile(m.path(stateDir, originName(m.booted.ID)))
	m.must(err)
	if strings.Contains(string(data), "addons") {
		t.Errorf("origin:\n%s", data)
	}
}

// TestAddonGone: an image without a chosen addon is refused, since what it says may be
// what the machine boots with. The forecast says so as well. Another choice is the way on.
func TestAddonGone(t *testing.T) {
	t.Parallel()
	m, _ := addonMachine(t, []string{"console"}, "console", "debug")
	m.push(m.withAddons("2", "debug", "quiet"))
	const want = `the image lacks an addon that was chosen for this host: no addon of the unified kernel image is called "console": the image has "debug", "quiet"`
	f := m.foresee(ForecastOptions{Scratch: scratchIn(t), Fetch: true})
	if diff := cmp.Diff([]string{want}, f.Refusals); diff != "" {
		t.Error(diff)
	}
	_, err := m.upgrade(StageOptions{})
	if !errors.Is(err, ErrLacksAddon) || !errors.Is(err, osimage.ErrNoAddon) || !strings.HasSuffix(err.Error(), want) {
		t.Error(err)
	}
	m.wantPicture("booted 1")
	m.gcIsNoOp()
	if _, err := m.reset("os", ResetOptions{}); !errors.Is(err, ErrLacksAddon) {
		t.Error(err)
	}
	m.push(v("3"))
	if _, err := m.upgrade(StageOptions{}); !errors.Is(err, ErrLacksAddon) || !strings.HasSuffix(err.Error(), "the image has no unified kernel image") {
		t.Error(err)
	}
	m.push(m.withAddons("4", "debug", "quiet"))
	m.addons = []string{"quiet"}
	if f := m.foresee(ForecastOptions{Scratch: scratchIn(t), Fetch: true}); len(f.Refusals) > 0 ||
		!slices.Equal(f.Diff.KernelArguments.Added, []string{"of-quiet"}) || !slices.Equal(f.Diff.KernelArguments.Removed, []string{"of-console"}) {
		t.Errorf("%q, %+v", f.Refusals, f.Diff.KernelArguments)
	}
	m.mustUpgrade()
	m.addons = nil
	m.push(m.withAddons("5", "quiet")) // before the choice has booted
	m.mustUpgrade()
	m.reboot()
	m.wantAddons("quiet")
	m.addons = []string{}
	m.push(m.withAddons("6", "quiet"))
	m.mustUpgrade()
	m.reboot()
	m.wantAddons()
	m.addons = nil
	m.push(m.withAddons("7", "quiet"))
	m.mustUpgrade()
	m.reboot()
	m.wantAddons()
}

// TestOtherAddons of a deployment that is here: its kernel is named by a menu, and is not
// touched. The same ones are no other ones.
func TestOtherAddons(t *testing.T) {
	t.Parallel()
	m, _ := addonMachine(t, []string{"a", "b"}, "a", "b")
	refused := func(what, want string) {
		t.Helper()
		before := m.picture()
		if _, err := m.upgrade(StageOptions{}); !errors.Is(err, ErrAddons) || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%s: %v", what, err)
		}
		if f := m.foresee(ForecastOptions{Scratch: scratchIn(t), Fetch: true}); len(f.Refusals) != 1 || !strings.HasSuffix(f.Refusals[0], want) {
			t.Errorf("%s: %q", what, f.Refusals)
		}
		m.wantPicture(before)
	}
	m.addons = []string{"a"}
	refused("what runs", " has a, b, not a")
	m.addons = []string{"b", "a"}
	if st, err := m.upgrade(StageOptions{}); err != nil || st.Change != Unchanged {
		t.Error(st, err)
	}
	two := m.withAddons("2", "a", "b")
	m.push(two)
	m.addons = []string{}
	m.mustUpgrade()
	m.addons = []string{"a"}
	refused("what is staged", " has none, not a")
	m.reboot()
	m.addons = nil
	m.push(m.withAddons("1", "a", "b"))
	refused("what can be rolled back to", " has a, b, not none")
	m.must(m.delete(m.id("1")))
	m.mustUpgrade()
	m.reboot()
	m.wantPicture("booted 1 | rollback 2")
	m.wantAddons()
}

// TestAddonsTakeRoom on the boot partition as far as they are chosen.
func TestAddonsTakeRoom(t *testing.T) {
	t.Parallel()
	m, fake := addonMachine(t, []string{"a"}, "a")
	o := m.withAddons("2", "a")
	large := o
	large.extra = append(slices.Clone(o.extra), m.addon("large", 8<<20))
	m.push(large)
	fake.Room = 4 << 20
	f := m.foresee(ForecastOptions{Scratch: scratchIn(t), Fetch: true})
	if f.Disk.Kernel.Files != 2 || f.Disk.Kernel.Bytes > 1<<20 {
		t.Errorf("%+v", f.Disk.Kernel)
	}
	m.mustUpgrade()
	m.addons = []string{"large", "a"}
	large.version, large.extra = "3", append(slices.Clone(m.withAddons("3", "a").extra), m.addon("large", 8<<20))
	m.push(large)
	if _, err := m.upgrade(StageOptions{}); !errors.Is(err, bootloader.ErrNoRoom) {
		t.Error(err)
	}
}

// TestInstallWithoutTheAddon writes nothing for the boot loader.
func TestInstallWithoutTheAddon(t *testing.T) {
	t.Parallel()
	fake := bootloadertest.NewFake()
	m := newMachine(t, fake)
	m.push(m.withAddons("1", "a"))
	err := m.with(func(s *Sysroot) error {
		p, err := s.Pull(t.Context(), m.target("os:latest"))
		m.must(err)
		_, err = s.Deploy(t.Context(), p, FirstOptions{Loader: fake, Addons: []string{"b"}, Kargs: func(of kargs.Line) kargs.Line { return of }})
		return err
	})
	if !errors.Is(err, osimage.ErrNoAddon) || fake.Steps() > 0 {
		t.Error(err, fake.Steps())
	}
}

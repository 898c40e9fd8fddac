package deploy

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/bootc-go/bootc/bootloader"
	"github.com/bootc-go/bootc/bootloader/bootloadertest"
	"github.com/bootc-go/bootc/composefs/verity"
	"github.com/bootc-go/bootc/host"
	"github.com/bootc-go/bootc/image/registrytest"
	"github.com/bootc-go/bootc/internal/mounts"
	"github.com/bootc-go/bootc/internal/testtool"
	"github.com/bootc-go/bootc/kargs"
	"github.com/bootc-go/bootc/osimage"
	"github.com/bootc-go/bootc/pull"
)

// TestDeploy makes a disk, and does it again after a failure.
func TestDeploy(t *testing.T) {
	t.Parallel()
	fake := bootloadertest.NewFake()
	m := newMachine(t, fake)
	m.push(v("1"))
	signed := m.target("other:latest")
	signed.Signature = &host.Signature{Kind: host.ContainerPolicy}
	deploy := func() error {
		return m.with(func(s *Sysroot) error {
			p, err := s.Pull(t.Context(), m.target("os:latest"))
			if err != nil {
				return err
			}
			if data, err := fs.ReadFile(p.FS, "etc/hostname"); string(data) != "localhost\n" {
				t.Errorf("hostname: %q, %v", data, err)
			}
			e, err := s.Deploy(t.Context(), p, FirstOptions{
				Loader: m.loader, Target: signed,
				Kargs: func(of kargs.Line) kargs.Line { return of.With("rw") },
			})
			if err == nil && e.ID != p.ID {
				t.Errorf("entry %+v", e)
			}
			return err
		})
	}
	for n := 1; ; n++ {
		fake.FailAt(n)
		err := deploy()
		if err == nil {
			fake.FailAt(0)
			break
		}
		if !errors.Is(err, bootloadertest.ErrInjected) {
			t.Fatal(err)
		}
		if e, ok := fake.Boot(); ok {
			t.Errorf("boots %v after %v", e.Title, err)
		}
	}
	m.boot()
	m.wantPicture("booted 1")
	im := m.status().Spec.Image
	if im.Image != signed.Ref.Name() || im.Signature == nil || im.Signature.Kind != host.ContainerPolicy {
		t.Errorf("spec %+v", im)
	}
	for name, mode := range map[string]os.FileMode{
		repoDir: 0o700, "state": 0o755, stateDir: 0o755, varDir: 0o755,
	} {
		if st, err := os.Stat(m.path(name)); err != nil || st.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", name, st.Mode(), err)
		}
	}
	if left, _ := filepath.Glob(m.path("state/*/*.work")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	m.gcIsNoOp()
	m.fsck()
}

// TestDeployKeepsVar of an installation that was there before.
func TestDeployKeepsVar(t *testing.T) {
	t.Parallel()
	m := newMachine(t, bootloadertest.NewFake())
	m.must(os.MkdirAll(m.path(varDir, "lib/seed"), 0o755))
	m.install(v("1"))
	if st, err := os.Stat(m.path(varDir, "lib/seed")); err != nil || !st.IsDir() {
		t.Errorf("/var was replaced: %v", err)
	}
}

// TestDeployStateroot calls the place of /var as it is told, and so do all updates.
func TestDeployStateroot(t *testing.T) {
	t.Parallel()
	m := newMachine(t, bootloadertest.NewFake())
	m.installIn("fleet", v("1"))
	m.wantStateroots("fleet")
	m.writeVar("mine", "mine")
	m.push(v("2"))
	m.mustUpgrade()
	m.reboot()
	m.wantPicture("booted 2 | rollback 1")
	if got, err := os.ReadFile(m.varPath("mine")); err != nil || string(got) != "mine" {
		t.Errorf("/var of v2: %q, %v", got, err)
	}
	m.gcIsNoOp()
	m.fsck()
	m.mustReset(ResetOptions{})
	m.reboot()
	m.wantUsed(false)
	m.must(m.delete(m.id("1")))
	m.gcIsNoOp()
	m.wantStateroots("fleet", "s2026-0")
}

// TestDeployOwnVar fills a file system that will be /var, and makes sure before that it
// has the room.
func TestDeployOwnVar(t *testing.T) {
	t.Parallel()
	for size, want := range map[string]error{"4k": ErrNoRoom, "1m": nil} {
		m := newMachine(t, bootloadertest.NewFake())
		m.push(v("1"))
		own, err := mounts.New("tmpfs", "tmpfs", "size="+size)
		m.must(err)
		t.Cleanup(func() { own.Close() })
		err = m.with(func(s *Sysroot) error {
			p, err := s.Pull(t.Context(), m.target("os:latest"))
			m.must(err)
			_, err = s.Deploy(t.Context(), p, FirstOptions{
				Loader: m.loader, Kargs: func(of kargs.Line) kargs.Line { return of.With("rw") }, Var: own.Root,
			})
			return err
		})
		if !errors.Is(err, want) || want == nil && err != nil {
			t.Errorf("%s: %v", size, err)
		}
		_, missing := os.Stat(fdPath(own.Root) + "/lib/seed")
		if filled := missing == nil; filled != (want == nil) {
			t.Errorf("%s: filled %t", size, filled)
		}
		if left, err := os.ReadDir(m.path(varDir)); len(left) > 0 || (err == nil) != (want == nil) {
			t.Errorf("%s: on the root: %v, %v", size, left, err)
		}
	}
}

// TestDeploySeedsEmptyVar that an installation left which had its /var elsewhere.
func TestDeploySeedsEmptyVar(t *testing.T) {
	t.Parallel()
	m := newMachine(t, bootloadertest.NewFake())
	m.must(os.MkdirAll(m.path(varDir), 0o755))
	m.install(v("1"))
	if _, err := os.Stat(m.path(varDir, "lib/seed")); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(m.path(varDir + ".work")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

func TestPullRefuses(t *testing.T) {
	t.Parallel()
	m := newMachine(t, bootloadertest.NewFake())
	m.push(osVersion{version: "1", change: func(im *registrytest.Image) {
		im.Layers = append(im.Layers, registrytest.Layer{Entries: []registrytest.Entry{registrytest.Whiteout("usr/lib/modules/6.12", "vmlinuz")}})
	}})
	err := m.with(func(s *Sysroot) error {
		_, err := s.Pull(t.Context(), m.target("os:latest"))
		return err
	})
	if !errors.Is(err, osimage.ErrNoKernel) {
		t.Errorf("error %v", err)
	}
}

// Where the menu is not seen, without EFI variables for instance, nothing is said of it.
func TestRequireVerityWithoutMenu(t *testing.T) {
	t.Parallel()
	m, _ := fakeMachine(t, v("1"))
	m.loader = bootloadertest.NewFake()
	err := m.with(func(s *Sysroot) error { return s.RequireVerity(t.Context()) })
	if err == nil || !strings.Contains(err.Error(), "the boot menu has no entry of the deployment that runs") {
		t.Error(err)
	}
}

// TestRequireVerity is refused as long as the repository does without, and changes
// every entry that does.
func TestRequireVerity(t *testing.T) {
	t.Parallel()
	m := twoDeployments(t)
	if err := m.with(func(s *Sysroot) error { return s.RequireVerity(t.Context()) }); err == nil {
		t.Error("no error")
	}
	menu, err := m.loader.Menu()
	m.must(err)
	all := func(bootloader.Entry) bool { return true }
	got, changed := required(append(menu, bootloadertest.UKIEntry("uki")), all)
	if !changed || len(got) != 3 || menu[0].Root.Optional != true {
		t.Errorf("%+v", got)
	}
	if err := bootloader.CheckMenu(got); err != nil {
		t.Error(err)
	}
	for _, e := range got[:2] {
		if e.Root.Optional || !slices.Contains(e.Options, kargs.Arg("composefs="+e.ID.String())) {
			t.Errorf("%+v", e)
		}
	}
	if _, changed := required(got, all); changed {
		t.Error("changed twice")
	}
	old := func(e bootloader.Entry) bool { return e.ID != menu[1].ID }
	if mixed, _ := required(menu, old); mixed[0].Root.Optional || !mixed[1].Root.Optional {
		t.Errorf("the second kernel cannot: %+v", mixed)
	}
	for _, tt := range []struct {
		name         string
		live, staged []bootloader.Entry
		want         []bootloader.Entry
		err          error
	}{
		{"live", menu, nil, got[:2], nil},
		{"done", got, nil, nil, nil},
		{"staged", menu, got, nil, ErrStaged},
		{"staged without", got, menu, nil, ErrStaged},
		{"staged, and done", got, got, nil, nil},
	} {
		live, err := menus{live: tt.live, staged: tt.staged}.required(all)
		if !errors.Is(err, tt.err) || !reflect.DeepEqual(live, tt.want) {
			t.Errorf("%s: %v, %+v", tt.name, err, live)
		}
	}
}

// TestOldKernel makes sure that nothing is required of a kernel that would not boot
// with it.
func TestOldKernel(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]bool{
		"6.1.0-37-cloud-amd64": false, "5.15.0": false, "6.5.13": false, "6.6.0": true, "6.12.48+deb13-amd64": true, "7.0": true,
		"": true, "next": true, "6": true,
	} {
		if got := canRequireVerity(version); got != want {
			t.Errorf("%q: %t, want %t", version, got, want)
		}
	}
}

// uki makes the image of an operating system with a unified kernel image that boots
// id, by objcopy.
func (m *machine) uki(version string, id verity.Digest) osVersion {
	m.t.Helper()
	return m.ukiOf(version, "kernel "+version, "rw", id)
}

// ukiOf is uki with that kernel and those arguments.
func (m *machine) ukiOf(version, kernel, line string, id verity.Digest) osVersion {
	m.t.Helper()
	dir := m.t.TempDir()
	out := filepath.Join(dir, "uki")
	args := []string{"/usr/lib/systemd/boot/efi/linuxx64.efi.stub", out}
	for i, s := range [][2]string{
		{".linux", kernel},
		{".initrd", "initramfs"},
		{".uname", "1.0"},
		{".cmdline", line + " composefs=?" + id.String()},
	} {
		file := filepath.Join(dir, s[0])
		m.must(os.WriteFile(file, []byte(s[1]), 0o644))
		args = append(args, "--add-section", s[0]+"="+file, "--change-section-vma", s[0]+"=0x1"+string(rune('0'+i))+"0000000")
	}
	if text, err := exec.CommandContext(m.t.Context(), testtool.Path(m.t, "objcopy"), args...).CombinedOutput(); err != nil {
		m.t.Fatalf("%v: %s", err, text)
	}
	data, err := os.ReadFile(out)
	m.must(err)
	return osVersion{version: version, extra: []registrytest.Entry{
		registrytest.Whiteout("usr/lib/modules/6.12", "vmlinuz"), registrytest.Whiteout("usr/lib/modules/6.12", "initramfs.img"),
		registrytest.Dir("boot/EFI"), registrytest.Dir("boot/EFI/Linux"), registrytest.File("boot/EFI/Linux/os.efi", string(data)),
	}}
}

// bootID is the id that the deployment of an image will have.
func (m *machine) bootID(o osVersion) (id verity.Digest) {
	m.t.Helper()
	m.pushAs("sealed", o)
	m.must(m.with(func(s *Sysroot) error {
		r, err := s.makeRepository(m.t.Context())
		m.must(err)
		u, err := s.look(m.t.Context(), r, m.target("sealed:latest"))
		m.must(err)
		defer u.Close()
		res, err := pull.Apply(m.t.Context(), r, u.Plan, pull.Options{Bootable: true, NoPlain: true})
		m.must(err)
		id = res.BootImage
		return nil
	}))
	return id
}

// TestUKI goes from a kernel with an initramfs to a unified one, onward, and back.
func TestUKI(t *testing.T) {
	t.Parallel()
	m, fake := fakeMachine(t, osVersion{version: "1", kargs: `["quiet"]`})
	none := bootloadertest.ID("none")
	m.push(m.uki("2", none))
	if _, err := m.upgrade(StageOptions{}); !errors.Is(err, ErrUKI) || !strings.Contains(err.Error(), none.String()) {
		t.Errorf("a stranger's kernel: %v", err)
	}
	m.wantPicture("booted 1")
	m.gcIsNoOp()
	for _, version := range []string{"2", "3"} {
		id := m.bootID(m.uki(version, none))
		m.push(m.uki(version, id))
		if st := m.mustUpgrade(); st.ID != id || st.SharedKernel || st.Entry.Composefs.BootType != "Uki" {
			t.Errorf("staged %+v, %+v", st, st.Entry.Composefs)
		}
		m.reboot()
		e, _ := fake.Boot()
		if !e.UKI || e.Kernel != bootloader.UKIName(id) {
			t.Errorf("entry %+v", e)
		}
	}
	m.wantPicture("booted 3 | rollback 2")
	m.mustRollback(true)
	m.wantPicture("booted 3 | rollback 2 | queued")
	m.mustRollback(false)
	m.push(osVersion{version: "4", kargs: `["new"]`})
	m.mustUpgrade()
	m.reboot()
	e, _ := fake.Boot()
	if want := "rw composefs=?" + m.booted.ID.String() + " new"; e.UKI || e.Options.String() != want {
		t.Errorf("arguments %q, want %q", e.Options, want)
	}
	m.gcIsNoOp()
	m.fsck()
}

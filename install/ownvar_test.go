package install

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/bootc-go/bootc/image/registrytest"
	"github.com/bootc-go/bootc/install/config"
	"github.com/bootc-go/bootc/install/disk"
	"github.com/bootc-go/bootc/kargs"
	"github.com/bootc-go/bootc/osimage"
)

// targetDirs are the file systems of a target.
type targetDirs struct {
	root, ownVar string // where they are mounted
	uuid         string // of the file system on var
}

func mountTarget(t *testing.T, rootType, varType string) targetDirs {
	t.Helper()
	d := targetDirs{root: t.TempDir()}
	loopMount(t, rootType, d.root)
	d.ownVar = filepath.Join(d.root, "var")
	d.uuid = uuidOf(t, loopMount(t, varType, d.ownVar))
	return d
}

func (d targetDirs) install(t *testing.T, source []registrytest.Entry, f FilesystemOptions, args ...kargs.Arg) (*told, error) {
	t.Helper()
	m := &told{}
	o := options(t, layout(t, source), m)
	o.Loader, o.Kargs, f.Path = config.NoLoader, args, d.root
	_, err := ToFilesystem(context.Background(), o, f)
	return m, err
}

// names lists a directory.
func names(t *testing.T, dir string) (list []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

// TestOwnVar installs where a file system of its own is mounted on var.
func TestOwnVar(t *testing.T) {
	t.Parallel()
	const own = " systemd.mount-extra=UUID=VAR:/var:TYPE fromconfig"
	fstab := registrytest.File("etc/fstab", "LABEL=v /var auto defaults 0 2\n")
	tests := []struct {
		name, fstype string
		files        bool // before
		f            FilesystemOptions
		image        []registrytest.Entry
		args         []kargs.Arg
		line         string // part of the command line
		filled, kept bool   // what is on the file system afterwards
	}{
		{"ext4", "ext4", false, FilesystemOptions{}, nil, nil, own, true, false},
		{"xfs", "xfs", false, FilesystemOptions{}, nil, nil, own, true, false},
		{"btrfs", "btrfs", false, FilesystemOptions{}, nil, nil, own, true, false},
		{"found otherwise", "ext4", false, FilesystemOptions{}, nil, []kargs.Arg{"systemd.mount-extra=LABEL=v:/var:ext4:nodev"}, " rw fromconfig quiet console=tty0 systemd.mount-extra=LABEL=v:/var:ext4:nodev composefs", true, false},
		{"fstab of the image", "ext4", false, FilesystemOptions{}, []registrytest.Entry{fstab}, nil, " rw fromconfig quiet console=tty0 composefs", true, false},
		{"wipe", "ext4", true, FilesystemOptions{Replace: ReplaceAll}, nil, nil, own, true, false},
		{"alongside", "ext4", false, FilesystemOptions{Replace: ReplaceAlongside, SkipFinalize: true}, nil, nil, own, true, false},
		{"alongside files", "ext4", true, FilesystemOptions{Replace: ReplaceAlongside, SkipFinalize: true}, nil, nil, " rw fromconfig quiet console=tty0 composefs", false, true},
		{"alongside files that are wanted", "ext4", true, FilesystemOptions{Replace: ReplaceAlongside, SkipFinalize: true}, nil, []kargs.Arg{"systemd.mount-extra=LABEL=v:/var:ext4"}, " systemd.mount-extra=LABEL=v:/var:ext4 composefs", false, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := mountTarget(t, "ext4", tt.fstype)
			if tt.files {
				run(t, "sh", "-c", "mkdir "+d.ownVar+"/old; echo 1 >"+d.ownVar+"/old/file")
			}
			m, err := d.install(t, append(entries(t), tt.image...), tt.f, tt.args...)
			if err != nil {
				t.Fatal(err)
			}
			line := strings.NewReplacer("UUID=VAR", "UUID="+d.uuid, "TYPE", tt.fstype).Replace(tt.line)
			if got := entryText(t, filepath.Join(d.root, "boot")); !strings.Contains(got, line) {
				t.Errorf("got\n%swant %s", got, line)
			}
			want := []string{}
			if tt.filled {
				want = append(want, "lib", "roothome")
			}
			if tt.kept {
				want = append(want, "old")
			}
			got := names(t, d.ownVar)
			if diff := cmp.Diff(want, strings.Fields(strings.ReplaceAll(strings.Join(got, " "), lostFound, ""))); diff != "" {
				t.Errorf("on the file system: %s", diff)
			}
			if state := names(t, filepath.Join(d.root, "state/os/default/var")); (len(state) == 0) != tt.filled {
				t.Errorf("/var on the root: %v", state)
			}
			if said := strings.Contains(strings.Join(m.text, "\n"), "the new host does not mount it"); said != (tt.kept && tt.args == nil) {
				t.Errorf("told: %q", m.text)
			}
			if err := os.WriteFile(filepath.Join(d.ownVar, "probe"), nil, 0o600); (err == nil) != tt.f.SkipFinalize {
				t.Errorf("after SkipFinalize %t: %v", tt.f.SkipFinalize, err)
			}
		})
	}
}

// What is on the file system stays until the image turned out to be fit, also where all is
// replaced.
func TestOwnVarIsWipedLate(t *testing.T) {
	t.Parallel()
	old := registrytest.File("usr/lib/systemd/libsystemd-shared-252.so", "")
	for _, replace := range []Replace{ReplaceAll, ReplaceAlongside} {
		d := mountTarget(t, "ext4", "ext4")
		run(t, "sh", "-c", "mkdir "+d.ownVar+"/old; echo 1 >"+d.ownVar+"/old/file")
		_, err := d.install(t, append(entries(t), old), FilesystemOptions{Replace: replace}, "systemd.mount-extra=LABEL=v:/var:ext4")
		if err == nil || !strings.Contains(err.Error(), "systemd 252 of the image does not know systemd.mount-extra=") {
			t.Errorf("%s: %v", replace, err)
		}
		if got := read(t, d.ownVar+"/old/file"); got != "1\n" {
			t.Errorf("%s: %q", replace, got)
		}
	}
}

// A subvolume of the root's own file system is as good.
func TestOwnVarSubvolume(t *testing.T) {
	t.Parallel()
	top, root := t.TempDir(), t.TempDir()
	dev := loopMount(t, "btrfs", top)
	for _, name := range []string{"@", "@var"} {
		run(t, "btrfs", "subvolume", "create", filepath.Join(top, name))
	}
	run(t, "mount", "-o", "subvol=@", dev, root)
	t.Cleanup(func() { run(t, "umount", "--lazy", root) })
	run(t, "mkdir", root+"/var")
	run(t, "mount", "-o", "subvol=@var", dev, root+"/var")
	t.Cleanup(func() { run(t, "umount", "--lazy", root+"/var") })
	d := targetDirs{root: root, ownVar: root + "/var"}
	if _, err := d.install(t, entries(t), FilesystemOptions{}); err != nil {
		t.Fatal(err)
	}
	uuid := uuidOf(t, dev)
	want := "options root=UUID=" + uuid + " rootflags=subvol=/@ rw systemd.mount-extra=UUID=" + uuid + ":/var:btrfs:subvol=/@var fromconfig"
	if got := entryText(t, filepath.Join(root, "boot")); !strings.Contains(got, want) {
		t.Errorf("got\n%swant %s", got, want)
	}
	if diff := cmp.Diff([]string{"lib", "roothome"}, names(t, filepath.Join(top, "@var"))); diff != "" {
		t.Error(diff)
	}
}

// A directory of a btrfs could not be mounted by the host.
func TestOwnVarDirectoryOfBtrfs(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	loopMount(t, "btrfs", root)
	run(t, "mkdir", root+"/other", root+"/var")
	run(t, "mount", "--bind", root+"/other", root+"/var")
	t.Cleanup(func() { run(t, "umount", "--lazy", root+"/var") })
	_, err := targetDirs{root: root}.install(t, entries(t), FilesystemOptions{})
	if err == nil || !strings.Contains(err.Error(), "the directory /other of a btrfs is mounted on var: mount a subvolume, or nothing") {
		t.Error(err)
	}
}

// What no host could have at /var is refused before anything is changed.
func TestOwnVarRefuses(t *testing.T) {
	t.Parallel()
	mount := func(t *testing.T, args ...string) {
		t.Helper()
		run(t, "mount", args...)
		t.Cleanup(func() { run(t, "umount", "--lazy", args[len(args)-1]) })
	}
	tests := []struct {
		name    string
		prepare func(t *testing.T, d targetDirs)
		want    string
	}{
		{"files", func(t *testing.T, d targetDirs) { run(t, "mkdir", d.ownVar+"/b", d.ownVar+"/a") }, "it holds /var/a, /var/b"},
		{"tmpfs", func(t *testing.T, d targetDirs) { mount(t, "-t", "tmpfs", "tmpfs", d.ownVar) }, `it cannot have its /var on what is mounted on var: unknown file system "tmpfs"`},
		{"directory of the root", func(t *testing.T, d targetDirs) {
			run(t, "mkdir", d.root+"/other")
			mount(t, "--bind", d.root+"/other", d.ownVar)
		}, "a directory of the root file system is mounted on var: unmount it"},
		{"directory of another one", func(t *testing.T, d targetDirs) {
			run(t, "mkdir", d.ownVar+"/part")
			mount(t, "--bind", d.ownVar+"/part", d.ownVar)
		}, "the directory /part of a file system is mounted on var"},
		{"more in it", func(t *testing.T, d targetDirs) {
			run(t, "mkdir", d.ownVar+"/log")
			mount(t, "-t", "tmpfs", "tmpfs", d.ownVar+"/log")
		}, "/var/log is a mount point: unmount it"},
		{"read-only", func(t *testing.T, d targetDirs) { run(t, "mount", "-o", "remount,ro,bind", d.ownVar) }, "the file system on var: read-only file system"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := mountTarget(t, "ext4", "ext4")
			tt.prepare(t, d)
			_, err := d.install(t, entries(t), FilesystemOptions{})
			if err == nil || !strings.Contains(err.Error(), tt.want) || errors.Is(err, ErrHalfway) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
			if _, err := os.Stat(d.root + "/composefs"); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the root was changed: %v", err)
			}
		})
	}
}

// What fails leaves the file system empty, so that the next attempt takes it.
func TestOwnVarAfterFailure(t *testing.T) {
	t.Parallel()
	d := mountTarget(t, "ext4", "ext4")
	f := FilesystemOptions{Replace: ReplaceAlongside, SkipFinalize: true}
	bad := append(entries(t), registrytest.Symlink("etc/tmpfiles.d", t.TempDir()))
	o := options(t, layout(t, bad), &told{})
	o.Loader, o.SSHKeys, f.Path = config.NoLoader, []byte("key"), d.root
	if _, err := ToFilesystem(context.Background(), o, f); err == nil || !strings.Contains(err.Error(), "open tmpfiles.d: ") {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{lostFound}, names(t, d.ownVar)); diff != "" {
		t.Errorf("left: %s", diff)
	}
	if _, err := d.install(t, entries(t), f); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"lib", lostFound, "roothome"}, names(t, d.ownVar)); diff != "" {
		t.Error(diff)
	}
}

// TestCheckVar refuses images that would not mount /var.
func TestCheckVar(t *testing.T) {
	t.Parallel()
	const line = "systemd.mount-extra=LABEL=v:/var:ext4"
	ext4 := disk.Mounted{Type: "ext4", UUID: "1"}
	tests := []struct {
		name    string
		v       *ownVar
		cmdline string // of a unified kernel image
		o       Options
		fstab   string
		files   []string
		want    string
	}{
		{"none", nil, "rw", Options{}, "", []string{"usr/lib/systemd/libsystemd-shared-252.so"}, ""},
		{"kept", &ownVar{keep: true, fs: ext4}, "rw", Options{}, "", nil, ""},
		{"argument", &ownVar{fs: ext4}, "", Options{}, "", []string{"usr/lib/systemd/libsystemd-shared-254.so"}, ""},
		{"no UUID", &ownVar{fs: disk.Mounted{Type: "xfs"}}, "", Options{}, "", nil, "the file system on var has no UUID: say with --karg systemd.mount-extra=…:/var:xfs how the host finds it"},
		{"no UUID, but", &ownVar{fs: disk.Mounted{Type: "xfs"}}, "", Options{Kargs: []kargs.Arg{line}}, "", nil, ""},
		{"deleted", &ownVar{fs: ext4}, "", Options{KargDeletes: []string{"systemd.mount-extra"}}, "", nil, "removes the argument systemd.mount-extra, by which the host mounts /var"},
		{"unified kernel image", &ownVar{fs: ext4}, "rw quiet", Options{}, "", nil, "the image has a unified kernel image, which takes no argument: build systemd.mount-extra=LABEL=…:/var:ext4 into it"},
		{"addon that is not chosen", &ownVar{fs: ext4}, "rw quiet", Options{Addons: []string{}}, "", []string{"var"}, "which takes no argument"},
		{"addon", &ownVar{fs: ext4}, "rw quiet", Options{Addons: []string{"var"}}, "", []string{"var"}, ""},
		{"unified kernel image with it", &ownVar{fs: ext4}, "rw " + line, Options{}, "", nil, ""},
		{"unified kernel image and fstab", &ownVar{fs: ext4}, "rw", Options{}, "LABEL=v /var ext4 defaults 0 2", nil, ""},
		{"old systemd", &ownVar{fs: ext4}, "", Options{}, "", []string{"usr/lib/x86_64-linux-gnu/systemd/libsystemd-shared-252.so"}, "systemd 252 of the image does not know systemd.mount-extra="},
		{"old systemd of Fedora", &ownVar{fs: ext4}, "", Options{}, "", []string{"usr/lib64/systemd/libsystemd-shared-253.10-1.fc38.so"}, "systemd 253 of the image"},
		{"old systemd and fstab", &ownVar{fs: ext4}, "", Options{}, "LABEL=v /var ext4", []string{"usr/lib/systemd/libsystemd-shared-252.so"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			files, img := fstest.MapFS{}, &osimage.Image{}
			for _, name := range tt.files {
				files[name] = &fstest.MapFile{}
			}
			if tt.cmdline != "" {
				files["os.efi"] = &fstest.MapFile{Data: uki(t, tt.cmdline)}
				img.Kernel = osimage.Kernel{Type: osimage.UKI, UKI: "os.efi"}
				for _, name := range tt.files {
					addon := "os.efi.extra.d/" + name + ".addon.efi"
					files[addon] = &fstest.MapFile{Data: uki(t, line)}
					img.Kernel.Addons = append(img.Kernel.Addons, addon)
				}
			}
			tt.o.Config = &config.Config{}
			in := &installer{Options: tt.o, fstab: tt.fstab}
			err := in.checkVar(files, img, place{ownVar: tt.v})
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// uki makes a unified kernel image with that command line, by objcopy.
func uki(t *testing.T, line string) []byte {
	t.Helper()
	dir := t.TempDir()
	args := []string{"/usr/lib/systemd/boot/efi/linuxx64.efi.stub", dir + "/uki"}
	for i, s := range [][2]string{{".linux", "kernel"}, {".initrd", "initramfs"}, {".cmdline", line}} {
		file := dir + "/" + s[0]
		if err := os.WriteFile(file, []byte(s[1]), 0o644); err != nil {
			t.Fatal(err)
		}
		args = append(args, "--add-section", s[0]+"="+file, "--change-section-vma", s[0]+"=0x1"+string(rune('0'+i))+"0000000")
	}
	run(t, "objcopy", args...)
	return []byte(read(t, dir+"/uki"))
}

// In a container of the image it is known before anything is removed.
func TestOwnVarUKI(t *testing.T) {
	t.Parallel()
	d := mountTarget(t, "ext4", "ext4")
	run(t, "touch", d.root+"/precious", d.ownVar+"/precious")
	o := options(t, layout(t, entries(t)), &told{})
	o.Loader, o.Config = config.NoLoader, &config.Config{}
	o.Files = fstest.MapFS{
		"usr/lib/os-release":    &fstest.MapFile{Data: []byte("ID=debian\n")},
		"boot/EFI/Linux/os.efi": &fstest.MapFile{Data: uki(t, "rw")},
		"sysroot":               &fstest.MapFile{Mode: os.ModeDir | 0o755},
	}
	_, err := ToFilesystem(context.Background(), o, FilesystemOptions{Path: d.root, Replace: ReplaceAll})
	if err == nil || !strings.Contains(err.Error(), "the image has a unified kernel image, which takes no argument") || errors.Is(err, ErrHalfway) {
		t.Error(err)
	}
	for _, dir := range []string{d.root, d.ownVar} {
		if _, err := os.Stat(dir + "/precious"); err != nil {
			t.Error(err)
		}
	}
}

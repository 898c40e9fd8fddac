package install

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bootc-go/bootc/bootloader"
	"github.com/bootc-go/bootc/image"
	"github.com/bootc-go/bootc/image/registrytest"
	"github.com/bootc-go/bootc/install/config"
	"github.com/bootc-go/bootc/install/disk"
	"github.com/bootc-go/bootc/install/plan"
	"github.com/bootc-go/bootc/internal/progress"
	"github.com/bootc-go/bootc/internal/testtool"
	"github.com/bootc-go/bootc/kargs"
)

const gib = 1 << 30

var when = time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)

func content(seed string, n int) string {
	sum := sha256.Sum256([]byte(seed))
	return strings.Repeat(string(sum[:]), n/len(sum)+1)[:n]
}

// entries are the files of a small OS that has what this machine has of boot
// loaders.
func entries(t *testing.T) []registrytest.Entry {
	t.Helper()
	all := []registrytest.Entry{
		registrytest.File("usr/lib/os-release", "ID=debian\nVERSION_ID=13\nPRETTY_NAME=\"Test OS\"\n"),
		registrytest.File("usr/lib/modules/6.12.1/vmlinuz", content("kernel", 3<<20)),
		registrytest.File("usr/lib/modules/6.12.1/initramfs.img", content("initramfs", 5<<20)),
		registrytest.File("usr/lib/bootc/kargs.d/10.toml", "kargs = [\"quiet\", \"console=tty0\"]\n"),
		registrytest.File("usr/lib/bootc/install/00-test.toml", "[install]\nkargs = [\"fromconfig\", \"unwanted=1\"]\nkarg-deletes = [\"unwanted\"]\n"),
		registrytest.File("etc/hostname", "fresh\n"),
		registrytest.Dir("var/lib/data"),
		registrytest.Dir("var/roothome"),
		registrytest.Symlink("root", "var/roothome"),
		registrytest.Dir("sysroot"), registrytest.Dir("boot"), registrytest.Dir("proc"),
	}
	for _, dir := range []string{"usr/lib/systemd/boot/efi", "usr/lib/grub/x86_64-efi", "usr/lib/grub/i386-pc"} {
		err := fs.WalkDir(os.DirFS("/"), dir, func(name string, e fs.DirEntry, err error) error {
			if err != nil || !e.Type().IsRegular() {
				return err
			}
			b, err := os.ReadFile("/" + name)
			all = append(all, registrytest.File(name, string(b)))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// layout writes the image with the entries and returns its name.
func layout(t *testing.T, entries []registrytest.Entry) image.Reference {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "layout")
	registrytest.WriteLayout(t, dir, "v1", registrytest.Build(t, registrytest.Image{Layers: []registrytest.Layer{{Entries: entries}}}))
	ref, err := image.Parse("oci:" + dir + ":v1")
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

// told collects what the user is told.
type told struct {
	mu   sync.Mutex
	text []string
}

func (m *told) report(e progress.Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e.Kind == progress.Message {
		m.text = append(m.text, e.Text)
	}
}

func options(t *testing.T, source image.Reference, m *told) Options {
	t.Helper()
	policy := filepath.Join(t.TempDir(), "policy.json")
	if err := os.WriteFile(policy, []byte(`{"default":[{"type":"insecureAcceptAnything"}]}`), 0o644); err != nil {
		t.Fatal(err)
	}
	return Options{
		Source: source, Arch: "amd64", Clock: func() time.Time { return when },
		Progress: m.report, Image: image.Options{PolicyPath: policy},
	}
}

func emptyFile(t *testing.T, size int64) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "disk.img")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(name, size); err != nil {
		t.Fatal(err)
	}
	return name
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(testtool.Path(t, name), args...)
	cmd.Env = append(os.Environ(), "MTOOLS_SKIP_CHECK=1", "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// partitions opens the partitions of a disk in a file, by role.
func partitions(t *testing.T, file string) map[plan.Role]string {
	t.Helper()
	ctx := context.Background()
	d, err := disk.Open(ctx, file, true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	p, err := plan.New(plan.Options{DiskSize: d.Size(), SectorSize: 512, Arch: "amd64"})
	if err != nil {
		t.Fatal(err)
	}
	names := map[plan.Role]string{}
	for _, part := range p.Partitions {
		f, err := d.Partition(ctx, part)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		names[part.Role] = f.Name()
	}
	return names
}

var checkers = map[config.Filesystem][]string{
	config.Ext4:  {"fsck.ext4", "-fn"},
	config.XFS:   {"xfs_repair", "-n"},
	config.Btrfs: {"btrfs", "check", "--readonly"},
}

func mounted(t *testing.T, dev string) string {
	t.Helper()
	dir := t.TempDir()
	run(t, "mount", "-o", "ro", dev, dir)
	t.Cleanup(func() { run(t, "umount", "--lazy", dir) })
	return dir
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func firstSector(t *testing.T, name string) []byte {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, 512)
	if _, err := f.Read(b); err != nil {
		t.Fatal(err)
	}
	return b
}

// A whole installation, looked at with the tools of the file systems, with bootctl
// and with GRUB's own. It is done twice, the second time over the first.
func TestToDisk(t *testing.T) {
	t.Parallel()
	tests := []struct {
		fstype config.Filesystem
		loader config.Bootloader
	}{
		{config.Ext4, ""}, {config.XFS, config.GRUB}, {config.Btrfs, config.GRUB},
	}
	source := layout(t, entries(t))
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%s %s", tt.fstype, tt.loader), func(t *testing.T) {
			t.Parallel()
			file := emptyFile(t, 3*gib)
			for _, wipe := range []bool{false, true} {
				var m told
				o := options(t, source, &m)
				o.Loader, o.Kargs, o.KargDeletes = tt.loader, []kargs.Arg{"mine", "console=ttyS0"}, []string{"console=tty0"}
				o.SSHKeys = []byte("ssh-ed25519 AAAA me\n")
				res, err := ToDisk(context.Background(), o, DiskOptions{Path: file, Loopback: true, Filesystem: tt.fstype, Wipe: wipe})
				if err != nil {
					t.Fatal(err)
				}
				if len(m.text) < 5 {
					t.Errorf("told: %q", m.text)
				}
				checkDisk(t, file, tt.fstype, tt.loader, res)
			}
		})
	}
}

func checkDisk(t *testing.T, file string, fstype config.Filesystem, loader config.Bootloader, res *Result) {
	t.Helper()
	t.Run("disk", func(t *testing.T) {
		parts := partitions(t, file)
		check := checkers[fstype]
		run(t, check[0], append(check[1:], parts[plan.Root])...)
		run(t, "fsck.fat", "-n", parts[plan.ESP])
		root := mounted(t, parts[plan.Root])
		esp := t.TempDir()
		run(t, "mcopy", "-s", "-i", parts[plan.ESP], "::", esp)
		uuid := strings.TrimSpace(run(t, "blkid", "-p", "-s", "UUID", "-o", "value", parts[plan.Root]))
		id := res.ID.String()

		entries, kernels := filepath.Join(esp, "loader/entries"), filepath.Join(esp, "EFI/Linux")
		if loader == config.GRUB {
			entries, kernels = filepath.Join(root, "boot/loader/entries"), filepath.Join(root, "boot")
			run(t, "grub-script-check", filepath.Join(entries, "grub.cfg"))
			if mbr := firstSector(t, file); !bytes.Contains(mbr, []byte("GRUB")) {
				t.Error("no GRUB in the MBR")
			}
		}
		text := read(t, filepath.Join(entries, "bootc_debian-13-0.conf"))
		want := fmt.Sprintf("options root=UUID=%s rw fromconfig quiet mine console=ttyS0 composefs=?%s\n", uuid, id)
		if !strings.Contains(text, want) {
			t.Errorf("boot entry:\n%swant %s", text, want)
		}
		for name, seed := range map[string]string{"vmlinuz": "kernel", "initrd": "initramfs"} {
			size := map[string]int{"vmlinuz": 3 << 20, "initrd": 5 << 20}[name]
			if read(t, filepath.Join(kernels, "bootc_composefs-"+id, name)) != content(seed, size) {
				t.Errorf("%s is not that of the image", name)
			}
		}
		if _, err := os.Stat(filepath.Join(esp, "EFI/BOOT/BOOTX64.EFI")); err != nil {
			t.Error(err)
		}
		checkRoot(t, root, id)
		left, err := filepath.Glob(filepath.Join(root, ".??*"))
		if err != nil || len(left) != 1 {
			t.Errorf("left in the root: %q, %v", left, err)
		}
	})
}

func checkRoot(t *testing.T, root, id string) {
	t.Helper()
	state := filepath.Join(root, "state/deploy", id)
	if got := read(t, filepath.Join(state, "etc/hostname")); got != "fresh\n" {
		t.Errorf("/etc/hostname: %q", got)
	}
	//nolint:dupword // user and group
	want := "f~ /var/roothome/.ssh/authorized_keys 600 root root - c3NoLWVkMjU1MTkgQUFBQSBtZQo=\n"
	if got := read(t, filepath.Join(state, "etc/tmpfiles.d/bootc-root-ssh.conf")); got != want {
		t.Errorf("ssh keys: %q", got)
	}
	if _, err := os.Stat(filepath.Join(state, "var/lib/data")); err != nil {
		t.Error(err)
	}
	var doc map[string]any
	if err := json.Unmarshal([]byte(read(t, filepath.Join(root, ".bootc-aleph.json"))), &doc); err != nil {
		t.Fatal(err)
	}
	if doc["selinux"] != "disabled" || !strings.HasPrefix(fmt.Sprint(doc["digest"]), "sha256:") || doc["kernel"] == "" || doc["target-image"] != doc["image"] {
		t.Errorf("aleph: %v", doc)
	}
}

// What the image's own configuration says of signatures counts, though it is read late.
func TestConfigEnforcesSignature(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	loopMount(t, "ext4", root)
	all := append(entries(t), registrytest.File("usr/lib/bootc/install/90.toml", "[install]\nenforce-container-sigpolicy = true\n"))
	o := options(t, layout(t, all), &told{}) // whose policy accepts anything
	o.Loader = config.NoLoader
	_, err := ToFilesystem(context.Background(), o, FilesystemOptions{Path: root})
	if !errors.Is(err, image.ErrSignature) || !strings.Contains(err.Error(), "the image's configuration enforces the signature policy: ") {
		t.Error(err)
	}
}

func TestPlaceCheck(t *testing.T) {
	t.Parallel()
	esp := place{esp: os.Stdin}
	onBoot := place{esp: os.Stdin, espIsBoot: true}
	bios := place{bios: []bootloader.BIOSDisk{{}}}
	tests := []struct {
		kind bootloader.Kind
		p    place
		want error
	}{
		{bootloader.GRUB, esp, nil},
		{bootloader.GRUB, bios, nil},
		{bootloader.GRUB, place{}, errNoESP},
		{bootloader.GRUB, onBoot, errESPIsBoot},
		{bootloader.Systemd, onBoot, nil},
		{bootloader.Systemd, bios, errNoESP},
		{bootloader.Systemd, place{noESP: io.ErrUnexpectedEOF}, io.ErrUnexpectedEOF},
		{bootloader.None, place{}, nil},
	}
	for _, tt := range tests {
		if err := tt.p.check(tt.kind); !errors.Is(err, tt.want) || tt.want == nil && err != nil {
			t.Errorf("%s %+v: %v", tt.kind, tt.p, err)
		}
	}
}

// The command line comes before the configuration, and what the latter says is heeded.
func TestStateroot(t *testing.T) {
	t.Parallel()
	all := append(entries(t), registrytest.File("usr/lib/bootc/install/90.toml", "[install]\nstateroot = \"fleet\"\n"))
	source := layout(t, all)
	for given, want := range map[string]string{"": "fleet", "mine": "mine"} {
		root := t.TempDir()
		loopMount(t, "ext4", root)
		o := options(t, source, &told{})
		o.Loader, o.Stateroot = config.NoLoader, given
		res, err := ToFilesystem(context.Background(), o, FilesystemOptions{Path: root})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(filepath.Join(root, "state/deploy", res.ID.String(), "var/lib/data")); err != nil {
			t.Error(err)
		}
		if names, err := filepath.Glob(root + "/state/os/*"); err != nil || !slices.Equal(names, []string{root + "/state/os/" + want}) {
			t.Errorf("given %q: %q, %v", given, names, err)
		}
	}
}

// A block device gets partitions that the kernel knows, here with sectors of 4096
// bytes, of which a BIOS cannot boot.
func TestToDiskOnDevice(t *testing.T) {
	t.Parallel()
	file := emptyFile(t, 3*gib)
	dev := strings.TrimSpace(run(t, "losetup", "--find", "--show", "--partscan", "--sector-size", "4096", file))
	t.Cleanup(func() { run(t, "losetup", "-d", dev) })
	o := options(t, layout(t, entries(t)), &told{})
	o.Loader = config.GRUB
	if _, err := ToDisk(context.Background(), o, DiskOptions{Path: dev, Filesystem: config.Ext4}); err != nil {
		t.Fatal(err)
	}
	run(t, "fsck.fat", "-n", dev+"p2")
	run(t, "fsck.ext4", "-fn", dev+"p3")
	if out := run(t, "mdir", "-b", "-/", "-i", dev+"p2", "::"); !strings.Contains(out, "::/EFI/BOOT/BOOTX64.EFI") {
		t.Error(out)
	}
	run(t, "grub-script-check", filepath.Join(mounted(t, dev+"p3"), "boot/loader/entries/grub.cfg"))
	if mbr := firstSector(t, file); bytes.Contains(mbr, []byte("GRUB")) {
		t.Error("GRUB in the MBR of a disk that no BIOS reads")
	}
}

// bootctl, told to look at a directory, takes the ESP for one and finds the entry.
func TestBootctlFindsEntry(t *testing.T) {
	t.Parallel()
	file := emptyFile(t, 3*gib)
	if _, err := ToDisk(context.Background(), options(t, layout(t, entries(t)), &told{}), DiskOptions{Path: file, Loopback: true, Filesystem: config.Ext4}); err != nil {
		t.Fatal(err)
	}
	esp := t.TempDir() // of which bootctl wants to be sure that it is a file system
	run(t, "mount", "-t", "tmpfs", "tmpfs", esp)
	t.Cleanup(func() { run(t, "umount", "--lazy", esp) })
	run(t, "mcopy", "-s", "-i", partitions(t, file)[plan.ESP], "::", esp)
	cmd := exec.Command(testtool.Path(t, "bootctl"), "--esp-path="+esp, "--no-pager", "list", "--json=short")
	cmd.Env = append(os.Environ(), "SYSTEMD_RELAX_ESP_CHECKS=1")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(out), `"id":"bootc_debian-13-0.conf"`) && !strings.Contains(string(out), `"id" : "bootc_debian-13-0.conf"`) {
		t.Errorf("bootctl does not see the entry: %s", out)
	}
}

// All that can be is refused before the disk is touched.
func TestToDiskRefuses(t *testing.T) {
	t.Parallel()
	source := layout(t, entries(t))
	absent, err := image.Parse("oci:" + t.TempDir() + ":v1")
	if err != nil {
		t.Fatal(err)
	}
	other := "../other"
	tests := []struct {
		name   string
		size   int64
		change func(*Options, *DiskOptions)
		is     error
		want   string
	}{
		{"too small", gib, nil, nil, "it has 1024 MiB, but 1539 MiB are the least"},
		{"no file system", 3 * gib, func(_ *Options, d *DiskOptions) { d.Filesystem = "" }, ErrNoFilesystem, "no root file system specified"},
		{"no image", 3 * gib, func(o *Options, _ *DiskOptions) { o.Source = absent }, nil, "v1"},
		{"no target", 3 * gib, func(o *Options, _ *DiskOptions) { o.Target.Ref, o.CheckTarget = absent, true }, nil, "check that upgrades will be possible"},
		{"root too large", 3 * gib, func(_ *Options, d *DiskOptions) { d.RootSize = 3 * gib }, nil, "a root of 3072 MiB is too large"},
		{"LUKS in a file", 3 * gib, func(_ *Options, d *DiskOptions) { d.Block = config.TPM2LUKS }, nil, "the block setup tpm2-luks makes a disk that no machine but this one opens"},
		{"LUKS in a file by configuration", 3 * gib, func(o *Options, _ *DiskOptions) {
			o.Config = &config.Config{Block: []config.BlockSetup{config.TPM2LUKS, config.Direct}}
		}, nil, "the block setup tpm2-luks makes a disk that no machine but this one opens"},
		{"LUKS against the configuration", 3 * gib, func(o *Options, d *DiskOptions) {
			o.Config = &config.Config{Block: []config.BlockSetup{config.Direct}}
			d.Block = config.TPM2LUKS
		}, nil, "the configuration does not allow the block setup tpm2-luks"},
		{"stateroot", 3 * gib, func(o *Options, _ *DiskOptions) {
			o.Config = &config.Config{Block: []config.BlockSetup{config.Direct}, Stateroot: &other}
		}, nil, `"../other" is no name for a stateroot`},
		{"kernel argument", 3 * gib, func(o *Options, _ *DiskOptions) {
			o.Loader, o.Kargs = config.GRUB, []kargs.Arg{"a='b'"}
		}, nil, "GRUB cannot give the kernel the argument a='b'"},
		{"architecture", 3 * gib, func(o *Options, _ *DiskOptions) { o.Image.Arch = "arm64" }, nil, "arm64"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			file := emptyFile(t, tt.size)
			o, d := options(t, source, &told{}), DiskOptions{Path: file, Loopback: true, Filesystem: config.Ext4}
			if tt.change != nil {
				tt.change(&o, &d)
			}
			_, err := ToDisk(context.Background(), o, d)
			if err == nil || !strings.HasPrefix(err.Error(), "cannot install on "+file+": ") || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
			if tt.is != nil && !errors.Is(err, tt.is) || errors.Is(err, ErrHalfway) {
				t.Errorf("not as it should be: %v", err)
			}
			if st := run(t, "du", "--block-size=1", file); !strings.HasPrefix(st, "0\t") {
				t.Errorf("the disk was written to: %s", st)
			}
		})
	}
}

// What is on a disk is named, and stays.
func TestToDiskNamesWhatItFound(t *testing.T) {
	t.Parallel()
	file := emptyFile(t, 3*gib)
	run(t, "mkfs.ext4", "-q", "-L", "precious", file)
	before, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	_, err = ToDisk(context.Background(), options(t, layout(t, entries(t)), &told{}), DiskOptions{Path: file, Loopback: true, Filesystem: config.Ext4})
	if !errors.Is(err, disk.ErrNotEmpty) || !strings.Contains(err.Error(), `it holds ext4 (label "precious", UUID `) {
		t.Error(err)
	}
	if after, err := os.Stat(file); err != nil || !after.ModTime().Equal(before.ModTime()) {
		t.Error("the disk was changed", err)
	}
}

// An image that turns out not to boot is found when the disk is changed already.
// The error says so, nothing stays mounted, and another image can be installed.
func TestToDiskHalfway(t *testing.T) {
	t.Parallel()
	var without []registrytest.Entry
	for _, e := range entries(t) {
		if !strings.HasSuffix(e.Name, "vmlinuz") {
			without = append(without, e)
		}
	}
	file := emptyFile(t, 3*gib)
	d := DiskOptions{Path: file, Loopback: true, Filesystem: config.Ext4}
	_, err := ToDisk(context.Background(), options(t, layout(t, without), &told{}), d)
	if !errors.Is(err, ErrHalfway) || !strings.HasSuffix(err.Error(), "the installation is incomplete: the disk was partitioned and formatted, but it does not boot") {
		t.Error(err)
	}
	for n := 0; run(t, "losetup", "--associated", file) != ""; n++ { // for a moment, of a process that another test starts
		if n == 100 {
			t.Fatal("loop devices are left")
		}
		time.Sleep(100 * time.Millisecond)
	}
	d.Wipe = true
	if _, err := ToDisk(context.Background(), options(t, layout(t, entries(t)), &told{}), d); err != nil {
		t.Error(err)
	}
}

func TestChooseLoader(t *testing.T) {
	t.Parallel()
	grub, systemd := config.GRUB, "usr/lib/systemd/boot/efi/systemd-bootx64.efi"
	tests := []struct {
		name   string
		flag   config.Bootloader
		config *config.Bootloader
		files  []string
		want   string
	}{
		{"both", "", nil, []string{systemd, "usr/lib/grub/i386-pc"}, "systemd"},
		{"GRUB for UEFI", "", nil, []string{"usr/lib/grub/x86_64-efi"}, "grub"},
		{"GRUB for BIOS", "", nil, []string{"usr/lib/grub/i386-pc"}, "grub"},
		{"configuration", "", &grub, []string{systemd}, "grub"},
		{"command line", "none", &grub, []string{systemd}, "none"},
		{"nothing", "", nil, nil, ""},
		{"of another architecture", "", nil, []string{"usr/lib/systemd/boot/efi/systemd-bootaa64.efi"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			in := &installer{Options: Options{Arch: "amd64", Loader: tt.flag, Config: &config.Config{Bootloader: tt.config}}}
			got, err := in.chooseLoader(statFS(tt.files))
			if string(got) != tt.want || (err == nil) != (tt.want != "") || err != nil && !errors.Is(err, ErrNoLoader) {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}

// statFS has files of these names, as far as anybody can tell.
type statFS []string

func (s statFS) Open(name string) (fs.File, error) {
	if slices.Contains(s, name) {
		return os.Open(os.DevNull)
	}
	return nil, fs.ErrNotExist
}

// The order is that of docs/reference/install-config.md.
func TestCommandLine(t *testing.T) {
	t.Parallel()
	yes := true
	tests := []struct {
		name    string
		config  config.Config
		o       Options
		ofImage string
		want    string
	}{
		{"nothing", config.Config{}, Options{}, "", "root=UUID=x rw"},
		{"all", config.Config{Kargs: []string{"a", "b c"}}, Options{Kargs: []kargs.Arg{"z"}, DisableSELinux: true}, "i", "root=UUID=x rw a b c i selinux=0 z"},
		{"deleted by key", config.Config{Kargs: []string{"a=1", "a=2", "b"}, KargDeletes: []string{"a"}}, Options{}, "a=3", "root=UUID=x rw b"},
		{"deleted by value", config.Config{Kargs: []string{"a=1", "a=2"}}, Options{KargDeletes: []string{"a=1"}}, "", "root=UUID=x rw a=2"},
		{"what the command line adds is not deleted", config.Config{}, Options{KargDeletes: []string{"a"}, Kargs: []kargs.Arg{"a=9"}}, "a", "root=UUID=x rw a=9"},
		{"discoverable", config.Config{DiscoverablePartitions: &yes}, Options{}, "i", "rw i"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.o.Config = &tt.config
			in := &installer{Options: tt.o}
			p := place{args: kargs.Parse("root=UUID=x rw"), discoverable: true}
			if diff := cmp.Diff(tt.want, in.commandLine(p, kargs.Parse(tt.ofImage)).String()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

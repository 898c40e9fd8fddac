package disk

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/install/plan"
	"github.com/bootc-go/bootc/internal/mounts"
	"github.com/bootc-go/bootc/internal/testtool"
)

const gib = 1 << 30

// empty makes a file of size bytes that takes none.
func empty(t *testing.T, size int64) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "disk.img")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	return name
}

// device shows a file as a block device that can have partitions.
func device(t *testing.T, file string, args ...string) string {
	t.Helper()
	losetup := testtool.Path(t, "losetup")
	dev := strings.TrimSpace(run(t, losetup, append([]string{"--find", "--show", "--partscan"}, append(args, file)...)...))
	t.Cleanup(func() { run(t, losetup, "-d", dev) })
	return dev
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(testtool.Path(t, name), args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func openDisk(t *testing.T, name string, loopback bool) *Disk {
	t.Helper()
	d, err := Open(context.Background(), name, loopback)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func layout(t *testing.T, d *Disk) *plan.Plan {
	t.Helper()
	p, err := plan.New(plan.Options{DiskSize: d.Size(), SectorSize: d.SectorSize(), Arch: "amd64"})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// checkers say without changing anything whether a file system is right.
var checkers = map[string][]string{
	"ext4":  {"fsck.ext4", "-fn"},
	"xfs":   {"xfs_repair", "-n"},
	"btrfs": {"btrfs", "check", "--readonly"},
}

// A disk is partitioned, gets a root with a file, and is looked at by the tools of
// its file system. It is done twice, for the second time over the first.
func TestDisk(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, fstype string
		open         func(t *testing.T) (string, bool)
	}{
		{"ext4 in a file", "ext4", func(t *testing.T) (string, bool) { return empty(t, 3*gib), true }},
		{"xfs in a file", "xfs", func(t *testing.T) (string, bool) { return empty(t, 3*gib), true }},
		{"btrfs in a file", "btrfs", func(t *testing.T) (string, bool) { return empty(t, 3*gib), true }},
		{"ext4 on a device", "ext4", func(t *testing.T) (string, bool) { return device(t, empty(t, 3*gib)), false }},
		{"ext4 on a device with sectors of 4096", "ext4", func(t *testing.T) (string, bool) {
			return device(t, empty(t, 3*gib), "--sector-size", "4096"), false
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			name, loopback := tt.open(t)
			for range 2 {
				testRoot(t, name, loopback, tt.fstype)
			}
		})
	}
}

// waitFree waits until nobody has the device, which a process that another test is about to
// start may do for a moment.
func waitFree(t *testing.T, name string) {
	t.Helper()
	busy := errors.New(name + " stays busy")
	err := wait(t.Context(), 100, busy, func() (bool, error) {
		f, err := os.OpenFile(name, os.O_RDONLY|unix.O_EXCL, 0)
		if errors.Is(err, unix.EBUSY) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		return true, f.Close()
	})
	if err != nil {
		t.Fatal(err)
	}
}

func testRoot(t *testing.T, name string, loopback bool, fstype string) {
	t.Helper()
	ctx := context.Background()
	d := openDisk(t, name, loopback)
	defer d.Close()
	p := layout(t, d)
	if err := d.Write(ctx, p); err != nil {
		t.Fatal(err)
	}
	root, _ := p.Find(plan.Root)
	part, err := d.Partition(ctx, root)
	if err != nil {
		t.Fatal(err)
	}
	defer part.Close()
	uuid, err := part.MakeFilesystem(ctx, fstype, "root")
	if err != nil {
		t.Fatal(err)
	}
	m, err := part.Mount(fstype)
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Openat(int(m.Root.Fd()), "file", unix.O_CREAT|unix.O_WRONLY|unix.O_CLOEXEC, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := unix.Write(fd, []byte("content")); err != nil {
		t.Fatal(err)
	}
	unix.Close(fd)
	if err := Trim(m.Root); err != nil {
		t.Error(err)
	}
	if err := Seal(m.Root); err != nil {
		t.Error(err)
	}
	m.Close()
	waitFree(t, part.Name())
	check := checkers[fstype]
	run(t, check[0], append(check[1:], part.Name())...)
	want := []string{"LABEL=root\n", "UUID=" + uuid + "\n", "TYPE=" + fstype + "\n"}
	out := run(t, "blkid", "-p", "-o", "export", part.Name())
	for _, w := range want {
		if !strings.Contains(out, w) {
			t.Errorf("blkid does not say %q:\n%s", w, out)
		}
	}
	if fstype == "ext4" && !strings.Contains(run(t, "dumpe2fs", "-h", part.Name()), " verity") {
		t.Error("ext4 without verity")
	}
	if err := d.CheckEmpty(ctx); !errors.Is(err, ErrNotEmpty) || !strings.Contains(err.Error(), "it holds a gpt partition table with 3 partitions: BIOS-BOOT, EFI-SYSTEM, root") {
		t.Errorf("CheckEmpty: %v", err)
	}
}

// GRUB is asked whether it can read the XFS that is made: it lacks what newer
// versions of mkfs.xfs turn on.
func TestGRUBReadsFilesystems(t *testing.T) {
	t.Parallel()
	for _, fstype := range []string{"ext4", "xfs", "btrfs"} {
		t.Run(fstype, func(t *testing.T) {
			t.Parallel()
			name := empty(t, 1*gib)
			f, err := os.OpenFile(name, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if _, err := (&Partition{f}).MakeFilesystem(context.Background(), fstype, "root"); err != nil {
				t.Fatal(err)
			}
			run(t, "grub-fstest", name, "ls", "(loop0)/")
		})
	}
}

func TestContents(t *testing.T) {
	t.Parallel()
	const uuid = "3e6be9de-8139-11d1-9106-a43f08d823a6"
	tests := []struct {
		name string
		make func(t *testing.T, file string)
		want string
	}{
		{"nothing", func(*testing.T, string) {}, ""},
		{"file system", func(t *testing.T, f string) { run(t, "mkfs.ext4", "-q", "-L", "data", "-U", uuid, f) }, `it holds ext4 (label "data", UUID ` + uuid + `)`},
		{"table of DOS", func(t *testing.T, f string) { run(t, "sh", "-c", "echo ,,83 | sfdisk -q -X dos "+f) }, "it holds a dos partition table with 1 partition: type 83"},
		{"empty table", func(t *testing.T, f string) { run(t, "sh", "-c", "echo label: gpt | sfdisk -q "+f) }, "it holds a gpt partition table with no partitions"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			name := empty(t, gib)
			tt.make(t, name)
			d := openDisk(t, name, true)
			defer d.Close()
			err := d.CheckEmpty(context.Background())
			if tt.want == "" && err != nil || tt.want != "" && (!errors.Is(err, ErrNotEmpty) || !strings.HasSuffix(err.Error(), ": not empty: "+tt.want)) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		path     func(t *testing.T) string
		loopback bool
		want     string
		is       error
	}{
		{"file without --via-loopback", func(t *testing.T) string { return empty(t, gib) }, false, "it is a regular file, not a block device: add --via-loopback", nil},
		{"directory", func(t *testing.T) string { return t.TempDir() }, false, "it is no block device", nil},
		{"character device", func(*testing.T) string { return "/dev/null" }, false, "it is no block device", nil},
		{"device with --via-loopback", func(*testing.T) string { return "/dev/null" }, true, "it is no regular file, which --via-loopback takes", nil},
		{"missing", func(t *testing.T) string { return filepath.Join(t.TempDir(), "x") }, true, "no such file or directory", os.ErrNotExist},
		{"locked", func(t *testing.T) string {
			name := empty(t, gib)
			d := openDisk(t, name, true)
			t.Cleanup(func() { d.Close() })
			return name
		}, true, "in use: another program has locked it", ErrInUse},
		{"mounted", func(t *testing.T) string {
			dev := device(t, empty(t, gib))
			run(t, "mkfs.ext4", "-q", dev)
			dir := t.TempDir()
			run(t, "mount", dev, dir)
			t.Cleanup(func() { run(t, "umount", "--lazy", dir) })
			return dev
		}, false, " is mounted on ", ErrInUse},
		{"partition mounted", func(t *testing.T) string {
			dev := device(t, empty(t, gib))
			run(t, "addpart", dev, "1", "2048", "1048576")
			run(t, "mkfs.ext4", "-q", dev+"p1")
			dir := t.TempDir()
			run(t, "mount", dev+"p1", dir)
			t.Cleanup(func() { run(t, "umount", "--lazy", dir) })
			return dev
		}, false, "p1 is mounted on ", ErrInUse},
		{"partition", func(t *testing.T) string {
			dev := device(t, empty(t, gib))
			run(t, "addpart", dev, "1", "2048", "1048576")
			return dev + "p1"
		}, false, "it is a partition, not a whole disk", nil},
		{"file behind a loop device", func(t *testing.T) string {
			name := empty(t, gib)
			device(t, name)
			return name
		}, true, " shows it, or a part of it, as a disk", ErrInUse},
		{"file behind a loop device, by another name", func(t *testing.T) string {
			name := empty(t, gib)
			if err := os.Link(name, name+".link"); err != nil {
				t.Fatal(err)
			}
			device(t, name)
			return name + ".link"
		}, true, " shows it, or a part of it, as a disk", ErrInUse},
		{"disk behind a loop device", func(t *testing.T) string {
			dev := device(t, empty(t, gib))
			device(t, dev)
			return dev
		}, false, " shows it, or a part of it, as a disk", ErrInUse},
		{"partition behind a loop device", func(t *testing.T) string {
			dev := device(t, empty(t, gib))
			run(t, "addpart", dev, "1", "2048", "1048576")
			device(t, dev+"p1")
			return dev
		}, false, " shows it, or a part of it, as a disk", ErrInUse},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := tt.path(t)
			d, err := Open(context.Background(), path, tt.loopback)
			if err == nil {
				d.Close()
				t.Fatal("no error")
			}
			if !strings.HasPrefix(err.Error(), "cannot use "+path+": ") || !strings.Contains(err.Error(), tt.want) || tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

// A name that leads to another disk by now, as links in /dev/disk do when a drive is
// plugged in, does not have that one overwritten.
func TestNameChangesHands(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	meant, other := empty(t, 3*gib), empty(t, 3*gib)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(meant, link); err != nil {
		t.Fatal(err)
	}
	d := openDisk(t, link, true)
	defer d.Close()
	run(t, "ln", "-sfn", other, link)
	if err := d.Write(ctx, layout(t, d)); err != nil {
		t.Fatal(err)
	}
	if out := run(t, "du", "--block-size=1", other); !strings.HasPrefix(out, "0\t") {
		t.Errorf("another disk was written to: %s", out)
	}
	run(t, "mkfs.ext4", "-q", other)
	if err := d.CheckEmpty(ctx); !errors.Is(err, ErrNotEmpty) || !strings.Contains(err.Error(), link+": not empty: it holds a gpt partition table with 3 partitions") {
		t.Error(err)
	}
}

// What holds a mount or a loop device is a descriptor: nothing is left of them.
func TestNothingIsLeft(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	name := empty(t, 3*gib)
	d := openDisk(t, name, true)
	p := layout(t, d)
	if err := d.Write(ctx, p); err != nil {
		t.Fatal(err)
	}
	root, _ := p.Find(plan.Root)
	part, err := d.Partition(ctx, root)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := part.MakeFilesystem(ctx, "ext4", "root"); err != nil {
		t.Fatal(err)
	}
	m, err := part.Mount("ext4")
	if err != nil {
		t.Fatal(err)
	}
	if loops := loopsOf(t, name); len(loops) != 1 {
		t.Errorf("while it is mounted: %q", loops)
	}
	m.Close()
	part.Close()
	d.Close()
	// A process that another test is about to start has them for a moment, too.
	if err := wait(ctx, 100, errors.New("loop devices are left"), func() (bool, error) { return len(loopsOf(t, name)) == 0, nil }); err != nil {
		t.Error(err)
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil || strings.Contains(string(mounts), name) {
		t.Errorf("left: %s, %v", mounts, err)
	}
}

// loopsOf are losetup's lines of the loop devices that show file.
func loopsOf(t *testing.T, file string) []string {
	t.Helper()
	return strings.FieldsFunc(run(t, "losetup", "--associated", file), func(r rune) bool { return r == '\n' })
}

func TestMissingTool(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := Tool(context.Background(), "", "sfdisk")
	if !errors.Is(err, ErrMissingTool) || err.Error() != "missing program: sfdisk (Debian package fdisk)" {
		t.Error(err)
	}
}

// A file system in memory is as large as was said, which stands for the ESP's room.
func TestMemory(t *testing.T) {
	t.Parallel()
	m, err := Memory(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(m.Root.Fd()), &st); err != nil || st.Type != unix.TMPFS_MAGIC || int64(st.Blocks)*st.Bsize != 1<<20 {
		t.Errorf("%+v, %v", st, err)
	}
}

func TestInspect(t *testing.T) {
	t.Parallel()
	dev := device(t, empty(t, gib))
	const uuid = "3e6be9de-8139-11d1-9106-a43f08d823a7"
	run(t, "mkfs.ext4", "-q", "-U", uuid, dev)
	dir := filepath.Join(t.TempDir(), "with blank")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	run(t, "mount", dev, dir)
	t.Cleanup(func() { run(t, "umount", "--lazy", dir) })
	if err := os.Mkdir(filepath.Join(dir, "below"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{dir: true, filepath.Join(dir, "below"): false} {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		if is, err := IsMountPoint(f); err != nil || is != want {
			t.Errorf("%s is a mount point: %t, %v", name, is, err)
		}
		m, err := Inspect(context.Background(), f)
		if err != nil || m.Type != "ext4" || m.Source != dev || m.Subtree != "/" || m.UUID != uuid {
			t.Errorf("%s: %+v, %v", name, m, err)
		}
	}
}

// Two subvolumes are of one file system, though stat(2) has it that they are not.
func TestDeviceOf(t *testing.T) {
	t.Parallel()
	dev := device(t, empty(t, gib))
	run(t, "mkfs.btrfs", "-q", dev)
	top, sub := t.TempDir(), t.TempDir()
	run(t, "mount", dev, top)
	t.Cleanup(func() { run(t, "umount", "--lazy", top) })
	run(t, "btrfs", "subvolume", "create", filepath.Join(top, "@"))
	run(t, "mount", "-o", "subvol=@", dev, sub)
	t.Cleanup(func() { run(t, "umount", "--lazy", sub) })
	number := func(path string) mounts.Device {
		n, err := DeviceOf(path, "/proc/self/mountinfo")
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if a, b := number(top), number(sub); a != b || a == number("/") {
		t.Errorf("%s and %s, / has %s", a, b, number("/"))
	}
}

// The kernel keeps the name that a device was mounted by, which may be a link that leads
// to another one by now.
func TestInspectDistrustsNames(t *testing.T) {
	t.Parallel()
	dev, other := device(t, empty(t, gib)), device(t, empty(t, gib))
	const uuid = "3e6be9de-8139-11d1-9106-a43f08d823a8"
	run(t, "mkfs.ext4", "-q", "-U", uuid, dev)
	run(t, "mkfs.ext4", "-q", other)
	dir, link := t.TempDir(), filepath.Join(t.TempDir(), "link")
	run(t, "ln", "-s", dev, link)
	if err := unix.Mount("/dev/.."+link, dir, "ext4", 0, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { run(t, "umount", "--lazy", dir) })
	run(t, "ln", "-sfn", other, link)
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if m, err := Inspect(context.Background(), f); err != nil || m.Source != dev || m.UUID != uuid {
		t.Errorf("%+v, %v; want %s", m, err, dev)
	}
}

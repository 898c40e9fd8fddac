package mount

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/verity"
	"github.com/bootc-go/bootc/internal/testtool"
)

// kernels are the ways to mount that kernels of different ages have.
var kernels = map[string]abilities{
	"this one":                  {},
	"no detached layers":        {noDetached: true},
	"no data layers":            {noDetached: true, noDataLayers: true},
	"Linux 6.1":                 {noOverlayFds: true, noDataLayers: true, noFiles: true},
	"no files":                  {noFiles: true},
	"no files, detached layers": {noFiles: true, noDetached: true},
	"no fsopen":                 {noFsopen: true},
	"no fsopen, data layers":    {noFsopen: true, noDataLayers: true},
	"no fsopen, files":          {noFsopen: true, noFiles: true},
	"nothing":                   {noFsopen: true, noFiles: true, noDataLayers: true},
}

func requireRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("this test mounts file systems: run it as root")
	}
}

// A sample is a directory tree and the image that mkcomposefs made of it.
type sample struct {
	tree, store, image string
	objects            *os.File
}

func newSample(t *testing.T) *sample {
	t.Helper()
	requireRoot(t)
	dir := t.TempDir()
	s := &sample{tree: dir + "/tree", store: dir + "/store", image: dir + "/image"}
	s.fill(t)
	if err := os.Mkdir(s.store, 0o755); err != nil {
		t.Fatal(err)
	}
	mkcomposefs(t, "--digest-store="+s.store, s.tree, s.image)
	s.openObjects(t)
	return s
}

func (s *sample) openObjects(t *testing.T) {
	t.Helper()
	fd, err := unix.Open(s.store, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	s.objects = os.NewFile(uintptr(fd), s.store)
	t.Cleanup(func() { s.objects.Close() })
}

func mkcomposefs(t *testing.T, args ...string) {
	t.Helper()
	out, err := exec.Command(testtool.Path(t, "mkcomposefs"), args...).CombinedOutput()
	if err != nil {
		t.Fatalf("mkcomposefs: %v\n%s", err, out)
	}
}

// fill makes the tree.
func (s *sample) fill(t *testing.T) {
	t.Helper()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	file := func(name string, size int, perm uint32, uid int) {
		t.Helper()
		check(os.MkdirAll(filepath.Dir(s.tree+name), 0o755))
		check(os.WriteFile(s.tree+name, bytes.Repeat([]byte(name[len(name)-1:]), size), 0o600))
		check(os.Chown(s.tree+name, uid, 2*uid))
		check(unix.Chmod(s.tree+name, perm))
	}
	file("/empty", 0, 0o644, 0)
	file("/inline", 64, 0o640, 1)
	file("/external", 65, 0o4755, 2)
	file("/big", 3<<20, 0o600, 3000)
	file("/d/e/f", 5000, 0o444, 70_000)
	file("/00", 100, 0o644, 0)
	file("/ff/x", 100, 0o644, 0)
	check(os.Symlink("d/e", s.tree+"/link"))
	check(os.Symlink(strings.Repeat("x", 1000), s.tree+"/broken"))
	check(unix.Mknod(s.tree+"/null", unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))))
	check(unix.Mknod(s.tree+"/disk", unix.S_IFBLK|0o600, int(unix.Mkdev(7, 300))))
	check(unix.Mkfifo(s.tree+"/fifo", 0o622))
	for _, name := range []string{"/external", "/inline", "/d", "/d/e"} {
		check(unix.Lsetxattr(s.tree+name, "user.test", []byte("of "+name), 0))
		check(unix.Lsetxattr(s.tree+name, "user.nothing", nil, 0))
	}
	check(unix.Chmod(s.tree+"/d", 0o1770))
	ts := []unix.Timespec{{Sec: 1}, {Sec: 1_234_567_890, Nsec: 987_654_321}}
	check(unix.UtimesNanoAt(unix.AT_FDCWD, s.tree+"/d/e/f", ts, unix.AT_SYMLINK_NOFOLLOW))
}

// options are those to mount the sample, with the image opened anew.
func (s *sample) options(t *testing.T, a abilities) Options {
	t.Helper()
	image, err := os.Open(s.image)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { image.Close() })
	return Options{Image: image, Objects: s.objects, Source: "composefs:test", TempDir: t.TempDir(), pretend: a}
}

// mountSample mounts and unmounts when the test ends, which must succeed.
func mountSample(t *testing.T, o Options) string {
	t.Helper()
	target := t.TempDir()
	if err := MountAt(o, target); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(target, 0); err != nil {
			t.Errorf("unmounting: %v", err)
		}
	})
	return target
}

func TestMountReadsBackTheTree(t *testing.T) {
	t.Parallel()
	s := newSample(t)
	want := describe(t, s.tree)
	for name, a := range kernels {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			target := mountSample(t, s.options(t, a))
			if diff := cmp.Diff(want, describe(t, target)); diff != "" {
				t.Errorf("the mount differs (- source, + mount):\n%s", diff)
			}
			source, options := mountEntry(t, target)
			if source != "composefs:test" {
				t.Errorf("the source is %q", source)
			}
			if !slices.Contains(strings.Split(options, ","), "ro") {
				t.Errorf("the mount is not read-only: %s", options)
			}
			if err := os.WriteFile(target+"/new", nil, 0o644); !errors.Is(err, unix.EROFS) {
				t.Errorf("writing gives %v", err)
			}
		})
	}
}

// describe lists everything in a tree, as far as an image keeps it.
func describe(t *testing.T, root string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		line := fmt.Sprintf("%s mode %o owner %d:%d time %d.%d", strings.TrimPrefix(path, root), st.Mode, st.Uid, st.Gid, st.Mtim.Sec, st.Mtim.Nsec)
		switch d.Type() { //nolint:exhaustive // of all others there is no more to say
		case 0:
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			line += fmt.Sprintf(" size %d content %s", st.Size, verity.Sum(verity.SHA256, data))
		case fs.ModeSymlink:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			line += " to " + target
		case fs.ModeDevice, fs.ModeDevice | fs.ModeCharDevice:
			line += fmt.Sprintf(" device %d:%d", unix.Major(st.Rdev), unix.Minor(st.Rdev))
		}
		out = append(out, line+userXattrs(path))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func userXattrs(path string) string {
	buf := make([]byte, 4096)
	n, err := unix.Llistxattr(path, buf)
	if err != nil {
		return " xattrs: " + err.Error()
	}
	names := strings.Split(string(buf[:n]), "\x00")
	slices.Sort(names)
	out := ""
	for _, name := range names {
		if !strings.HasPrefix(name, "user.") {
			continue
		}
		n, err := unix.Lgetxattr(path, name, buf)
		out += fmt.Sprintf(" %s=%q %v", name, buf[:max(n, 0)], err)
	}
	return out
}

// mountEntry returns source and options of the mount at target.
func mountEntry(t *testing.T, target string) (source, options string) {
	t.Helper()
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		if f := strings.Fields(line); f[1] == target {
			return f[0], f[3]
		}
	}
	t.Fatalf("nothing is mounted at %s", target)
	return "", ""
}

func TestDetachedMount(t *testing.T) {
	t.Parallel()
	s := newSample(t)
	for name, a := range kernels {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, err := Mount(s.options(t, a))
			if a.noFsopen {
				if !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), "Linux 5.2") {
					t.Errorf("got %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			data, err := os.ReadFile(procFd(int(f.Fd())) + "/external")
			if err != nil || len(data) != 65 {
				t.Errorf("read %d bytes, %v", len(data), err)
			}
			target := t.TempDir()
			if err := unix.MoveMount(int(f.Fd()), "", unix.AT_FDCWD, target, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
				t.Fatal(err)
			}
			if err := unix.Unmount(target, unix.MNT_DETACH); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestHardLinksAndWhiteouts mounts what a directory does not give mkcomposefs.
func TestHardLinksAndWhiteouts(t *testing.T) {
	t.Parallel()
	requireRoot(t)
	dir := t.TempDir()
	s := &sample{store: dir + "/store", image: dir + "/image"}
	if err := os.Mkdir(s.store, 0o755); err != nil {
		t.Fatal(err)
	}
	s.openObjects(t)
	dump := "/ 0 40755 3 0 0 0 0.0 - - -\n" +
		"/a 3 100644 2 0 0 0 0.0 - abc -\n" +
		"/d 0 40755 2 0 0 0 0.0 - - -\n" +
		"/d/b 0 @100644 - - - - 0.0 /a - -\n" +
		"/gone 0 20600 1 0 0 0 0.0 - - -\n"
	cmd := exec.Command(testtool.Path(t, "mkcomposefs"), "--from-file", "-", s.image)
	cmd.Stdin = strings.NewReader(dump)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("mkcomposefs: %v\n%s", err, out)
	}
	for name, a := range kernels {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			target := mountSample(t, s.options(t, a))
			var x, y, gone unix.Stat_t
			for path, st := range map[string]*unix.Stat_t{"/a": &x, "/d/b": &y, "/gone": &gone} {
				if err := unix.Lstat(target+path, st); err != nil {
					t.Fatal(err)
				}
			}
			if x.Ino != y.Ino || x.Nlink != 2 || y.Nlink != 2 {
				t.Errorf("inodes %d and %d, with %d and %d links", x.Ino, y.Ino, x.Nlink, y.Nlink)
			}
			// A whiteout of the tree must not hide anything in the overlay, so
			// the image has it as a file that says what it stands for.
			if gone.Mode != unix.S_IFREG|0o600 || gone.Size != 0 {
				t.Errorf("the whiteout has mode %o and %d bytes", gone.Mode, gone.Size)
			}
			if _, err := unix.Lgetxattr(target+"/gone", "trusted.overlay.whiteout", nil); err != nil {
				t.Errorf("the whiteout's attribute: %v", err)
			}
		})
	}
}

func TestWritable(t *testing.T) {
	t.Parallel()
	s := newSample(t)
	before := describe(t, s.store)
	for name, a := range kernels {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := s.options(t, a)
			o.Upper, o.Work = openDir(t, t.TempDir()), openDir(t, t.TempDir())
			o.ReadWrite = true
			target := mountSample(t, o)
			if err := os.WriteFile(target+"/d/new", []byte("n"), 0o600); err != nil {
				t.Error(err)
			}
			if err := os.Remove(target + "/inline"); err != nil {
				t.Error(err)
			}
			if err := os.Chmod(target+"/big", 0o640); err != nil {
				t.Error(err)
			}
			appendTo(t, target+"/external", "more")
			data, err := os.ReadFile(target + "/external")
			if err != nil || string(data) != strings.Repeat("l", 65)+"more" {
				t.Errorf("read %q, %v", data, err)
			}
			if data, err := os.ReadFile(target + "/big"); err != nil || len(data) != 3<<20 {
				t.Errorf("read %d bytes, %v", len(data), err)
			}
			if _, err := os.Stat(o.Upper.Name() + "/d/new"); err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(func() {
		if diff := cmp.Diff(before, describe(t, s.store)); diff != "" {
			t.Errorf("OBJECTS WERE CHANGED:\n%s", diff)
		}
	})
}

func openDir(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func appendTo(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(text); err != nil {
		t.Error(err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

// TestReadOnlyUpper mounts with an upper layer that must not be written.
func TestReadOnlyUpper(t *testing.T) {
	t.Parallel()
	s := newSample(t)
	upper := t.TempDir()
	if err := os.WriteFile(upper+"/added", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for name, a := range kernels {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := s.options(t, a)
			o.Upper, o.Work = openDir(t, upper), openDir(t, t.TempDir())
			target := mountSample(t, o)
			if _, err := os.Stat(target + "/added"); err != nil {
				t.Error(err)
			}
			if err := os.WriteFile(target+"/new", nil, 0o644); !errors.Is(err, unix.EROFS) {
				t.Errorf("writing gives %v", err)
			}
		})
	}
}

func TestMissingObject(t *testing.T) {
	t.Parallel()
	s := newSample(t)
	data, err := os.ReadFile(s.tree + "/external")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(s.store + "/" + verity.Sum(verity.SHA256, data).ObjectPath()); err != nil {
		t.Fatal(err)
	}
	target := mountSample(t, s.options(t, abilities{}))
	_, err = os.ReadFile(target + "/external")
	var pathErr *fs.PathError
	if !errors.Is(err, unix.ENOENT) || !errors.As(err, &pathErr) || pathErr.Op != "open" {
		t.Errorf("reading a file whose object is missing gives %v", err)
	}
	if _, err := os.Stat(target + "/external"); err != nil {
		t.Errorf("it cannot be looked at: %v", err)
	}
	if _, err := os.ReadFile(target + "/big"); err != nil {
		t.Errorf("another file: %v", err)
	}
}

// TestRequireVerity enables fs-verity on one object, where that is possible.
func TestRequireVerity(t *testing.T) {
	t.Parallel()
	s := newSample(t)
	data, err := os.ReadFile(s.tree + "/external")
	if err != nil {
		t.Fatal(err)
	}
	object, err := os.Open(s.store + "/" + verity.Sum(verity.SHA256, data).ObjectPath())
	if err != nil {
		t.Fatal(err)
	}
	enabled := verity.Enable(object, verity.SHA256) == nil
	if err := object.Close(); err != nil {
		t.Fatal(err)
	}
	for name, a := range kernels {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := s.options(t, a)
			o.RequireVerity = true
			if a.noDataLayers {
				target := t.TempDir()
				if err := MountAt(o, target); err == nil {
					t.Errorf("mounted without what verity needs; unmounting: %v", unix.Unmount(target, unix.MNT_DETACH))
				}
				return
			}
			target := mountSample(t, o)
			_, err := os.ReadFile(target + "/external")
			if enabled && err != nil || !enabled && !errors.Is(err, unix.EIO) {
				t.Errorf("verity enabled: %v; reading gives %v", enabled, err)
			}
			if _, err := os.ReadFile(target + "/big"); !errors.Is(err, unix.EIO) {
				t.Errorf("without verity: reading gives %v", err)
			}
			if _, err := os.ReadFile(target + "/inline"); err != nil {
				t.Errorf("a file in the image: %v", err)
			}
		})
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	s := newSample(t)
	temp := func(content []byte) *os.File {
		name := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return openDir(t, name)
	}
	image, err := os.ReadFile(s.image)
	if err != nil {
		t.Fatal(err)
	}
	plainErofs := slices.Clone(image)
	copy(plainErofs, make([]byte, 32))
	badBlocks := slices.Clone(image)
	badBlocks[superblockOffset+12] = 40 // bits of the block size
	failing := func(step string, err error) func(*Options) {
		return func(o *Options) {
			o.fault = func(s string) error {
				if strings.HasPrefix(s, step) {
					return err
				}
				return nil
			}
		}
	}
	for _, test := range []struct {
		name   string
		change func(*Options)
		is     error
		want   string
	}{
		{"empty", func(o *Options) { o.Image = temp(nil) }, ErrNotImage, "no EROFS superblock: not a composefs image"},
		{"unreadable", func(o *Options) { o.Image = s.objects }, unix.EBADF, "bad file descriptor"},
		{"text", func(o *Options) { o.Image = temp(make([]byte, 5000)) }, ErrNotImage, "no EROFS superblock: not a composefs image"},
		{"erofs", func(o *Options) { o.Image = temp(plainErofs) }, ErrNotImage, "no composefs header: not a composefs image"},
		{"bad superblock", func(o *Options) { o.Image = temp(badBlocks) }, unix.EINVAL, "erofs create: invalid argument"},
		{"no erofs", failing("fsopen erofs", unix.ENODEV), ErrUnsupported, "this kernel has no erofs (modprobe erofs)"},
		{"no overlay", failing("fsopen overlay", unix.ENODEV), ErrUnsupported, "this kernel has no overlay (modprobe overlay)"},
		{"no verity", func(o *Options) { o.RequireVerity = true; failing("overlay verity", unix.EINVAL)(o) }, ErrUnsupported, "cannot require fs-verity (Linux 6.6 or newer is needed)"},
		{"no proc", failing("erofs create", unix.ENOENT), unix.ENOENT, "/proc must be mounted: erofs create: no such file"},
		{"objects", func(o *Options) { o.Objects = temp(nil) }, unix.ENOTDIR, "/file: not a directory"},
		{"work", func(o *Options) { o.Upper, o.Work = openDir(t, s.tree), openDir(t, "/sys") }, unix.EINVAL, "overlay create: invalid argument"},
		{"upper alone", func(o *Options) { o.Upper = s.objects }, nil, "internal error: an upper directory and a work directory"},
		{"no upper", func(o *Options) { o.ReadWrite = true }, nil, "internal error: a writable mount"},
		{"no image", func(o *Options) { o.Image = nil }, nil, "internal error: no image"},
		{"no place", func(o *Options) { o.pretend.noDetached = true; o.TempDir = "/nonexistent" }, os.ErrNotExist, "no place for a temporary mount point"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			o := s.options(t, abilities{})
			test.change(&o)
			target := t.TempDir()
			err := MountAt(o, target)
			if err == nil {
				t.Fatalf("mounted; unmounting: %v", unix.Unmount(target, unix.MNT_DETACH))
			}
			if !strings.HasPrefix(err.Error(), "cannot mount composefs:test at "+target+": ") || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %q", err)
			}
			if test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("%v is not %v", err, test.is)
			}
		})
	}
	o := s.options(t, abilities{})
	if err := MountAt(o, "/nonexistent/place"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no target: got %v", err)
	}
}

// TestWithoutPrivilege takes CAP_SYS_ADMIN from one thread, which ends with its
// goroutine.
func TestWithoutPrivilege(t *testing.T) {
	t.Parallel()
	s := newSample(t)
	for _, a := range []abilities{{}, {noFsopen: true}} {
		o := s.options(t, a)
		target := t.TempDir()
		result := make(chan error)
		go func() {
			runtime.LockOSThread()
			header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
			var caps [2]unix.CapUserData
			if err := unix.Capset(&header, &caps[0]); err != nil {
				result <- err
				return
			}
			result <- MountAt(o, target)
		}()
		if err := <-result; !errors.Is(err, unix.EPERM) || !strings.Contains(err.Error(), "only root may mount") {
			t.Errorf("got %v", err)
		}
	}
}

// TestNoLeaks fails every step of every way to mount in turn and looks for what
// stays behind.
func TestNoLeaks(t *testing.T) {
	s := newSample(t)
	for name, a := range kernels {
		for _, detached := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, detached %v", name, detached), func(t *testing.T) {
				o := s.options(t, a)
				o.Upper, o.Work = openDir(t, t.TempDir()), openDir(t, t.TempDir())
				o.ReadWrite, o.RequireVerity = true, false
				target := t.TempDir()
				before := s.leftovers(t, &o, target)
				steps := 0
				for fail := -1; fail < steps; fail++ {
					n := 0
					o.fault = func(string) error {
						n++
						if n-1 == fail {
							return unix.EIO
						}
						return nil
					}
					mountOnce(t, o, target, detached)
					steps = max(steps, n)
					waitFor(t, before, func() string { return s.leftovers(t, &o, target) })
				}
				if steps == 0 {
					t.Error("nothing was tried")
				}
			})
		}
	}
}

// mountOnce mounts, perhaps without success, and undoes it.
func mountOnce(t *testing.T, o Options, target string, detached bool) {
	t.Helper()
	if detached {
		if f, err := Mount(o); err == nil {
			if err := f.Close(); err != nil {
				t.Error(err)
			}
		}
		return
	}
	if MountAt(o, target) == nil {
		if err := unix.Unmount(target, 0); err != nil {
			t.Error(err)
		}
	}
}

// leftovers describes the descriptors, mounts, loop devices and temporary
// directories that there are.
func (s *sample) leftovers(t *testing.T, o *Options, target string) string {
	t.Helper()
	var out []string
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		if link, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil {
			out = append(out, "fd "+link)
		}
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, o.TempDir) || strings.Contains(line, target) {
			out = append(out, line)
		}
	}
	loops, _ := filepath.Glob("/sys/block/loop*/loop/backing_file")
	for _, name := range loops {
		if file, _ := os.ReadFile(name); strings.HasPrefix(string(file), s.image) {
			out = append(out, "loop "+name)
		}
	}
	temporary, _ := filepath.Glob(o.TempDir + "/.composefs-*")
	out = append(out, temporary...)
	slices.Sort(out)
	return strings.Join(out, "\n")
}

// waitFor waits until now returns want: a loop device frees itself a moment
// after its last user.
func waitFor(t *testing.T, want string, now func() string) {
	t.Helper()
	got := ""
	for range 100 {
		if got = now(); got == want {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("left behind (- before, + after):\n%s", cmp.Diff(strings.Split(want, "\n"), strings.Split(got, "\n")))
}

// An id has 128 digits; the first ones tell it apart.
func TestErrorsNameIDsByTheirFirstDigits(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]string{
		"composefs:" + strings.Repeat("0123456789abcdef", 8): "cannot mount composefs:0123456789ab…: ",
		"composefs:test":   "cannot mount composefs:test: ",
		"":                 "cannot mount composefs: ",
		"composefs:test/0": "cannot mount composefs:test/0: ",
	} {
		if _, err := Mount(Options{Source: source}); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v", source, err)
		}
	}
}

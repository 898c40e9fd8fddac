package sysroot

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/kargs"
)

var id = strings.Repeat("0123456789abcdef", 8)

// A fakeHost is what Open looks at, below a directory.
type fakeHost struct {
	dir   string
	table []string // more lines of mountinfo
}

func newHost(t *testing.T) *fakeHost {
	t.Helper()
	h := &fakeHost{dir: t.TempDir()}
	for _, dir := range []string{"proc/self", "sysroot/boot", "run", "etc", "boot", "efi"} {
		if err := os.MkdirAll(filepath.Join(h.dir, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	h.source(t, "composefs:"+id)
	write(t, h.dir+"/proc/cmdline", "quiet composefs="+id+" rw\n")
	return h
}

func (h *fakeHost) source(t *testing.T, source string) {
	t.Helper()
	write(t, h.dir+"/proc/self/mountinfo", fmt.Sprintf("29 1 0:25 / / ro - overlay %s ro\n%s", source, strings.Join(h.table, "")))
}

// mounted adds a line to the mount table. What is there is a directory.
func (h *fakeHost) mounted(t *testing.T, path, fsType string) {
	t.Helper()
	h.table = append(h.table, fmt.Sprintf("%d 29 0:%d / %s rw - %s x rw\n", 40+len(h.table), 100+len(h.table), path, fsType))
	h.source(t, "composefs:"+id)
}

func (h *fakeHost) loader(t *testing.T, info string) {
	t.Helper()
	write(t, filepath.Join(h.dir, efivars, loaderInfo), variable(info))
}

func (h *fakeHost) open(t *testing.T, write bool) *Host {
	t.Helper()
	got, err := Open(Options{Root: h.dir, Write: write})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(got.Close)
	return got
}

func create(dir *os.File, name string) error {
	fd, err := unix.Openat(int(dir.Fd()), name, unix.O_CREAT|unix.O_WRONLY|unix.O_CLOEXEC, 0o600)
	if err == nil {
		err = unix.Close(fd)
	}
	return err
}

func TestOpenFindsBooted(t *testing.T) {
	t.Parallel()
	other := strings.Repeat("f", 128)
	for name, tt := range map[string]struct {
		source, cmdline string
		optional        bool
	}{
		"strict":            {"composefs:" + id, "composefs=" + id, false},
		"optional":          {"composefs:" + id, "rw composefs=?" + id, true},
		"newer argument":    {"composefs:" + id, "composefs.digest=?v1-sha512-12:" + id, true},
		"transient":         {"transient:composefs=" + id, "composefs=?" + id, true},
		"after soft reboot": {"composefs:" + id, "composefs=?" + other, true},
		"stricter by then":  {"composefs:" + id + " ro,verity=require,x", "composefs=?" + other, false},
		"no argument":       {"composefs:" + id, "quiet", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t)
			h.source(t, tt.source)
			write(t, h.dir+"/proc/cmdline", tt.cmdline+"\n")
			got := h.open(t, false).Booted
			if want := (kargs.Root{ID: got.ID, Optional: tt.optional}); got != want || got.ID.String() != id {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		arrange func(t *testing.T, h *fakeHost)
		options Options
		want    error
	}{
		"podman":         {func(t *testing.T, h *fakeHost) { t.Helper(); write(t, h.dir+"/run/.containerenv", "") }, Options{}, ErrContainer},
		"docker":         {func(t *testing.T, h *fakeHost) { t.Helper(); write(t, h.dir+"/.dockerenv", "") }, Options{}, ErrContainer},
		"systemd-nspawn": {func(t *testing.T, h *fakeHost) { t.Helper(); write(t, h.dir+"/run/systemd/container", "x") }, Options{}, ErrContainer},
		"$container":     {nil, Options{Container: "podman"}, ErrContainer},
		"other root":     {func(t *testing.T, h *fakeHost) { t.Helper(); h.source(t, "/dev/sda2") }, Options{}, ErrNotBooted},
		"no digest":      {func(t *testing.T, h *fakeHost) { t.Helper(); h.source(t, "composefs:xy") }, Options{}, nil},
		"no ESP":         {func(t *testing.T, h *fakeHost) { t.Helper(); h.loader(t, "systemd-boot 257") }, Options{}, errNoESP},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t)
			if tt.arrange != nil {
				tt.arrange(t, h)
			}
			tt.options.Root = h.dir
			if got, err := Open(tt.options); err == nil || tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}

// Who opened a host for reading cannot change anything through it.
func TestOpenForReading(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.mounted(t, "/efi", "vfat")
	h.loader(t, "systemd-boot 257")
	write(t, h.dir+"/sysroot/x", "")
	got := h.open(t, false)
	for name, dir := range map[string]*os.File{"root": got.Root, "boot": got.Files.Boot, "ESP": got.Files.ESP, "etc": got.Etc} {
		if err := create(dir, "new"); !errors.Is(err, unix.EROFS) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := os.Stat(fmt.Sprintf("/proc/self/fd/%d/x", got.Root.Fd())); err != nil || got.ReadOnly {
		t.Errorf("%v, %v", err, got.ReadOnly)
	}
}

func TestOpenForWriting(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		loader string
		mounts [][2]string
		boot   string // the directory that Files.Boot is
		esp    string
	}{
		"BIOS":                       {boot: "sysroot/boot"},
		"BIOS, /boot apart":          {mounts: [][2]string{{"/boot", "ext4"}}, boot: "boot"},
		"GRUB":                       {loader: "GRUB 2.12", mounts: [][2]string{{"/boot/efi", "vfat"}}, boot: "sysroot/boot", esp: "boot/efi"},
		"GRUB, /boot is vfat":        {loader: "GRUB 2.12", mounts: [][2]string{{"/boot", "vfat"}, {"/boot/efi", "vfat"}}, boot: "boot", esp: "boot/efi"},
		"GRUB, /boot apart":          {loader: "GRUB 2.12", mounts: [][2]string{{"/boot", "ext4"}, {"/boot/efi", "vfat"}}, boot: "boot", esp: "boot/efi"},
		"GRUB without an ESP":        {loader: "GRUB 2.12", boot: "sysroot/boot"},
		"systemd-boot":               {loader: "systemd-boot 257", mounts: [][2]string{{"/efi", "vfat"}}, boot: "sysroot/boot", esp: "efi"},
		"systemd-boot, ESP at /boot": {loader: "systemd-boot 257", mounts: [][2]string{{"/efi", "autofs"}, {"/boot", "vfat"}}, boot: "sysroot/boot", esp: "boot"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t)
			if err := os.Mkdir(h.dir+"/boot/efi", 0o755); err != nil {
				t.Fatal(err)
			}
			for _, m := range tt.mounts {
				h.mounted(t, m[0], m[1])
			}
			if tt.loader != "" {
				h.loader(t, tt.loader)
			}
			got := h.open(t, true)
			checkPlace(t, "boot", got.Files.Boot, filepath.Join(h.dir, tt.boot))
			checkPlace(t, "root", got.Root, h.dir+"/sysroot")
			checkPlace(t, "run", got.Run, h.dir+"/run")
			if tt.esp != "" {
				checkPlace(t, "ESP", got.Files.ESP, filepath.Join(h.dir, tt.esp))
			} else if got.Files.ESP != nil {
				t.Errorf("ESP %s", got.Files.ESP.Name())
			}
		})
	}
}

// checkPlace writes through dir and looks for the file below path.
func checkPlace(t *testing.T, name string, dir *os.File, path string) {
	t.Helper()
	if err := create(dir, "from-"+name); err != nil {
		t.Errorf("%s: %v", name, err)
	}
	if !exists(filepath.Join(path, "from-"+name)) {
		t.Errorf("%s is %s, not %s", name, dir.Name(), path)
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.mounted(t, "/efi", "vfat")
	h.loader(t, "systemd-boot 257")
	got := h.open(t, false)
	for name, dir := range map[string]*os.File{"/sysroot": got.Root, "/sysroot/boot": got.Files.Boot, "/efi": got.Files.ESP, "/etc": got.Etc} {
		_, err := os.Open(fmt.Sprintf("/proc/self/fd/%d/no/such", dir.Fd()))
		err = got.Explain(err)
		if want := "open " + h.dir + name + "/no/such: no such file or directory"; err.Error() != want || !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if err := got.Explain(nil); err != nil {
		t.Error(err)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

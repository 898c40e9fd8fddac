package osimage

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bootc-go/bootc/kargs"
)

// bls is an image with a kernel and an initramfs, and with what change adds; nil
// removes.
func bls(change fstest.MapFS) fstest.MapFS {
	image := fstest.MapFS{
		"usr/lib/os-release":                  file("ID=acme\nPRETTY_NAME='Acme 44'\nVERSION_ID=44\n"),
		"usr/lib/modules/6.1.0/vmlinuz":       file("kernel"),
		"usr/lib/modules/6.1.0/initramfs.img": file("initramfs"),
		"usr/lib/modules/6.0.0/modules.dep":   file(""),
		"usr/lib/modules/vmlinuz":             file("no kernel"),
		"usr/lib/bootc/kargs.d/a.toml":        file("kargs = ['quiet']"),
		"usr/lib/bootc/kargs.d/b.toml":        file("kargs = ['arm']\nmatch-architectures = ['aarch64']"),
	}
	maps.Copy(image, change)
	maps.DeleteFunc(image, func(_ string, f *fstest.MapFile) bool { return f == nil })
	return image
}

func file(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }

func hexSum(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func TestInspect(t *testing.T) {
	t.Parallel()
	got, err := Inspect(bls(nil), "amd64")
	if err != nil {
		t.Fatal(err)
	}
	want := &Image{
		OS: OSRelease{ID: "acme", PrettyName: "Acme 44", VersionID: "44"},
		Kernel: Kernel{
			Version: "6.1.0", Type: BLS, Linux: "usr/lib/modules/6.1.0/vmlinuz", Initrd: "usr/lib/modules/6.1.0/initramfs.img",
			Size: int64(len("kernel") + len("initramfs")), Digest: hexSum("kernelinitramfs"),
		},
		Kargs: kargs.Line{"quiet"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestInspectErrors(t *testing.T) {
	t.Parallel()
	const kernel, initrd = "usr/lib/modules/6.1.0/vmlinuz", "usr/lib/modules/6.1.0/initramfs.img"
	for _, c := range []struct {
		name   string
		change fstest.MapFS
		is     error
		want   string
	}{
		{"nothing", fstest.MapFS{kernel: nil, initrd: nil}, ErrNoKernel, "neither a /usr/lib/modules/<version>/vmlinuz nor a /boot/EFI/Linux/*.efi"},
		{
			"a kernel in /boot",
			fstest.MapFS{kernel: nil, "boot/vmlinuz-6.1.0": file("x")},
			ErrNoKernel,
			"/boot/vmlinuz-6.1.0 belongs at /usr/lib/modules/6.1.0/vmlinuz",
		},
		{
			"two kernels",
			fstest.MapFS{"usr/lib/modules/6.2.0/vmlinuz": file("x")},
			ErrTwoKernels,
			"6.1.0, 6.2.0",
		},
		{
			"a unified one as well",
			fstest.MapFS{"boot/EFI/Linux/a.efi": file("x")},
			ErrTwoKernels,
			"/boot/EFI/Linux/a.efi and /usr/lib/modules/6.1.0/vmlinuz",
		},
		{"no initramfs", fstest.MapFS{initrd: nil}, ErrNoInitrd, "dracut --no-hostonly /usr/lib/modules/6.1.0/initramfs.img 6.1.0"},
		{
			"an initramfs as Debian has it",
			fstest.MapFS{initrd: nil, "boot/initrd.img-6.1.0": file("x")},
			ErrNoInitrd,
			"there is no /usr/lib/modules/6.1.0/initramfs.img; move /boot/initrd.img-6.1.0 there",
		},
		{
			"an initramfs as Fedora had it",
			fstest.MapFS{initrd: nil, "boot/initramfs-6.1.0.img": file("x")},
			ErrNoInitrd,
			"move /boot/initramfs-6.1.0.img there",
		},
		{"an empty kernel", fstest.MapFS{kernel: file("")}, ErrNotBootable, "/usr/lib/modules/6.1.0/vmlinuz is empty"},
		{"an empty initramfs", fstest.MapFS{initrd: file("")}, ErrNotBootable, "initramfs.img is empty"},
		{"a directory", fstest.MapFS{kernel: nil, kernel + "/x": file("x")}, ErrNotBootable, "vmlinuz is no regular file"},
		{"not unified", fstest.MapFS{kernel: nil, "boot/EFI/Linux/a.efi": file("x")}, ErrNotBootable, "/boot/EFI/Linux/a.efi: not bootable"},
		{"an empty unified one", fstest.MapFS{kernel: nil, "boot/EFI/Linux/a.efi": file("")}, ErrNotBootable, "a.efi is empty"},
		{"arguments", fstest.MapFS{"usr/lib/bootc/kargs.d/a.toml": file("x")}, nil, "/usr/lib/bootc/kargs.d/a.toml:1"},
		{"a long os-release", fstest.MapFS{"usr/lib/os-release": file(strings.Repeat("#", osReleaseMax+1))}, nil, "/usr/lib/os-release has more than"},
	} {
		_, err := Inspect(bls(c.change), "amd64")
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Count(err.Error(), "cannot") != 1 {
			t.Errorf("%s: %v", c.name, err)
		}
		if c.is != nil && (!errors.Is(err, c.is) || !errors.Is(err, ErrNotBootable)) {
			t.Errorf("%s: not %q: %v", c.name, c.is, err)
		}
	}
}

// broken is an image with a file that claims a size and cannot be read to its end.
type broken struct {
	fs.FS
	name string
	size int64
	err  error
}

func (b broken) Open(name string) (fs.File, error) {
	if name != b.name {
		return b.FS.Open(name)
	}
	if b.size == 0 {
		return nil, b.err
	}
	f, err := b.FS.Open(name)
	return brokenFile{f, b}, err
}

type brokenFile struct {
	fs.File
	b broken
}

func (f brokenFile) Stat() (fs.FileInfo, error) { return brokenInfo{f.b}, nil }

type brokenInfo struct{ b broken }

func (i brokenInfo) Name() string       { return "" }
func (i brokenInfo) Size() int64        { return i.b.size }
func (i brokenInfo) Mode() fs.FileMode  { return 0o644 }
func (i brokenInfo) IsDir() bool        { return false }
func (i brokenInfo) Sys() any           { return nil }
func (i brokenInfo) ModTime() time.Time { return time.Time{} }

func TestInspectDistrustsSizes(t *testing.T) {
	t.Parallel()
	const kernel = "usr/lib/modules/6.1.0/vmlinuz"
	for _, c := range []struct {
		name string
		size int64
		want string
	}{
		{"shorter", 1 << 30, "1073741824 bytes, but 6 were read"},
		{"longer", 5, "5 bytes, but 6 were read"},
		{"too long for FAT", 1 << 32, "4294967296 bytes"},
	} {
		_, err := Inspect(broken{FS: bls(nil), name: kernel, size: c.size}, "amd64")
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// A disk that fails says nothing about the image.
func TestReadErrorsAreNoJudgement(t *testing.T) {
	t.Parallel()
	failed := errors.New("input/output error")
	for _, name := range []string{
		"usr/lib/modules/6.1.0/vmlinuz", "usr/lib/modules/6.1.0/initramfs.img", "usr/lib/os-release", "usr/lib/bootc/kargs.d/a.toml",
	} {
		_, err := Inspect(broken{FS: bls(nil), name: name, err: failed}, "amd64")
		if !errors.Is(err, failed) || errors.Is(err, ErrNotBootable) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestInspectDirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.CopyFS(dir, bls(nil)); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(dir, "usr/lib/modules/6.1.0/vmlinuz"), filepath.Join(dir, "usr/lib/k")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../../k", filepath.Join(dir, "usr/lib/modules/6.1.0/vmlinuz")); err != nil {
		t.Fatal(err)
	}
	got, err := Inspect(os.DirFS(dir), "arm64")
	if err != nil {
		t.Fatal(err)
	}
	if got.Kernel.Digest != hexSum("kernelinitramfs") || got.Kargs.String() != "quiet arm" {
		t.Errorf("%+v", got)
	}
}

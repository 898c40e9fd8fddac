package install

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/image"
	"github.com/bootc-go/bootc/image/registrytest"
	"github.com/bootc-go/bootc/install/config"
	"github.com/bootc-go/bootc/install/plan"
	"github.com/bootc-go/bootc/internal/testtool"
)

func TestMain(m *testing.M) {
	if image.Reexec() {
		return
	}
	os.Exit(m.Run())
}

// boundTo are entries of an OS image that is bound to an image.
func boundTo(t *testing.T, name string) []registrytest.Entry {
	t.Helper()
	return append(entries(t),
		registrytest.File("usr/share/containers/systemd/app.container", "[Container]\nImage="+name+"\n"),
		registrytest.Symlink("usr/lib/bootc/bound-images.d/app.container", "/usr/share/containers/systemd/app.container"))
}

// inspect asks podman, with the store of the installed root as an additional one.
func inspect(t *testing.T, root, name string) (string, error) {
	t.Helper()
	base := t.TempDir()
	t.Cleanup(func() { unix.Unmount(base+"/root/overlay", unix.MNT_DETACH) })
	out, err := exec.Command(testtool.Path(t, "podman"), "--root", base+"/root", "--runroot", base+"/run", "--storage-driver", "overlay",
		"--storage-opt", "additionalimagestore="+root+"/ostree/bootc/storage", "image", "inspect", "--format", "{{.Digest}}", name).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// What the image is bound to is on the new host: on a disk, and in file systems.
func TestBoundImages(t *testing.T) {
	t.Parallel()
	reg := registrytest.New(t)
	app := registrytest.Build(t, registrytest.Image{Layers: []registrytest.Layer{{Entries: []registrytest.Entry{registrytest.File("app", "1")}}}})
	reg.Push("app", "v1", app)
	name := reg.Name("app:v1")
	o := options(t, layout(t, boundTo(t, name)), &told{})
	o.Loader, o.Bound, o.Image.InsecureTLS = config.NoLoader, BoundPull, true
	t.Run("disk", func(t *testing.T) {
		t.Parallel()
		file := emptyFile(t, 3*gib)
		if _, err := ToDisk(context.Background(), o, DiskOptions{Path: file, Loopback: true, Filesystem: config.Ext4}); err != nil {
			t.Fatal(err)
		}
		root := partitions(t, file)[plan.Root]
		run(t, "fsck.ext4", "-fn", root)
		if got, err := inspect(t, mounted(t, root), name); err != nil || got != app.Descriptor.Digest.String() {
			t.Errorf("%s, %v", got, err)
		}
	})
	t.Run("file system", func(t *testing.T) {
		t.Parallel()
		root := t.TempDir()
		loopMount(t, "ext4", root)
		if _, err := ToFilesystem(context.Background(), o, FilesystemOptions{Path: root}); err != nil {
			t.Fatal(err)
		}
		if got, err := inspect(t, root, name); err != nil || got != app.Descriptor.Digest.String() {
			t.Errorf("%s, %v", got, err)
		}
	})
	t.Run("skip", func(t *testing.T) {
		t.Parallel()
		root := t.TempDir()
		loopMount(t, "ext4", root)
		o := o
		o.Bound = BoundSkip
		if _, err := ToFilesystem(context.Background(), o, FilesystemOptions{Path: root}); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(filepath.Join(root, "composefs/bootc/storage")); !errors.Is(err, os.ErrNotExist) {
			t.Error(err)
		}
	})
}

// In a container of the image what is missing is known before the disk is touched.
func TestRefusedBeforePartitioning(t *testing.T) {
	t.Parallel()
	unbound := filepath.Join(t.TempDir(), "unbound")
	empty := t.TempDir()
	bare := t.TempDir()
	for dir, files := range map[string]map[string]string{bare: {
		"usr/lib/modules/1/vmlinuz": "k", "usr/lib/modules/1/initramfs.img": "i", "sysroot/.keep": "",
	}, unbound: {
		"boot/.keep": "", "sysroot/.keep": "",
		"usr/lib/modules/1/vmlinuz": "k", "usr/lib/modules/1/initramfs.img": "i",
		"usr/lib/systemd/boot/efi/systemd-bootx64.efi":   "s",
		"usr/share/containers/systemd/app.image":         "[Image]\nImage=quay.test/missing:1\n",
		"usr/lib/bootc/bound-images.d/app.image@symlink": "../../../share/containers/systemd/app.image",
	}} {
		for name, text := range files {
			name, isLink := strings.CutSuffix(filepath.Join(dir, name), "@symlink")
			if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
				t.Fatal(err)
			}
			err := os.WriteFile(name, []byte(text), 0o644)
			if isLink {
				err = errors.Join(os.Remove(name), os.Symlink(text, name))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	source := layout(t, entries(t))
	for _, tt := range []struct {
		name, dir string
		addons    []string
		want      string
	}{
		{"no kernel", empty, nil, "kernel"},
		{"no mount point", bare, nil, "the image has no directory /boot"},
		{"no addon", unbound, []string{"debug"}, `no addon of the unified kernel image is called "debug": the image has no unified kernel image`},
		{"bound image", unbound, nil, "bound image quay.test/missing:1 is not in containers-storage of this system: pull it with podman, or install with --bound-images=pull"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			file := emptyFile(t, 3*gib)
			o := options(t, source, &told{})
			o.Files, o.Bound, o.Addons = os.DirFS(tt.dir), BoundStored, tt.addons
			_, err := ToDisk(context.Background(), o, DiskOptions{Path: file, Loopback: true, Filesystem: config.Ext4})
			if err == nil || errors.Is(err, ErrHalfway) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want …%s", err, tt.want)
			}
			var st unix.Stat_t
			if err := unix.Stat(file, &st); err != nil || st.Blocks != 0 {
				t.Errorf("the disk was written to: %d blocks, %v", st.Blocks, err)
			}
		})
	}
}

package testbase

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/internal/testtool"
)

// inspect returns what skopeo says of the layers of a layout.
func inspect(t *testing.T, layout string) (mediaTypes, diffIDs []string) {
	t.Helper()
	image := "oci:" + layout + ":" + Tag
	var manifest struct{ Layers []struct{ MediaType string } }
	var config struct {
		RootFS struct {
			DiffIDs []string `json:"diff_ids"`
		}
	}
	for _, q := range []struct {
		args []string
		into any
	}{{[]string{"--raw"}, &manifest}, {[]string{"--config", "--raw"}, &config}} {
		args := append(append([]string{"inspect"}, q.args...), image)
		out := run(t, exec.Command(testtool.Path(t, "skopeo"), args...))
		if err := json.Unmarshal([]byte(out), q.into); err != nil {
			t.Fatal(err)
		}
	}
	for _, l := range manifest.Layers {
		mediaTypes = append(mediaTypes, l.MediaType)
	}
	return mediaTypes, config.RootFS.DiffIDs
}

func TestFormats(t *testing.T) {
	_, want := inspect(t, Image(t))
	if len(want) != 4 {
		t.Fatalf("the image has %d layers, want 4", len(want))
	}
	for f, suffix := range map[Format]string{Gzip: "+gzip", Zstd: "+zstd", ZstdChunked: "+zstd", Plain: ".tar"} {
		mediaTypes, got := inspect(t, ImageAs(t, f))
		if strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("%s: diff_ids %v, want %v", f, got, want)
		}
		for _, mt := range mediaTypes {
			if !strings.HasSuffix(mt, suffix) {
				t.Errorf("%s: a layer of type %s", f, mt)
			}
		}
	}
}

func TestTree(t *testing.T) {
	tree := Tree(t)
	for _, pattern := range []string{"usr/lib/modules/*/vmlinuz", "usr/lib/modules/*/initramfs.img", "usr/bin/bash", "sysroot"} {
		if m, _ := filepath.Glob(filepath.Join(tree, pattern)); len(m) != 1 {
			t.Errorf("%s: %d found", pattern, len(m))
		}
	}
	if m, _ := filepath.Glob(filepath.Join(tree, "boot/*")); m != nil {
		t.Errorf("/boot holds %v", m)
	}
	var a, b unix.Stat_t
	odd := filepath.Join(tree, "usr/lib/odd")
	if err := unix.Stat(filepath.Join(odd, "sixty-five"), &a); err != nil {
		t.Fatal(err)
	}
	if err := unix.Stat(filepath.Join(odd, "hard-link"), &b); err != nil {
		t.Fatal(err)
	}
	if a.Ino != b.Ino || a.Nlink != 3 || a.Size != 65 {
		t.Errorf("sixty-five: %d links, %d bytes, same inode: %v", a.Nlink, a.Size, a.Ino == b.Ino)
	}
	if err := unix.Stat(filepath.Join(odd, "null"), &a); err != nil || a.Mode != unix.S_IFCHR|0o600 || a.Rdev != unix.Mkdev(1, 3) {
		t.Errorf("null: mode %o, device %d, %v", a.Mode, a.Rdev, err)
	}
	var value [64]byte
	if n, err := unix.Getxattr(filepath.Join(odd, "large"), "security.capability", value[:]); n != 20 {
		t.Errorf("large: %d bytes of capabilities, %v", n, err)
	}
}

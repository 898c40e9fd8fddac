package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bootc-go/bootc/image/registrytest"
	"github.com/bootc-go/bootc/internal/testtool"
)

// bootc runs the program on the host in root.
func bootc(t *testing.T, root string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	tmp := t.TempDir()
	getenv := func(name string) string { return map[string]string{"TMPDIR": tmp}[name] }
	code = run(context.Background(), &env{stdin: &bytes.Buffer{}, stdout: &out, stderr: &errs, root: root, getenv: getenv}, append([]string{"bootc"}, args...))
	return code, out.String(), errs.String()
}

// validate returns the codes of what is found, in order.
func validate(t *testing.T, args ...string) (code int, found []string) {
	t.Helper()
	code, found, _ = validateAll(t, append([]string{"--oci-only"}, args...)...)
	return code, found
}

// validateAll returns what is printed as well.
func validateAll(t *testing.T, args ...string) (code int, found []string, out string) {
	t.Helper()
	code, stdout, stderr := bootc(t, "/", append([]string{"image", "validate", "--json"}, args...)...)
	var doc struct{ Findings []struct{ Code string } }
	if err := json.Unmarshal([]byte(stdout), &doc); err != nil {
		t.Fatalf("%v: %v %s%s", args, err, stdout, stderr)
	}
	for _, f := range doc.Findings {
		found = append(found, f.Code)
	}
	return code, found, stdout
}

func smallImage(docker bool) registrytest.Image {
	return registrytest.Image{Docker: docker, Layers: []registrytest.Layer{
		{Entries: []registrytest.Entry{registrytest.Dir("etc"), registrytest.File("etc/a", "a")}, Compression: registrytest.Gzip},
		{Entries: []registrytest.Entry{registrytest.Whiteout("etc", "a"), registrytest.File("etc/b", "b")}, Compression: registrytest.Gzip},
	}}
}

// TestValidateTransports: wherever skopeo has put the image, it is read, and what is
// found are the forms that the other transports have.
func TestValidateTransports(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	registrytest.WriteLayout(t, dir+"/l", "1", registrytest.Build(t, smallImage(false)))
	for _, c := range []struct {
		name, ref string
		code      int
		want      []string
	}{
		{"oci", "oci:" + dir + "/copy:1", 0, []string{"index-media-type-missing", "index-platform-missing"}},
		{"oci-archive", "oci-archive:" + dir + "/a.oci:1", 0, []string{"index-media-type-missing", "index-platform-missing"}},
		{"dir", "dir:" + dir + "/d", 0, nil},
		{"docker-archive", "docker-archive:" + dir + "/a.tar:quay.example/acme/os:1", 1, []string{"manifest-media-type", "source-unpacked"}},
		{"containers-storage", "containers-storage:[vfs@" + dir + "/root+" + dir + "/run]quay.example/acme/os:1", 0, []string{"source-unpacked"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), testtool.Path(t, "skopeo"), "--insecure-policy", "copy", "oci:"+dir+"/l:1", c.ref)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v %s", err, out)
			}
			code, found := validate(t, c.ref)
			if diff := cmp.Diff(c.want, found); diff != "" || code != c.code {
				t.Errorf("status %d, want %d: %s", code, c.code, diff)
			}
		})
	}
}

// TestValidateRegistry: images and indexes in a registry, good ones and others.
func TestValidateRegistry(t *testing.T) {
	t.Parallel()
	reg := registrytest.New(t)
	good, docker := registrytest.Build(t, smallImage(false)), registrytest.Build(t, smallImage(true))
	lie := smallImage(false)
	lie.Layers[1].DiffID = good.DiffIDs[0]
	arm := smallImage(false)
	arm.Architecture = "arm64"
	reg.Push("acme/os", "good", good)
	reg.Push("acme/os", "docker", docker)
	reg.Push("acme/os", "lie", registrytest.Build(t, lie))
	reg.Push("acme/os", "index", registrytest.Index(t, good, registrytest.Build(t, arm)))
	reg.Push("acme/os", "bad-index", registrytest.Index(t, good, registrytest.Build(t, func() registrytest.Image { lie.Architecture = "arm64"; return lie }())))
	for _, c := range []struct {
		tag  string
		args []string
		code int
		want []string
	}{
		{"good", nil, 0, nil},
		{"docker", nil, 1, []string{"manifest-media-type"}},
		{"lie", nil, 1, []string{"layer-diff-id"}},
		{"index", nil, 0, nil},
		{"bad-index", nil, 1, []string{"layer-diff-id"}},
		{"bad-index", []string{"--platform", "linux/amd64"}, 0, nil},
		{"bad-index", []string{"--platform", "linux/arm64"}, 1, []string{"layer-diff-id"}},
	} {
		code, found := validate(t, append(c.args, "--tls-verify=false", reg.Name("acme/os:"+c.tag))...)
		if diff := cmp.Diff(c.want, found); diff != "" || code != c.code {
			t.Errorf("%s %v: status %d, want %d: %s", c.tag, c.args, code, c.code, diff)
		}
	}
}

// TestValidateEscape: an archive writes nothing outside its directory.
func TestValidateEscape(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, e := range []registrytest.Entry{
		registrytest.File("../escaped", "x"), registrytest.File(dir+"/escaped", "x"), registrytest.Symlink("blobs", dir),
	} {
		archive := filepath.Join(t.TempDir(), "a.tar")
		if err := writeTemporary(archive, func(w io.Writer) error {
			_, err := w.Write(registrytest.Tar(t, e))
			return err
		}); err != nil {
			t.Fatal(err)
		}
		code, _, stderr := bootc(t, "/", "image", "validate", "oci-archive:"+archive)
		if _, err := os.Lstat(dir + "/escaped"); err == nil {
			t.Errorf("%s: A FILE WAS WRITTEN OUTSIDE", e.Name)
		}
		if code != 1 || !strings.Contains(stderr, "cannot read") {
			t.Errorf("%s: %d %s", e.Name, code, stderr)
		}
	}
}

// bootable is an image that bootc boots, with what change makes of it.
func bootable(change func(*registrytest.Image, *[]registrytest.Entry)) registrytest.Image {
	entries := []registrytest.Entry{
		registrytest.Dir("boot"), registrytest.Dir("sysroot"), registrytest.Dir("usr"), registrytest.Dir("etc"),
		registrytest.File("usr/lib/os-release", "ID=acme"),
		registrytest.File("usr/lib/modules/1/vmlinuz", "kernel"), registrytest.File("usr/lib/modules/1/initramfs.img", "initramfs"),
	}
	im := registrytest.Image{Labels: map[string]string{bootLabel: "1"}}
	if change != nil {
		change(&im, &entries)
	}
	im.Layers = append([]registrytest.Layer{{Entries: entries, Compression: registrytest.Gzip}}, im.Layers...)
	return im
}

// without removes the entry called name.
func without(entries *[]registrytest.Entry, name string) {
	*entries = slices.DeleteFunc(*entries, func(e registrytest.Entry) bool { return strings.TrimSuffix(e.Name, "/") == name })
}

// TestValidateBoot plants what keeps an image from booting, once in each way, and finds
// it and nothing else.
func TestValidateBoot(t *testing.T) {
	t.Parallel()
	type entries = *[]registrytest.Entry
	for _, c := range []struct {
		name   string
		change func(*registrytest.Image, entries)
		code   int
		want   []string
		text   string
	}{
		{"all is well", nil, 0, nil, ""},
		{"no label", func(im *registrytest.Image, _ entries) { im.Labels = nil }, 0, []string{"boot-label"}, "containers.bootc=1"},
		{"no os-release", func(_ *registrytest.Image, e entries) { without(e, "usr/lib/os-release") }, 0, []string{"boot-os-release"}, "os-release"},
		{"no initramfs", func(_ *registrytest.Image, e entries) { without(e, "usr/lib/modules/1/initramfs.img") }, 1, []string{"boot-system"}, "initramfs.img"},
		{"no /sysroot", func(_ *registrytest.Image, e entries) { without(e, "sysroot") }, 1, []string{"boot-tree"}, "/sysroot"},
		{"no /etc", func(_ *registrytest.Image, e entries) { without(e, "etc") }, 1, []string{"boot-etc"}, "/etc"},
		{"a whiteout of /etc", func(im *registrytest.Image, _ entries) {
			im.Layers = []registrytest.Layer{{Entries: []registrytest.Entry{registrytest.File(".wh.etc", "")}}}
		}, 1, []string{"boot-etc"}, "/etc"},
		{"a whiteout of the kernel", func(im *registrytest.Image, _ entries) {
			im.Layers = []registrytest.Layer{{Entries: []registrytest.Entry{registrytest.Whiteout("usr/lib", "modules")}}}
		}, 1, []string{"boot-system"}, "no kernel"},
		{"labels of SELinux", func(_ *registrytest.Image, e entries) {
			(*e)[4] = (*e)[4].Xattr("security.selinux", "system_u:object_r:etc_t:s0")
		}, 0, []string{"boot-xattr"}, "security.selinux"},
		{"a hard link to nothing", func(_ *registrytest.Image, e entries) { *e = append(*e, registrytest.Hardlink("a", "b")) }, 1, []string{"layer-link-absent", "boot-tree"}, "b"},
		{"a Quadlet file in place of a link to one", func(_ *registrytest.Image, e entries) {
			*e = append(*e, registrytest.File("usr/lib/bootc/bound-images.d/a.image", "[Image]\nImage=a"))
		}, 1, []string{"boot-bound-images"}, "symbolic link"},
		{"a bound image with a bad name", func(_ *registrytest.Image, e entries) {
			*e = append(*e, registrytest.File("a", "[Image]\nImage=A/B"), registrytest.Symlink("usr/lib/bootc/bound-images.d/a.image", "/a"))
		}, 1, []string{"boot-bound-images"}, "A/B"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			registrytest.WriteLayout(t, dir+"/l", "1", registrytest.Build(t, bootable(c.change)))
			code, found, out := validateAll(t, "oci:"+dir+"/l:1")
			if diff := cmp.Diff(c.want, found); diff != "" || code != c.code || !strings.Contains(out, c.text) {
				t.Errorf("status %d, want %d: %s\n%s", code, c.code, diff, out)
			}
		})
	}
}

// TestValidateNested: bootc follows an index, and none that is in it.
func TestValidateNested(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	index := registrytest.Index(t, registrytest.Build(t, bootable(nil)))
	registrytest.WriteLayout(t, dir+"/l", "one", index)
	registrytest.WriteLayout(t, dir+"/l", "two", registrytest.Index(t, index))
	if code, found, _ := validateAll(t, "oci:"+dir+"/l:one"); code != 0 || slices.Contains(found, "boot-nested-index") {
		t.Error(code, found)
	}
	if code, found, _ := validateAll(t, "oci:"+dir+"/l:two"); code != 1 || !slices.Contains(found, "boot-nested-index") {
		t.Error(code, found)
	}
}

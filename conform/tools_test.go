package conform

import (
	"archive/tar"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bootc-go/bootc/image/registrytest"
	"github.com/bootc-go/bootc/internal/testbase"
	"github.com/bootc-go/bootc/internal/testtool"
)

// tool runs a tool in dir.
func tool(t *testing.T, dir, name string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), testtool.Path(t, name), args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}

// wantClean checks a layout that others made. Nothing may be wrong with it; what is
// known to be against a SHOULD is listed.
func wantClean(t *testing.T, layout string, images int, known ...Code) {
	t.Helper()
	r := check(t, os.DirFS(layout), Options{})
	for _, f := range r.Findings {
		if f.Severity == Error {
			t.Errorf("%+v", f)
		}
	}
	if diff := cmp.Diff(known, codes(r)); diff != "" {
		t.Errorf("%s\n%+v", diff, r.Findings)
	}
	if len(r.Images) != images {
		t.Errorf("%d images", len(r.Images))
	}
}

// TestDebian checks a real operating system: what umoci made, and what skopeo made of
// that in every compression.
func TestDebian(t *testing.T) {
	t.Parallel()
	for _, f := range []testbase.Format{testbase.Gzip, testbase.Zstd, testbase.ZstdChunked, testbase.Plain} {
		t.Run(string(f), func(t *testing.T) {
			t.Parallel()
			wantClean(t, testbase.ImageAs(t, f), 1, "index-media-type-missing", "index-platform-missing", "layer-whiteout-order", "manifest-media-type-missing")
		})
	}
}

// TestSkopeo checks what we make ourselves, and what skopeo makes of it on the way
// through other forms.
func TestSkopeo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	built := registrytest.Build(t, registrytest.Image{Layers: []registrytest.Layer{{Entries: []registrytest.Entry{registrytest.Dir("etc"), registrytest.File("etc/a", "a")}, Compression: registrytest.Gzip}}})
	registrytest.WriteLayout(t, filepath.Join(dir, "ours"), "1", built)
	tool(t, dir, "skopeo", "copy", "oci:ours:1", "dir:d")
	tool(t, dir, "skopeo", "copy", "dir:d", "oci:from-dir:1")
	tool(t, dir, "skopeo", "copy", "oci:ours:1", "docker-archive:a.tar:acme/os:1")
	tool(t, dir, "skopeo", "copy", "docker-archive:a.tar", "oci:from-archive:1")
	tool(t, dir, "skopeo", "copy", "--multi-arch=all", "oci:ours:1", "oci:from-oci:1")
	wantClean(t, filepath.Join(dir, "ours"), 1)
	for _, name := range []string{"from-dir", "from-archive", "from-oci"} {
		wantClean(t, filepath.Join(dir, name), 1, "index-media-type-missing", "index-platform-missing")
	}
}

// TestUmoci checks an image that umoci makes and changes.
func TestUmoci(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	tool(t, dir, "umoci", "init", "--layout", "l")
	tool(t, dir, "umoci", "new", "--image", "l:1")
	tool(t, dir, "umoci", "insert", "--image", "l:1", "file", "/etc/file")
	tool(t, dir, "umoci", "insert", "--image", "l:1", "--whiteout", "/etc/file")
	tool(t, dir, "umoci", "config", "--image", "l:1", "--config.env", "A=b", "--config.label", "containers.bootc=1")
	tool(t, dir, "umoci", "gc", "--layout", "l")
	wantClean(t, filepath.Join(dir, "l"), 1, "index-media-type-missing", "index-platform-missing", "manifest-media-type-missing")
}

// TestBuildah checks what buildah builds of a Containerfile, with files that one layer
// has and the next has not.
func TestBuildah(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "Containerfile"), []byte(`FROM scratch
LABEL containers.bootc=1 org.opencontainers.image.licenses=MIT
COPY Containerfile /etc/a/one
COPY Containerfile /etc/a/two
ENV A=b
EXPOSE 80
VOLUME /var
STOPSIGNAL SIGRTMIN+3
`), 0o600); err != nil {
		t.Fatal(err)
	}
	global := []string{"--storage-driver=vfs", "--root=" + dir + "/root", "--runroot=" + dir + "/run"}
	for _, compression := range []string{"gzip", "zstd", "zstd:chunked"} {
		name := "l-" + strings.ReplaceAll(compression, ":", "-")
		tool(t, dir, "buildah", append(global, "build", "--isolation=chroot", "--layers", "-t", "x", ".")...)
		tool(t, dir, "buildah", append(global, "push", "--compression-format="+compression, "x", "oci:"+name+":1")...)
		wantClean(t, filepath.Join(dir, name), 1, "index-media-type-missing", "index-platform-missing")
	}
}

// TestSparse has GNU tar write sparse files, in its old form and in that of pax.
func TestSparse(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"gnu", "pax"} {
		dir := t.TempDir()
		f, err := os.Create(filepath.Join(dir, "s"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt([]byte("end"), 1<<20); err != nil {
			t.Fatal(err)
		}
		f.Close()
		tool(t, dir, "tar", "--sparse", "--format="+format, "-cf", "t.tar", "s")
		data, err := os.ReadFile(filepath.Join(dir, "t.tar"))
		if err != nil {
			t.Fatal(err)
		}
		fix := valid()
		fix.layers[2].entries, fix.layers[2].tar = []tar.Header{}, data
		wantCodes(t, check(t, fix.write(t), Options{}), "layer-sparse")
	}
}

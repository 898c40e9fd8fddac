package main

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bootc-go/bootc/internal/testshare"
	"github.com/bootc-go/bootc/internal/testtool"
)

// TestMain lets the test binary be the harness's own subcommands.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && !strings.HasPrefix(os.Args[1], "-") {
		main()
		return
	}
	os.Exit(m.Run())
}

// TestQuick runs the whole harness at its smallest, with all contenders.
func TestQuick(t *testing.T) {
	testshare.SkipUnlessDue(t, 3)
	bootc := filepath.Join(t.TempDir(), "bootc")
	build := exec.CommandContext(t.Context(), "go", "build", "-tags", "containers_image_openpgp", "-o", bootc, "../cmd/bootc")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	dir := t.TempDir()
	var stderr strings.Builder
	b, err := parseFlags([]string{
		"-mode", "quick", "-bootc", bootc, "-dir", dir, "-docs", filepath.Join(dir, "docs"),
		"-mkcomposefs", testtool.Path(t, "mkcomposefs"),
	}, &stderr)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.run(t.Context()); err != nil {
		log, _ := os.ReadFile(filepath.Join(dir, "commands.log"))
		t.Fatalf("%v\n%s\n%s", err, &stderr, log)
	}
	page, err := os.ReadFile(filepath.Join(dir, "performance.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| **podman**", "| **skopeo + umoci**", "| **ostree**", "| **bootc**", "byte for byte", "share of CPU time"} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the report lacks %q:\n%s", want, page)
		}
	}
	if left, _ := os.ReadDir(b.work()); len(left) != 0 {
		t.Errorf("the runs left %v behind", left)
	}
}

// TestServerIsARegistry lets skopeo read an image from the server, whole, and
// checks what the server says it served.
func TestServerIsARegistry(t *testing.T) {
	dir := t.TempDir()
	g := generator{dir: dir}
	p := params{Name: "tiny", Files: 60, Layers: 3, Shrink: 4, Update: true, Seed: 2}
	layout, err := g.image(p)
	if err != nil {
		t.Fatal(err)
	}
	m, err := newMeter(context.Background(), dir, io.Discard) // ends with stop, not with the test's context
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.stop(); err != nil {
			t.Errorf("the server ended with %v", err)
		}
	})
	copied := filepath.Join(dir, "copy")
	for _, tag := range []string{"v1", "v2"} {
		sample, err := m.run(t.Context(), dir, []command{argv(testtool.Path(t, "skopeo"), "copy", "--quiet", "--src-tls-verify=false",
			"docker://"+m.address+"/"+p.repository()+":"+tag, "oci:"+copied+":"+tag)})
		if err != nil {
			t.Fatal(err)
		}
		var sizes int64
		paths, err := layerPaths(layout, tag)
		if err != nil {
			t.Fatal(err)
		}
		if tag == "v2" {
			paths = paths[1:2] // layer 3*3/8 is the one that changed
		}
		for _, path := range paths {
			st, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			sizes += st.Size()
		}
		if got := sample.Served.Bytes; got < sizes || got > sizes+8<<10 {
			t.Errorf("%s: %d bytes served, want those of the layers, %d, and little more", tag, got, sizes)
		}
		if sample.MaxRSS < 5e6 || sample.CPU <= 0 || sample.Wall < sample.CPU/8 || sample.Disk <= 0 {
			t.Errorf("%s: unlikely sample %+v", tag, sample)
		}
	}
	if out, err := exec.CommandContext(t.Context(), "diff", "-r", filepath.Join(layout, "blobs"), filepath.Join(copied, "blobs")).CombinedOutput(); err != nil {
		t.Errorf("the copy differs: %v\n%s", err, out)
	}
}

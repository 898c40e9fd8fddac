//go:build cfsctl

package layers

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bootc-go/bootc/internal/testtool"
)

// TestMakeUpstream compares 400 random stacks with cfsctl 0.9.4, which CI has
// not, and makes testdata/upstream of some that it accepts:
//
//	go test -tags cfsctl,containers_image_openpgp -run TestMakeUpstream ./layers
func TestMakeUpstream(t *testing.T) {
	accepted, kept := 0, 0
	for seed := range uint64(400) {
		stack := repair(t, makeStack(seed, true))
		last := len(stack) - 1
		stack[last] = append(stack[last], directory("usr", 0o755)) // no image without it
		tars := stackTars(t, stack)
		dump, id, err := cfsctlForm(t, tars)
		if err != nil {
			t.Logf("seed %d: %.200v", seed, err)
			continue
		}
		accepted++
		var layers []*memLayer
		for _, data := range tars {
			l, err := importMem(newMemStore(), bytes.NewReader(data), ImportOptions{})
			if err != nil {
				t.Fatal(err)
			}
			layers = append(layers, l)
		}
		ourDump, ourID := upstreamForm(t, layers)
		if diff := cmp.Diff(dump, ourDump); diff != "" || id != ourID {
			t.Fatalf("seed %d: cfsctl (-) and we (+) differ:\n%s\n%s\n%s\n%v", seed, diff, id, ourID, stack)
		}
		if kept < 12 && len(tars) > 2 && len(dump) > 1500 && strings.Contains(fmt.Sprint(stack), whiteoutPrefix) {
			kept++
			keepUpstream(t, fmt.Sprintf("testdata/upstream/stack-%d", seed), tars, dump, id)
		}
	}
	if accepted < 350 {
		t.Errorf("cfsctl accepts only %d stacks", accepted)
	}
}

// cfsctlForm returns the dump and the image id that cfsctl makes of layers.
func cfsctlForm(t *testing.T, tars [][]byte) (dump, id string, err error) {
	t.Helper()
	dir := t.TempDir()
	defer os.RemoveAll(dir) // there are hundreds
	writeLayout(t, filepath.Join(dir, "image"), tars...)
	run := func(args ...string) string {
		if err != nil {
			return ""
		}
		cmd := exec.Command(testtool.Path(t, "cfsctl"), append([]string{"--repo", filepath.Join(dir, "repo")}, args...)...)
		var stderr strings.Builder
		cmd.Stderr = &stderr
		out, runErr := cmd.Output()
		if runErr != nil {
			err = fmt.Errorf("cfsctl %s: %w: %s", args[0], runErr, &stderr)
		}
		return string(out)
	}
	run("init", "--insecure", filepath.Join(dir, "repo"))
	run("oci", "pull", "oci:"+filepath.Join(dir, "image")+":latest", "x")
	dump = run("oci", "dump", "--xattrs", "keep-user-xattrs", "x")
	id = strings.TrimSpace(run("oci", "compute-id", "x"))
	return dump, id, err
}

func keepUpstream(t *testing.T, dir string, tars [][]byte, dump, id string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for i, data := range tars {
		writeFile(t, filepath.Join(dir, fmt.Sprintf("layer-%d.tar.zst", i)), pipe(t, data, "zstd", "-19c"))
	}
	writeFile(t, filepath.Join(dir, "dump"), []byte(dump))
	writeFile(t, filepath.Join(dir, "id"), []byte(id+"\n"))
}

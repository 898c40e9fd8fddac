package layers

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bootc-go/bootc/internal/testtool"
)

// umociUnpack unpacks layers with umoci and lists what comes out.
func umociUnpack(t testing.TB, tars ...[]byte) (listing, error) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Fatal("unpacking owners and devices needs root")
	}
	dir := t.TempDir()
	defer os.RemoveAll(dir) // there are hundreds
	writeLayout(t, filepath.Join(dir, "image"), tars...)
	rootfs := filepath.Join(dir, "rootfs")
	out, err := exec.Command(testtool.Path(t, "umoci"), "raw", "unpack", "--image", filepath.Join(dir, "image")+":latest", rootfs).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("umoci: %w: %s", err, out)
	}
	return listDir(t, rootfs), nil
}

// TestMergeLikeUmoci merges random stacks, in the order in which tools write
// layers, and with the whiteouts anywhere, and wants what umoci unpacks.
func TestMergeLikeUmoci(t *testing.T) {
	t.Parallel()
	refused, excepted := 0, 0
	const stacks = 250
	for seed := range uint64(stacks) {
		stack := makeStack(seed, false)
		if seed%5 != 0 { // most stacks should be merged, not refused
			stack = repair(t, stack)
		}
		tars := stackTars(t, stack)
		want, umociErr := umociUnpack(t, tars...)
		store := newMemStore()
		root, err := mergeTars(t, store, tars...)
		switch {
		case err != nil && umociErr != nil:
			refused++
			continue
		case err != nil && strings.Contains(err.Error(), errNotFound.Error()) && strings.Contains(err.Error(), "hard link"):
			excepted++ // see TestMergeUnlikeUmoci, "a hard link to what the layer hides"
			continue
		case umociErr != nil && strings.Contains(umociErr.Error(), whiteoutPrefix) && strings.Contains(umociErr.Error(), "too many levels"):
			excepted++ // "a whiteout behind a loop of links"
			continue
		case umociErr != nil && strings.Contains(umociErr.Error(), "link: no such file"):
			excepted++ // "a hard link to itself"
			continue
		case err != nil || umociErr != nil:
			t.Fatalf("seed %d: our error: %v\nthat of umoci: %v\n%v", seed, err, umociErr, stack)
		}
		got := listTree(root, store)
		delete(got, "/")
		delete(want, "/")
		forget(got, want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("seed %d: umoci (-) and we (+) differ:\n%s\n%v", seed, diff, stack)
		}
		checkOrders(t, seed, stack, got)
	}
	if refused > stacks/3 || excepted > stacks/20 {
		t.Errorf("of %d stacks %d were refused by both, and %d are exceptions: the test tests too little", stacks, refused, excepted)
	}
	t.Logf("%d stacks, %d refused by both, %d exceptions", stacks, refused, excepted)
}

func stackTars(t testing.TB, stack []stackLayer) (tars [][]byte) {
	t.Helper()
	for _, l := range stack {
		tars = append(tars, l.tar(t))
	}
	return tars
}

var culprit = regexp.MustCompile(`layer sha256:([0-9]+): entry "([^"]+)"`)

// repair takes out of a stack the entries that cannot be merged.
func repair(t testing.TB, stack []stackLayer) []stackLayer {
	t.Helper()
	for {
		_, err := mergeTars(t, newMemStore(), stackTars(t, stack)...)
		if err == nil {
			return stack
		}
		m := culprit.FindStringSubmatch(err.Error())
		if m == nil {
			t.Fatalf("the error names no entry: %v", err)
		}
		i, _ := strconv.Atoi(m[1])
		n := len(stack[i])
		stack[i] = slices.DeleteFunc(stack[i], func(e stackEntry) bool { return strings.TrimSuffix(e.Name, "/") == m[2] })
		if len(stack[i]) == n {
			t.Fatalf("layer %d has no entry %q", i, m[2])
		}
	}
}

// checkOrders merges with the whiteouts in other places.
func checkOrders(t *testing.T, seed uint64, stack []stackLayer, want listing) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 3))
	for range 4 {
		var shuffled []stackLayer
		for _, l := range stack {
			shuffled = append(shuffled, l.shuffled(r))
		}
		store := newMemStore()
		root, err := mergeTars(t, store, stackTars(t, shuffled)...)
		if err != nil {
			t.Fatalf("seed %d, shuffled: %v", seed, err)
		}
		got := listTree(root, store)
		delete(got, "/")
		forget(got, want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("seed %d: shuffled whiteouts make a difference:\n%s\n%v", seed, diff, stack)
		}
	}
}

package image_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/image"
	"github.com/bootc-go/bootc/image/registrytest"
	"github.com/bootc-go/bootc/internal/mounts"
	"github.com/bootc-go/bootc/internal/testtool"
)

// newStore is a store on a file system that is mounted read-only, as /sysroot is.
func newStore(t *testing.T, o image.Options) (s image.Store, store string) {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	return image.Store{Mount: func() (*mounts.View, error) { return mounts.Clone(dir, true) }, Dir: "composefs/bootc/storage", Options: o}, dir + "/composefs/bootc/storage"
}

// patient are options for another process, which has the real clock.
func patient(s *system) image.Options {
	o := s.options()
	o.Clock, o.Retry = nil, image.Retry{Attempts: 2, Base: time.Millisecond, Stall: time.Minute}
	return o
}

func appImage(t *testing.T, what string) *registrytest.Built {
	t.Helper()
	return registrytest.Build(t, registrytest.Image{Layers: []registrytest.Layer{
		{Entries: []registrytest.Entry{registrytest.File("base", "the same for all")}, Compression: registrytest.Gzip},
		{Entries: []registrytest.Entry{registrytest.File("app/what", what)}, Compression: registrytest.Zstd},
	}})
}

// podman runs podman with the store as an additional one, as docs/howto/bound-images.md
// has it.
func podman(t *testing.T, store string, args ...string) (string, error) {
	t.Helper()
	base := t.TempDir()
	all := append([]string{"--root", base + "/root", "--runroot", base + "/run", "--storage-driver", "overlay", "--storage-opt", "additionalimagestore=" + store}, args...)
	cmd := exec.Command(testtool.Path(t, "podman"), all...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	t.Cleanup(func() { unix.Unmount(base+"/root/overlay", unix.MNT_DETACH) })
	if err != nil {
		return stderr.String(), err
	}
	return string(out), nil
}

func mustPodman(t *testing.T, store string, args ...string) string {
	t.Helper()
	out, err := podman(t, store, args...)
	if err != nil {
		t.Fatalf("podman %q: %v\n%s", args, err, out)
	}
	return out
}

// What was pulled is there for podman, by tag and by digest, of an index, too, with the
// files of the image; nothing of the host is written but the store.
func TestStorePull(t *testing.T) {
	t.Parallel()
	reg := registrytest.New(t)
	one, two := appImage(t, "one"), appImage(t, "two")
	reg.Push("app/one", "v1", one)
	index := registrytest.Index(t, two)
	reg.Push("app/two", "v2", index)
	sys := newSystem(t, reg)
	s, dir := newStore(t, patient(sys))
	tagged, digested := reg.Name("app/one:v1"), reg.Name("app/two@"+index.Descriptor.Digest.String())
	if err := s.Pull(t.Context(), []string{tagged, digested, tagged}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]struct{ digest, what string }{
		tagged: {one.Descriptor.Digest.String(), "one"}, digested: {index.Descriptor.Digest.String(), "two"},
	} {
		var doc []struct{ RepoDigests []string }
		if err := json.Unmarshal([]byte(mustPodman(t, dir, "image", "inspect", name)), &doc); err != nil || len(doc) != 1 {
			t.Fatal(doc, err)
		}
		if !strings.Contains(strings.Join(doc[0].RepoDigests, " "), "@"+want.digest) {
			t.Errorf("%s: digests %q, want %s", name, doc[0].RepoDigests, want.digest)
		}
		out := filepath.Join(t.TempDir(), "oci")
		mustPodman(t, dir, "save", "--quiet", "--format", "oci-dir", "--output", out, name)
		const script = `cd "$1/blobs/sha256" && jq -r '.layers[].digest' "$(jq -r '.manifests[0].digest' ../../index.json | cut -d: -f2)" | cut -d: -f2 |
			while read -r l; do { zcat "$l" 2>/dev/null || zstdcat "$l" 2>/dev/null || cat "$l"; } | tar xO; done`
		if got := string(tool(t, "sh", "-c", script, "sh", out)); got != "the same for all"+want.what {
			t.Errorf("%s: files %q", name, got)
		}
	}
	if got, err := os.ReadDir(filepath.Dir(dir)); err != nil || len(got) != 1 {
		t.Error(got, err)
	}
	left, err := filepath.Glob("/run/.bootc-store-*/root/*")
	if err != nil || len(left) > 0 {
		t.Errorf("others see the store: %q, %v", left, err)
	}
}

// What would be fetched is told beforehand: each layer once, those that are here not. The
// store is as it was, or not there.
func TestStoreNeed(t *testing.T) {
	t.Parallel()
	reg := registrytest.New(t)
	one, two := appImage(t, "one"), appImage(t, "two")
	reg.Push("app/one", "v1", one)
	reg.Push("app/two", "v1", two)
	s, dir := newStore(t, patient(newSystem(t, reg)))
	dir = strings.TrimSuffix(dir, "/"+s.Dir)
	names := []string{reg.Name("app/one:v1"), reg.Name("app/two:v1")}
	size := func(b *registrytest.Built, layer int) int64 { return b.Layers[layer].Size }
	need := func(want ...image.StoreNeed) {
		t.Helper()
		before := tool(t, "find", dir, "-printf", "%P %s %C@ %A@\n")
		got, err := s.Need(t.Context(), append(names, names[0]))
		if err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(string(before), string(tool(t, "find", dir, "-printf", "%P %s %C@ %A@\n"))); diff != "" {
			t.Errorf("it wrote: %s", diff)
		}
	}
	need(image.StoreNeed{Name: names[0], Bytes: size(one, 0) + size(one, 1)}, image.StoreNeed{Name: names[1], Bytes: size(two, 1)})
	if err := s.Pull(t.Context(), names[:1]); err != nil {
		t.Fatal(err)
	}
	need(image.StoreNeed{Name: names[0], Here: true}, image.StoreNeed{Name: names[1], Bytes: size(two, 1)})
	if err := s.Pull(t.Context(), names); err != nil {
		t.Fatal(err)
	}
	reg.Inject(registrytest.Fault{Do: registrytest.Status(500)}) // nobody asks it
	need(image.StoreNeed{Name: names[0], Here: true}, image.StoreNeed{Name: names[1], Here: true})
	if _, err := s.Need(t.Context(), []string{reg.Name("missing:v1")}); !errors.Is(err, image.ErrNotFound) && !errors.Is(err, image.ErrUnavailable) {
		t.Error(err)
	}
}

// An image that is here is not asked for: hosts without a network stay upgradable.
func TestStorePullOnce(t *testing.T) {
	t.Parallel()
	reg := registrytest.New(t)
	reg.Push("app", "v1", appImage(t, "one"))
	s, _ := newStore(t, patient(newSystem(t, reg)))
	for range 2 {
		if err := s.Pull(t.Context(), []string{reg.Name("app:v1")}); err != nil {
			t.Fatal(err)
		}
		reg.Inject(registrytest.Fault{Do: registrytest.Status(500)})
	}
}

func TestStorePullFails(t *testing.T) {
	t.Parallel()
	reg := registrytest.New(t)
	reg.Push("app", "v1", appImage(t, "one"))
	sys := newSystem(t, reg)
	s, dir := newStore(t, patient(sys))
	missing := reg.Name("missing:v1")
	err := s.Pull(t.Context(), []string{reg.Name("app:v1"), missing})
	checkError(t, err, image.ErrNotFound, "bound image "+missing+": registry "+reg.Addr()+" has no "+missing+": manifest unknown")
	if out := mustPodman(t, dir, "images", "--format", "{{.Repository}}"); strings.TrimSpace(out) != reg.Name("app") {
		t.Errorf("in the store: %q", out)
	}
	sys.write("etc/containers/policy.json", `{"default":[{"type":"reject"}]}`)
	reg.Push("other", "v1", appImage(t, "two"))
	if err := s.Pull(t.Context(), []string{reg.Name("other:v1")}); !errors.Is(err, image.ErrSignature) {
		t.Error(err)
	}
	if err := s.Pull(t.Context(), []string{"not a name"}); err == nil {
		t.Error("a name with spaces")
	}
}

// A context that ends stops the process, and the next pull finishes the work.
func TestStorePullInterrupted(t *testing.T) {
	t.Parallel()
	reg := registrytest.New(t)
	built := appImage(t, "one")
	reg.Push("app", "v1", built)
	reg.Inject(registrytest.Fault{Path: built.Layers[1].Digest.String(), Do: registrytest.Hang()})
	s, dir := newStore(t, patient(newSystem(t, reg)))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Pull(ctx, []string{reg.Name("app:v1")}) }()
	for reg.Held() == 0 {
		select {
		case err := <-done:
			t.Fatal("ended before it was interrupted:", err)
		case <-time.After(time.Millisecond):
		}
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	reg.Heal()
	if err := s.Pull(t.Context(), []string{reg.Name("app:v1")}); err != nil {
		t.Fatal(err)
	}
	mustPodman(t, dir, "image", "inspect", reg.Name("app:v1"))
}

func TestStorePrune(t *testing.T) {
	t.Parallel()
	reg := registrytest.New(t)
	var names []string
	for _, n := range []string{"a", "b", "c"} {
		reg.Push(n, "v1", appImage(t, n))
		names = append(names, reg.Name(n+":v1"))
	}
	s, dir := newStore(t, patient(newSystem(t, reg)))
	if err := s.Pull(t.Context(), names); err != nil {
		t.Fatal(err)
	}
	for _, dryRun := range []bool{true, false} {
		removed, err := s.Prune(t.Context(), names[:1], dryRun)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(names[1:], removed); diff != "" {
			t.Error(diff)
		}
	}
	if out := mustPodman(t, dir, "images", "--format", "{{.Repository}}"); strings.TrimSpace(out) != reg.Name("a") {
		t.Errorf("in the store: %q", out)
	}
	if removed, err := s.Prune(t.Context(), names[:1], false); len(removed) > 0 || err != nil {
		t.Error(removed, err)
	}
}

// What podman pulled on the system that installs comes over whole, under its digest, and
// no registry is asked.
func TestStoreLocal(t *testing.T) {
	reg := registrytest.New(t)
	built := appImage(t, "one")
	reg.Push("app", "v1", built)
	base := t.TempDir()
	conf := filepath.Join(base, "storage.conf")
	if err := os.WriteFile(conf, []byte("[storage]\ndriver = \"overlay\"\ngraphroot = \""+base+"/root\"\nrunroot = \""+base+"/run\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("CONTAINERS_STORAGE_CONF", conf)
	t.Cleanup(func() { unix.Unmount(base+"/root/overlay", unix.MNT_DETACH) })
	name := reg.Name("app@" + built.Descriptor.Digest.String())
	tool(t, "podman", "pull", "--tls-verify=false", "--signature-policy", writePolicy(t, base), name)
	reg.Inject(registrytest.Fault{Do: registrytest.Status(500)})
	s, dir := newStore(t, patient(newSystem(t, reg)))
	s.Local = true
	if err := s.Check(t.Context(), []string{name}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Pull(t.Context(), []string{name}); err != nil {
			t.Fatal(err)
		}
	}
	if out := mustPodman(t, dir, "image", "inspect", "--format", "{{.Digest}}", name); strings.TrimSpace(out) != built.Descriptor.Digest.String() {
		t.Errorf("digest %q", out)
	}
	if out := mustPodman(t, dir, "image", "tree", name); strings.Count(out, "── ID: ") != 2 {
		t.Errorf("layers: %s", out)
	}
	missing := reg.Name("missing:v1")
	for _, err := range []error{s.Check(t.Context(), []string{name, missing}), s.Pull(t.Context(), []string{missing})} {
		if !errors.Is(err, image.ErrNotStored) || !strings.Contains(err.Error(), missing) {
			t.Error(err)
		}
	}
}

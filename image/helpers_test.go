package image_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/bootc-go/bootc/image"
	"github.com/bootc-go/bootc/image/registrytest"
	"github.com/bootc-go/bootc/internal/testtool"
)

const acceptAll = `{"default":[{"type":"insecureAcceptAnything"}]}`

// system is a root directory with the configuration of containers' tools.
type system struct {
	t    *testing.T
	root string
	regs []*registrytest.Registry
}

// newSystem accepts all images, and plain http from the registries.
func newSystem(t *testing.T, regs ...*registrytest.Registry) *system {
	t.Helper()
	s := &system{t, t.TempDir(), regs}
	s.write("etc/containers/policy.json", acceptAll)
	var conf strings.Builder
	for _, r := range regs {
		fmt.Fprintf(&conf, "[[registry]]\nlocation = %q\ninsecure = true\n", r.Addr())
	}
	s.write("etc/containers/registries.conf", conf.String())
	return s
}

// writePolicy writes a policy that accepts all into dir.
func writePolicy(t testing.TB, dir string) string {
	t.Helper()
	file := filepath.Join(dir, "policy.json")
	if err := os.WriteFile(file, []byte(acceptAll), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func (s *system) path(p string) string { return filepath.Join(s.root, p) }

func (s *system) write(p, content string) {
	s.t.Helper()
	if err := os.MkdirAll(filepath.Dir(s.path(p)), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(s.path(p), []byte(content), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// options are for this root, with waits that take no time.
func (s *system) options() image.Options {
	return image.Options{
		Root: s.root, OS: "linux", Arch: "amd64", UserAgent: "bootc/1.2.3",
		Clock: &quickClock{regs: s.regs},
		Retry: image.Retry{Stall: 250 * time.Millisecond, Jitter: func(d time.Duration) time.Duration { return d }},
	}
}

// quickClock sleeps no longer than it must and notes how long it should have.
type quickClock struct {
	regs []*registrytest.Registry

	mu    sync.Mutex
	slept []time.Duration
}

func (*quickClock) Now() time.Time { return time.Now() }

// AfterFunc calls f after d, but not before a registry is silent on purpose.
func (c *quickClock) AfterFunc(d time.Duration, f func()) image.Timer {
	t := &patientTimer{d: d}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.timer = time.AfterFunc(d, func() {
		if t.due(c.regs) {
			f()
		}
	})
	return t
}

// patientTimer is a timer that waits again if no registry holds a request.
type patientTimer struct {
	mu      sync.Mutex
	d       time.Duration
	timer   *time.Timer
	stopped bool
}

func (t *patientTimer) due(regs []*registrytest.Registry) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stopped || slices.ContainsFunc(regs, func(r *registrytest.Registry) bool { return r.Held() > 0 }) {
		return !t.stopped
	}
	t.timer.Reset(t.d)
	return false
}

func (t *patientTimer) Stop() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stopped = true
	return t.timer.Stop()
}

func (t *patientTimer) Reset(d time.Duration) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stopped = false
	return t.timer.Reset(d)
}

func (c *quickClock) Sleep(ctx context.Context, d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.slept = append(c.slept, d)
	return ctx.Err()
}

// slept returns the waits so far.
func slept(t *testing.T, o image.Options) []time.Duration {
	t.Helper()
	c, ok := o.Clock.(*quickClock)
	if !ok {
		t.Fatalf("the clock is a %T", o.Clock)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.slept)
}

func parse(t *testing.T, s string) image.Reference {
	t.Helper()
	ref, err := image.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

// open opens the image or fails the test.
func open(t *testing.T, ref string, o image.Options) *image.Image {
	t.Helper()
	im, err := image.Open(t.Context(), parse(t, ref), o)
	if err != nil {
		t.Fatalf("open %s: %v", ref, err)
	}
	t.Cleanup(func() { im.Close() })
	return im
}

// openError returns the error of opening.
func openError(t *testing.T, ref string, o image.Options) error {
	t.Helper()
	im, err := image.Open(t.Context(), parse(t, ref), o)
	if err == nil {
		im.Close()
		t.Fatalf("%s was opened", ref)
	}
	return err
}

// readLayer reads layer i to its end.
func readLayer(ctx context.Context, im *image.Image, i int) ([]byte, error) {
	r, err := im.OpenLayer(ctx, i)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// checkError wants the class and the whole sentence.
func checkError(t *testing.T, err error, kind error, text string) {
	t.Helper()
	if kind != nil && !errors.Is(err, kind) {
		t.Errorf("the error is not of the class %q: %v", kind, err)
	}
	if err == nil || err.Error() != text {
		t.Errorf("error\n got %v\nwant %s", err, text)
	}
}

// checkImage compares an opened image with what was built.
func checkImage(t *testing.T, im *image.Image, want *registrytest.Built) {
	t.Helper()
	if !bytes.Equal(im.Manifest, want.Manifest) || im.ManifestDigest != want.Descriptor.Digest || im.ManifestType != want.Descriptor.MediaType {
		t.Errorf("manifest %s %s\n%s\nwant %s", im.ManifestType, im.ManifestDigest, im.Manifest, want.Manifest)
	}
	if !bytes.Equal(im.Config, want.Config) || im.ConfigDigest != digest.FromBytes(want.Config) {
		t.Errorf("config %s\n%s\nwant %s", im.ConfigDigest, im.Config, want.Config)
	}
	if len(im.Layers) != len(want.Layers) {
		t.Fatalf("%d layers, want %d", len(im.Layers), len(want.Layers))
	}
	for i, l := range im.Layers {
		if l.Digest != want.Layers[i].Digest || l.DiffID != want.DiffIDs[i] || l.Size != want.Layers[i].Size || l.MediaType != want.Layers[i].MediaType {
			t.Errorf("layer %d: %+v, want %+v", i, l, want.Layers[i])
		}
		got, err := readLayer(t.Context(), im, i)
		if err != nil || !bytes.Equal(got, want.Blobs[l.Digest]) {
			t.Errorf("layer %d: %d bytes, %v", i, len(got), err)
		}
	}
}

// osImage is an image of three layers, the second of which is large enough to
// be interrupted.
func osImage(t *testing.T) *registrytest.Built {
	t.Helper()
	return registrytest.Build(t, osSpec())
}

func osSpec() registrytest.Image {
	return registrytest.Image{Layers: []registrytest.Layer{
		{Entries: []registrytest.Entry{registrytest.Dir("etc"), registrytest.File("etc/motd", "hello\n")}, Compression: registrytest.Gzip},
		{Entries: []registrytest.Entry{registrytest.File("usr/big", registrytest.Random(1, 300_000))}, Compression: registrytest.Zstd},
		{Entries: []registrytest.Entry{registrytest.Whiteout("etc", "motd")}},
	}}
}

// short is how messages write a digest.
func short(d digest.Digest) string { return string(d[:19]) }

// tool runs one of the tools we are compared with.
func tool(t *testing.T, name string, args ...string) []byte {
	t.Helper()
	var stderr bytes.Buffer
	cmd := exec.Command(testtool.Path(t, name), args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, &stderr)
	}
	return out
}

func skopeo(t *testing.T, args ...string) []byte {
	t.Helper()
	return tool(t, "skopeo", append([]string{"--insecure-policy", "--tmpdir=" + t.TempDir()}, args...)...)
}

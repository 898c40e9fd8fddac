package image_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bootc-go/bootc/image"
	"github.com/bootc-go/bootc/image/registrytest"
	"github.com/bootc-go/bootc/internal/progress"
)

// patience is within what time an operation must end once it is cancelled. It
// is long for the sake of slow machines; the waits of the retries are longer still.
const patience = 5 * time.Minute

// slowOptions really wait, and long.
func slowOptions(sys *system) image.Options {
	o := sys.options()
	o.Clock = nil
	o.Retry = image.Retry{Base: time.Hour, Max: time.Hour, Obey: 2 * time.Hour, Stall: time.Hour}
	return o
}

// pull opens the image and reads all layers at once.
func pull(ctx context.Context, ref image.Reference, o image.Options) error {
	im, err := image.Open(ctx, ref, o)
	if err != nil {
		return err
	}
	defer im.Close()
	errs := make([]error, len(im.Layers))
	var wg sync.WaitGroup
	for i := range im.Layers {
		wg.Go(func() { _, errs[i] = readLayer(ctx, im, i) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// TestCancel stops pulls at random moments, in all the states that a registry
// can bring them into.
func TestCancel(t *testing.T) {
	built := osImage(t)
	layer := built.Layers[1].Digest.String()
	for name, fault := range map[string]registrytest.Fault{
		"none":              {Path: "nothing"},
		"ping hangs":        {Path: "/v2/", Do: registrytest.Hang()},
		"manifest hangs":    {Path: "/manifests/", Do: registrytest.Hang()},
		"manifest broken":   {Path: "/manifests/", Do: registrytest.Status(500)},
		"manifest too busy": {Path: "/manifests/", Do: registrytest.Status(429, "Retry-After", "3600")},
		"layer hangs":       {Path: layer, Do: registrytest.Hang()},
		"layer stalls":      {Path: layer, Do: registrytest.Stall(1000)},
		"layer drops":       {Path: layer, Do: registrytest.Drop(1000)},
		"layer too busy":    {Path: layer, Do: registrytest.Status(503, "Retry-After", "3600")},
		"layer slow":        {Path: layer, Do: registrytest.Delay(20 * time.Millisecond)},
	} {
		t.Run(name, func(t *testing.T) {
			reg := registrytest.New(t, registrytest.WithBearer("u", "p"))
			reg.Push("acme/os", "44", built)
			sys := newSystem(t, reg)
			sys.write("etc/ostree/auth.json", authJSON(reg.Addr(), "u", "p"))
			reg.Inject(fault)
			before := runtime.NumGoroutine()
			for range 6 {
				cancelSomewhere(t, parse(t, reg.Name("acme/os:44")), slowOptions(sys))
			}
			checkGoroutines(t, before)
		})
	}
}

func cancelSomewhere(t *testing.T, ref image.Reference, o image.Options) {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	because := errors.New("the user pressed Ctrl-C")
	done := make(chan error, 1)
	go func() { done <- pull(ctx, ref, o) }()
	time.Sleep(rand.N(60 * time.Millisecond))
	cancel(because)
	select {
	case err := <-done:
		if err != nil && !errors.Is(err, because) {
			t.Errorf("the error is not the reason of the cancellation: %v", err)
		}
	case <-time.After(patience):
		t.Error("the pull goes on after it was cancelled")
		<-done
	}
}

// checkGoroutines wants no more goroutines than before, after a while.
func checkGoroutines(t *testing.T, before int) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		if runtime.NumGoroutine() <= before || !busy() {
			return
		}
		if time.Now().After(deadline) {
			buf := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// busy reports whether a goroutine runs code of this package or of an HTTP
// client; servers of other tests do not count.
func busy() bool {
	buf := make([]byte, 1<<20)
	stacks := strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n")
	return slices.ContainsFunc(stacks[1:], func(s string) bool {
		return strings.Contains(s, "bootc/image.") || strings.Contains(s, "(*persistConn)")
	})
}

// TestCloseEarly: a stream that is closed lets go of its connection, even of an
// endless one, and reads no more.
func TestCloseEarly(t *testing.T) {
	t.Parallel()
	reg := registrytest.New(t)
	built := osImage(t)
	reg.Push("acme/os", "44", built)
	reg.Inject(registrytest.Fault{Path: built.Layers[1].Digest.String(), Do: registrytest.Stall(5000)})
	im := open(t, reg.Name("acme/os:44"), slowOptions(newSystem(t, reg)))
	r, err := im.OpenLayer(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(r, make([]byte, 5000)); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	r.Close()
	if d := time.Since(start); d > patience {
		t.Errorf("Close took %s", d)
	}
	if n, err := r.Read(make([]byte, 1)); n != 0 || err == nil || errors.Is(err, io.EOF) {
		t.Errorf("read after close: %d, %v", n, err)
	}
}

// TestParallel reads all layers many times at once, while the registry drops
// connections.
func TestParallel(t *testing.T) {
	t.Parallel()
	reg := registrytest.New(t)
	built := osImage(t)
	reg.Push("acme/os", "44", built)
	reg.Inject(registrytest.Fault{Path: "/blobs/", Skip: 1, Times: 20, Do: registrytest.Drop(80_000)})
	o := newSystem(t, reg).options()
	o.Retry.Attempts = 30
	im := open(t, reg.Name("acme/os:44"), o)
	var wg sync.WaitGroup
	for range 8 {
		for i, l := range im.Layers {
			wg.Go(func() {
				if got, err := readLayer(t.Context(), im, i); err != nil || !bytes.Equal(got, built.Blobs[l.Digest]) {
					t.Errorf("layer %d: %d bytes, %v", i, len(got), err)
				}
			})
		}
	}
	wg.Wait()
}

func TestNoSuchLayer(t *testing.T) {
	t.Parallel()
	reg := registrytest.New(t)
	reg.Push("acme/os", "44", osImage(t))
	im := open(t, reg.Name("acme/os:44"), newSystem(t, reg).options())
	for _, i := range []int{-1, 3} {
		if r, err := im.OpenLayer(t.Context(), i); err == nil {
			r.Close()
			t.Errorf("layer %d was opened", i)
		}
	}
}

// TestProgress: a layer's events tell all of its bytes, once, and why it takes
// longer.
func TestProgress(t *testing.T) {
	t.Parallel()
	reg := registrytest.New(t)
	spec := osSpec()
	spec.Layers[1].Entries[0] = registrytest.File("usr/big", registrytest.Random(2, 3<<20))
	built := registrytest.Build(t, spec)
	reg.Push("acme/os", "44", built)
	layer := built.Layers[1]
	reg.Inject(registrytest.Fault{Path: layer.Digest.String(), Times: 1, Do: registrytest.Drop(1 << 20)})
	var events []progress.Event
	o := newSystem(t, reg).options()
	o.Progress = func(e progress.Event) { events = append(events, e) }
	im := open(t, reg.Name("acme/os:44"), o)
	if _, err := readLayer(t.Context(), im, 1); err != nil {
		t.Fatal(err)
	}
	if len(events) < 6 || len(events) > 20 {
		t.Errorf("%d events", len(events))
	}
	checkLife(t, events, layer.Digest.String(), layer.Size)
	i := slices.IndexFunc(events, func(e progress.Event) bool { return e.Kind == progress.Message })
	want := "layer 2 of 3 (" + short(layer.Digest) + "): registry " + reg.Addr() + " broke off after 1,048,576 of "
	if i < 0 || !strings.HasPrefix(events[i].Text, want) || !strings.HasSuffix(events[i].Text, " bytes; trying again in 1s") {
		t.Errorf("message %q", events[max(i, 0)].Text)
	}
}

func checkLife(t *testing.T, events []progress.Event, task string, size int64) {
	t.Helper()
	last := int64(-1)
	for i, e := range slices.DeleteFunc(slices.Clone(events), func(e progress.Event) bool { return e.Kind == progress.Message }) {
		if e.Task != task || e.Text != "layer 2 of 3" || e.Total != size || e.Unit != progress.Bytes {
			t.Errorf("event %d: %+v", i, e)
		}
		if (e.Kind == progress.Started) != (i == 0) || e.Done <= last && e.Kind == progress.Advanced {
			t.Errorf("event %d after %d bytes: %+v", i, last, e)
		}
		last = e.Done
	}
	if e := events[len(events)-1]; e.Kind != progress.Done || e.Done != size {
		t.Errorf("last event %+v", e)
	}
}

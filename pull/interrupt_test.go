package pull_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/bootc-go/bootc/composefs/repo"
	"github.com/bootc-go/bootc/image/registrytest"
	"github.com/bootc-go/bootc/internal/progress"
)

// manyLayers is an image that takes long enough to be interrupted.
func (w *world) manyLayers() {
	w.Helper()
	var ls []registrytest.Layer
	for i := range 10 {
		ls = append(ls, gzLayer(files(fmt.Sprint("d", i), uint64(i), 20, 8000)...))
	}
	w.push("1", ls...)
}

// TestCancel stops pulls at random points, in the middle of a layer mostly.
func TestCancel(t *testing.T) {
	w := newWorld(t)
	w.manyLayers()
	want := w.control("1")
	events := w.countEvents()
	rng := rand.New(rand.NewPCG(1, 2))
	stopped := 0
	for range 25 {
		p := newPuller(t, newRepo(t))
		ctx, cancel := context.WithCancel(t.Context())
		left := atomic.Int64{}
		left.Store(rng.Int64N(events))
		p.progress = func(progress.Event) {
			if left.Add(-1) < 0 {
				cancel()
			}
		}
		_, err := p.pull(ctx, w.name("1"), "1")
		cancel()
		if err != nil {
			stopped++
			if !errors.Is(err, context.Canceled) {
				t.Errorf("a cancelled pull says: %v", err)
			}
			p.progress = nil
			w.afterInterruption(p, want)
		}
	}
	if stopped < 10 {
		t.Errorf("only %d of 25 pulls were stopped", stopped)
	}
}

// countEvents is the number of progress events of a whole pull.
func (w *world) countEvents() int64 {
	w.Helper()
	p := newPuller(w.T, newRepo(w.T))
	var n atomic.Int64
	p.progress = func(progress.Event) { n.Add(1) }
	p.mustPull(w.T, w.name("1"), "1")
	return n.Load()
}

// afterInterruption requires that what a stopped pull left is clean, that
// another pull completes it to the same as one that was never stopped, and that
// nothing remains once the image is garbage.
func (w *world) afterInterruption(p *puller, want map[string]any) {
	w.Helper()
	fsckClean(w.T, p.repo)
	p.mustPull(w.T, w.name("1"), "1")
	fsckClean(w.T, p.repo)
	gc(w.T, p.repo) // temporary files of a process that was killed
	sameListing(w.T, "compared with a pull that was never stopped", want, listing(w.T, p.repo))
}

// TestKill kills the pulling process, and interrupts it as Ctrl-C does.
func TestKill(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGINT} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.manyLayers()
			want := w.control("1")
			whole := w.timeChild()
			rng := rand.New(rand.NewPCG(3, uint64(sig)))
			for range 12 {
				w.killAfter(sig, time.Duration(rng.Int64N(int64(whole))), want)
			}
		})
	}
}

// timeChild is how long a pull by another process takes.
func (w *world) timeChild() time.Duration {
	w.Helper()
	dir := filepath.Join(w.TempDir(), "repo")
	openRepo(w.T, dir).Close()
	start := time.Now()
	cmd, stderr := job{Repo: dir, Root: w.root, Steps: []string{"pull " + w.name("1") + " 1"}}.start(w.T)
	if err := cmd.Wait(); err != nil {
		w.Fatal(err, stderr)
	}
	return time.Since(start)
}

// endedByItself reports whether a process that was interrupted ended in order,
// or before it could know what an interrupt is.
func endedByItself(cmd *exec.Cmd) bool {
	status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && (status.ExitStatus() == 1 || status.Signal() == syscall.SIGINT)
}

func (w *world) killAfter(sig syscall.Signal, d time.Duration, want map[string]any) {
	w.Helper()
	dir := filepath.Join(w.TempDir(), "repo")
	openRepo(w.T, dir).Close()
	cmd, stderr := job{Repo: dir, Root: w.root, Steps: []string{"pull " + w.name("1") + " 1"}}.start(w.T)
	time.Sleep(d)
	_ = cmd.Process.Signal(sig) // it may have ended
	err := cmd.Wait()
	if sig == syscall.SIGINT && err != nil && !endedByItself(cmd) {
		w.Errorf("interrupted after %s it ended with %v: %s", d, err, stderr)
	}
	r, err := repo.Open(w.Context(), dir, repo.OpenOptions{})
	if err != nil {
		w.Fatal(err)
	}
	defer r.Close()
	p := newPuller(w.T, r)
	w.afterInterruption(p, want)
	if err := os.RemoveAll(filepath.Join(dir, "streams/refs/oci")); err != nil {
		w.Fatal(err)
	}
	nothingLeft(w.T, r)
}

package repo

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// heldExclusively reports whether path could not be locked shared, as another
// program would.
func heldExclusively(t *testing.T, path string) bool {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	mustNil(t, err)
	defer unix.Close(fd)
	return errors.Is(unix.Flock(fd, unix.LOCK_SH|unix.LOCK_NB), unix.EWOULDBLOCK)
}

func TestGCWaitsForOthers(t *testing.T) {
	r := newRepo(t, 0)
	other := openRepo(t, r.Path(), OpenOptions{})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := r.GC(ctx, GCOptions{})
	wantError(t, err, context.DeadlineExceeded)
	if _, err := r.GC(t.Context(), GCOptions{DryRun: true}); err != nil {
		t.Errorf("a dry run needs no lock: %v", err)
	}

	d := put(t, other.NewImporter(), []byte("not yet named"))
	done := make(chan GCResult)
	go func() { done <- gc(t, r) }()
	time.Sleep(20 * time.Millisecond)
	if ok, _ := other.HasObject(d); !ok {
		t.Error("the object is gone while the repository is open")
	}
	other.Close()
	if res := <-done; res.ObjectsRemoved != 1 {
		t.Errorf("result %+v", res)
	}
	if heldExclusively(t, r.Path()) {
		t.Error("the lock is still exclusive")
	}
}

// TestLocks sees from outside what the repository holds.
func TestLocks(t *testing.T) {
	r := newRepo(t, 0)
	if heldExclusively(t, r.Path()) {
		t.Error("an open repository is locked exclusively")
	}
	err := r.exclusively(t.Context(), func() error {
		if !heldExclusively(t, r.Path()) {
			t.Error("not locked exclusively")
		}
		return nil
	})
	mustNil(t, err)

	fd, err := unix.Open(r.Path(), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	mustNil(t, err)
	defer unix.Close(fd)
	if err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); !errors.Is(err, unix.EWOULDBLOCK) {
		t.Errorf("others can lock it exclusively while it is open: %v", err)
	}
	r.Close()
	if err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); err != nil {
		t.Errorf("others cannot lock it after Close: %v", err)
	}
}

// TestCollectorsDoNotDeadlock: several programs that have the repository open
// want it for themselves. Each gives up its shared lock to wait, so all get
// their turn.
func TestCollectorsDoNotDeadlock(t *testing.T) {
	first := newRepo(t, 0)
	repos := []*Repo{first, openRepo(t, first.Path(), OpenOptions{}), openRepo(t, first.Path(), OpenOptions{})}
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	var wg sync.WaitGroup
	for _, r := range repos {
		wg.Go(func() {
			for range 3 {
				if _, err := r.GC(ctx, GCOptions{}); err != nil {
					t.Error(err)
				}
			}
			r.Close()
		})
	}
	wg.Wait()
}

// TestOpenCanBeInterrupted while somebody else collects garbage.
func TestOpenCanBeInterrupted(t *testing.T) {
	r := newRepo(t, 0)
	err := r.exclusively(t.Context(), func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
		defer cancel()
		told := 0
		_, err := Open(ctx, r.Path(), OpenOptions{Wait: func() { told++ }})
		wantError(t, err, context.DeadlineExceeded)
		if told != 1 {
			t.Errorf("told %d times that it waits", told)
		}
		_, _, err = Init(ctx, r.Path(), Config{Insecure: true})
		wantError(t, err, context.DeadlineExceeded)
		return nil
	})
	mustNil(t, err)
	openRepo(t, r.Path(), OpenOptions{})
}

// TestLookInPassing waits for nobody, and nobody waits for it.
func TestLookInPassing(t *testing.T) {
	r := newRepo(t, 0)
	err := r.exclusively(t.Context(), func() error {
		openRepo(t, r.Path(), OpenOptions{NoLock: true})
		return nil
	})
	mustNil(t, err)
	gc(t, r)
}

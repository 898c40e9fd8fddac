package repo

import (
	"fmt"
	"sync"
	"sync/atomic"
)

// barrier remembers whether objects were stored, or found and relied on, since
// the last sync. An object that was found counts: whoever stored it may not
// have synced yet, or may have died before.
type barrier struct {
	used atomic.Uint64 // counts the objects; 1 at the start, so that the first name syncs

	mu     sync.Mutex
	synced uint64 // the value of used that the last sync covers
}

// Sync makes durable every object stored so far.
func (r *Repo) Sync() error {
	r.barrier.mu.Lock()
	defer r.barrier.mu.Unlock()
	return r.sync()
}

func (r *Repo) sync() error {
	used := r.barrier.used.Load()
	if err := r.kernel.syncfs(r.fd); err != nil {
		return fmt.Errorf("cannot sync repository %s: %w", r.path, err)
	}
	r.barrier.synced = used
	return nil
}

// beforeName is what every method calls before it publishes a name.
func (r *Repo) beforeName() error {
	r.barrier.mu.Lock()
	defer r.barrier.mu.Unlock()
	if r.barrier.synced == r.barrier.used.Load() {
		return nil
	}
	return r.sync()
}

// rely notes that an object is in use that may not be durable yet.
func (r *Repo) rely() { r.barrier.used.Add(1) }

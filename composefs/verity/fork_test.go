package verity

import (
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
)

// TestForkLockKeepsFilesFree pins what the comment of Enable advises, while
// other goroutines run programs. The kernel's test for writers is the same as
// that of execve, so a file that can be executed right after it was written
// shows that no child still holds it, on kernels without fs-verity too.
func TestForkLockKeepsFilesFree(t *testing.T) {
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() { forkUntil(stop) })
	}
	defer wg.Wait()
	defer close(stop)
	name := filepath.Join(t.TempDir(), "script")
	for range 200 {
		os.Remove(name)
		writeUnderForkLock(t, name)
		if err := exec.Command(name).Run(); err != nil {
			t.Fatalf("the file is busy: %v", err)
		}
	}
}

func forkUntil(stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		default:
			exec.Command("/bin/true").Run() // that it forks is all
		}
	}
}

func writeUnderForkLock(t *testing.T, name string) {
	t.Helper()
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := os.WriteFile(name, []byte("#!/bin/true\n"), 0o700); err != nil {
		t.Fatal(err)
	}
}

package testvm

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/internal/testcache"
)

// slots is how many machines run at once, whatever the number of test processes:
// each emulates two processors, and CI has two.
const slots = 2

// takeSlot waits until fewer than slots machines run, and returns what makes
// room again.
func takeSlot(t testing.TB) (release func()) {
	t.Helper()
	dir := testcache.Dir(t)
	for {
		for i := range slots {
			f, err := os.OpenFile(filepath.Join(dir, fmt.Sprintf("machine-%d.lock", i)), os.O_RDWR|os.O_CREATE, 0o644)
			if err != nil {
				t.Fatal(err)
			}
			if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
				return sync.OnceFunc(func() { f.Close() })
			}
			f.Close()
		}
		time.Sleep(200 * time.Millisecond)
	}
}

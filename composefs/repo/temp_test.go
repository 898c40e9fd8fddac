package repo

import (
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// TestTempIsFreeWhenWritten has other goroutines run programs meanwhile. The
// kernel's test for writers before fs-verity is that of execve, so a file that
// can be run right after it was written is open for writing in no child.
func TestTempIsFreeWhenWritten(t *testing.T) {
	program := readFile(t, "/bin/true")
	for what, k := range map[string]kernel{"without name": fakeVerity(t), "with name": withoutTmpfile()} {
		r := newRepo(t, 0)
		r.kernel, r.insecure = k, false
		mustNil(t, os.Mkdir(objectsDirOf(r), 0o755))
		stop := make(chan struct{})
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() { forkUntil(stop) })
		}
		for range 200 {
			if err := runTemp(t, r, program); err != nil {
				t.Errorf("%s: %v", what, err)
				break
			}
		}
		close(stop)
		wg.Wait()
	}
}

func objectsDirOf(r *Repo) string { return r.Path() + "/" + objectsName }

func runTemp(t *testing.T, r *Repo, program []byte) error {
	tmp, err := r.newTemp(objectsName, objectsName)
	mustNil(t, err)
	defer tmp.discard()
	mustNil(t, unix.Fchmod(tmp.fd, 0o755))
	half := len(program) / 2
	mustNil(t, tmp.write(program[:half]))
	mustNil(t, tmp.write(program[half:]))
	return exec.Command(fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), tmp.fd)).Run()
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

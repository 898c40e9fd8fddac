package deploy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/repo"
	"github.com/bootc-go/bootc/internal/progress"
)

// Where things are below the physical root.
const (
	repoDir  = "composefs"
	stateDir = "state/deploy"
)

// Sysroot is the deployments of a host. It belongs to one goroutine.
type Sysroot struct {
	sys      System
	readOnly bool
	lock     *os.File // the directory of the states, locked; nil for reading only

	states *os.Root   // stateDir; nil if there is none
	state  *os.Root   // stateTop, above it
	repo   *repo.Repo // opened at first use
	etc    *os.File   // see liveEtc
}

// Open opens the deployments of a system for changing them. It waits while another
// bootc does so, until ctx ends. It makes what directories are missing, but no
// repository; see [Sysroot.Pull].
func Open(ctx context.Context, sys System) (*Sysroot, error) {
	s := &Sysroot{sys: sys}
	if err := s.open(ctx); err != nil {
		s.Close() //nolint:errcheck // the error that matters is the first
		return nil, fmt.Errorf("cannot open the deployments: %w", err)
	}
	return s, nil
}

func (s *Sysroot) open(ctx context.Context) error {
	root, err := os.OpenRoot(fdPath(s.sys.Root))
	if err != nil {
		return err
	}
	defer root.Close()
	if err := makeDirs(root, stateDir); err != nil {
		return err
	}
	if s.states, err = root.OpenRoot(stateDir); err != nil {
		return err
	}
	if s.state, err = root.OpenRoot(stateTop); err != nil {
		return err
	}
	if s.lock, err = s.states.Open("."); err != nil {
		return err
	}
	return s.takeLock(ctx)
}

const lockPoll = 50 * time.Millisecond

// takeLock waits until no other bootc changes anything. The lock is flock(2) on the
// directory of the states. It polls: a thread that sleeps in flock cannot be told
// that ctx has ended.
func (s *Sysroot) takeLock(ctx context.Context) error {
	for waited := false; ; waited = true {
		err := unix.Flock(int(s.lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("lock: %w", err)
		}
		if !waited && s.sys.Wait != nil {
			s.sys.Wait()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for another bootc to finish: %w", ctx.Err())
		case <-time.After(lockPoll):
		}
	}
}

// OpenReadOnly opens the deployments of a system for Status, Check and ConfigDiff.
// It waits for nobody and works where nothing can be written.
func OpenReadOnly(_ context.Context, sys System) (*Sysroot, error) {
	s := &Sysroot{sys: sys, readOnly: true}
	root, err := os.OpenRoot(fdPath(sys.Root))
	if err == nil {
		defer root.Close()
		if s.states, err = root.OpenRoot(stateDir); err == nil {
			s.state, err = root.OpenRoot(stateTop)
		}
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("cannot open the deployments: %w", err)
	}
	return s, nil
}

// Close lets the next one in.
func (s *Sysroot) Close() error {
	for _, f := range []*os.File{s.etc, s.lock} {
		if f != nil {
			f.Close()
		}
	}
	for _, root := range []*os.Root{s.states, s.state} {
		if root != nil {
			root.Close()
		}
	}
	if s.repo != nil {
		return s.repo.Close()
	}
	return nil
}

// repository opens the repository at its first use.
func (s *Sysroot) repository(ctx context.Context) (*repo.Repo, error) {
	if s.repo != nil {
		return s.repo, nil
	}
	r, err := repo.Open(ctx, fdPath(s.sys.Root)+"/"+repoDir, repo.OpenOptions{NoLock: s.readOnly, Wait: s.sys.Wait})
	if err != nil {
		return nil, err
	}
	s.repo = r
	return r, nil
}

// warn tells the user of what does no harm.
func (s *Sysroot) warn(format string, args ...any) {
	s.sys.Progress.Report(progress.Event{Kind: progress.Message, Text: "warning: " + fmt.Sprintf(format, args...)})
}

// A step is one durable change, and idempotent. A power cut may come after any step
// and before the next, or in it; whatever the place, the host boots the old or the
// new deployment.
type step struct {
	name string
	do   func(context.Context) error
}

// run takes the steps in their order.
func (s *Sysroot) run(ctx context.Context, steps []step) error {
	for _, st := range steps {
		s.sys.Progress.Report(progress.Event{Kind: progress.Started, Task: st.name, Text: st.name, Unit: progress.Items})
		if err := st.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", st.name, err)
		}
		s.sys.Progress.Report(progress.Event{Kind: progress.Done, Task: st.name, Text: st.name, Unit: progress.Items})
	}
	return nil
}

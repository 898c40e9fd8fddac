package deploy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/bootc-go/bootc/composefs/verity"
	"github.com/bootc-go/bootc/internal/atomicfile"
)

// A factory reset to the image that runs gives the deployment that runs another state
// directory. What runs keeps the one that it has mounted, which nothing on the disk calls
// its own any more: it is displaced until the next boot. running, in the file
// /run/composefs/running-state, tells which directory that is, by its inode.
type running struct {
	ID    verity.Digest `json:"depl_id"`
	Inode uint64        `json:"inode"`
}

const runningName = "running-state"

// ErrDisplaced means that the next boot will find another /etc and /var than those of the
// system that runs, so that nothing that is made of these would have a meaning.
var ErrDisplaced = errors.New("the next boot has another /etc and /var than what runs: a factory reset was put in place, or taken back")

// noteRunning writes the file, before the first exchange since the boot.
func (s *Sysroot) noteRunning() error {
	if _, err := s.running(); err == nil {
		return nil
	}
	n, err := inode(s.state, deployed(s.sys.Booted.ID))
	if err != nil {
		return err
	}
	data, err := json.Marshal(running{s.sys.Booted.ID, n})
	if err != nil {
		return err
	}
	return s.withMarkerDir(func(dir *os.File) error {
		return atomicfile.WriteFile(dir, runningName, data, 0o644)
	})
}

// running reads the file; an error means that nothing was exchanged since the boot.
func (s *Sysroot) running() (r running, err error) {
	run, err := os.OpenRoot(fdPath(s.sys.Run))
	if err != nil {
		return r, err
	}
	defer run.Close()
	data, err := readSmall(run, markerDir+"/"+runningName, maxMarker)
	if err == nil {
		err = json.Unmarshal(data, &r)
	}
	if err == nil && r.ID != s.sys.Booted.ID {
		err = errors.New("it is of another deployment") // a soft reboot came
	}
	return r, err
}

// displaced reports whether the system that runs is not the one that its state directory
// describes.
func (s *Sysroot) displaced() bool {
	r, err := s.running()
	if err != nil || s.state == nil {
		return false
	}
	n, err := inode(s.state, deployed(s.sys.Booted.ID))
	return err != nil || n != r.Inode
}

// exchangeState gives the deployment the state in the directory aside, where its own is
// afterwards.
func (s *Sysroot) exchangeState(id verity.Digest, aside string) error {
	if id == s.sys.Booted.ID {
		if err := s.noteRunning(); err != nil {
			return fmt.Errorf("note what runs: %w", err)
		}
	}
	return exchange(s.state, deployed(id), aside)
}

// undoSteps give the deployment that runs the state that it had before its reset. What
// is staged is dropped first: it was made of the state that goes. The last step decides.
func (s *Sysroot) undoSteps(before string) []step {
	return []step{
		{"forget what was staged", s.doRemoveMarker},
		{"drop the staged boot menu", func(context.Context) error { return s.sys.Loader.Discard() }},
		{"put /etc and /var in their place", func(context.Context) error { return s.exchangeState(s.sys.Booted.ID, before) }},
	}
}

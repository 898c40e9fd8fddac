package deploy

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/bootc-go/bootc/composefs/verity"
	"github.com/bootc-go/bootc/internal/atomicfile"
)

// marker is the file /run/composefs/staged-deployment: which deployment is staged,
// and whether a shutdown leaves it alone. Without it a staged menu is a leftover.
// As /run is empty after a boot, what was not finalized is forgotten by then.
type marker struct {
	ID     verity.Digest `json:"depl_id"`
	Locked bool          `json:"finalization_locked"`

	// MenuOnly says that the deployment is one of the live menu and stays as it is:
	// only the menu is exchanged. This key is our own.
	MenuOnly bool `json:"menu_only,omitempty"`

	// Stateroot says that this is a factory reset, and where the new /var is. Our own,
	// too.
	Stateroot string `json:"stateroot,omitempty"`

	more unknown
}

const (
	markerDir  = "composefs"
	markerName = "staged-deployment"
	maxMarker  = 4 << 10 // bytes
)

// marker reads the marker; a zero one says that nothing is staged.
func (s *Sysroot) marker() (marker, error) {
	run, err := os.OpenRoot(fdPath(s.sys.Run))
	if err != nil {
		return marker{}, err
	}
	defer run.Close()
	data, err := readSmall(run, markerDir+"/"+markerName, maxMarker)
	if errors.Is(err, fs.ErrNotExist) {
		return marker{}, nil
	}
	var m marker
	if err == nil {
		err = json.Unmarshal(data, &m)
	}
	if err != nil {
		return marker{}, fmt.Errorf("/run/%s/%s: %w", markerDir, markerName, err)
	}
	return m, nil
}

func (s *Sysroot) writeMarker(m marker) error {
	data, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return s.withMarkerDir(func(dir *os.File) error {
		return atomicfile.WriteFile(dir, markerName, data, 0o644)
	})
}

func (s *Sysroot) removeMarker() error {
	return s.withMarkerDir(func(dir *os.File) error { return atomicfile.Remove(dir, markerName) })
}

// withMarkerDir makes the marker's directory and opens it for fn.
func (s *Sysroot) withMarkerDir(fn func(dir *os.File) error) error {
	run, err := os.OpenRoot(fdPath(s.sys.Run))
	if err != nil {
		return err
	}
	defer run.Close()
	if err := makeDirs(run, markerDir); err != nil {
		return err
	}
	dir, err := run.Open(markerDir)
	if err != nil {
		return err
	}
	defer dir.Close()
	return fn(dir)
}

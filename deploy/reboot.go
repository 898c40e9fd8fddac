package deploy

import (
	"errors"
	"io/fs"
	"os"
	"strings"

	"github.com/bootc-go/bootc/composefs/verity"
	"github.com/bootc-go/bootc/internal/atomicfile"
)

// rebootFile is there, below /run, while something else boots next than what runs.
// That of another program has another beginning.
const (
	rebootFile = "reboot-required"
	rebootText = "bootc: Reboot required for image: "
)

// announceReboot writes or removes the file that says that a reboot is due.
func (s *Sysroot) announceReboot() error {
	if s.sys.Booted.ID.IsZero() {
		return nil
	}
	m, err := s.menus()
	if err != nil {
		return err
	}
	run, err := os.OpenRoot(fdPath(s.sys.Run))
	if err != nil {
		return err
	}
	defer run.Close()
	was, err := readSmall(run, rebootFile, maxMarker)
	isOurs := err == nil && strings.HasPrefix(string(was), rebootText)
	if err != nil && !errors.Is(err, fs.ErrNotExist) || err == nil && !isOurs {
		return nil // somebody else's, who wants a reboot as well
	}
	dir, err := run.Open(".")
	if err != nil {
		return err
	}
	defer dir.Close()
	next, due := s.due(m)
	switch {
	case due:
		return atomicfile.WriteFile(dir, rebootFile, []byte(rebootText+s.digestOf(next)+"\n"), 0o644)
	case isOurs:
		return atomicfile.Remove(dir, rebootFile)
	}
	return nil
}

// due is what waits for a reboot, if anything does.
func (s *Sysroot) due(m menus) (verity.Digest, bool) {
	switch {
	case len(m.staged) > 0 && !m.locked:
		return m.staged[0].ID, true
	case s.rollbackQueued(m):
		return m.live[0].ID, true
	case s.displaced():
		return s.sys.Booted.ID, true
	}
	return verity.Digest{}, false
}

// digestOf names the image of a deployment, or the deployment if that is not known.
func (s *Sysroot) digestOf(id verity.Digest) string {
	if o, _ := s.origin(id); o.manifest != "" {
		return o.manifest.String()
	}
	return id.String()
}

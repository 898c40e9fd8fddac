package deploy

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"time"
)

// Where bootc keeps what is neither an object nor a deployment, and where upstream's
// hosts have that.
const (
	bootcDir  = repoDir + "/bootc"
	bootcLink = "ostree/bootc"
)

// announce tells whoever watches that the deployments have changed: the time of a
// directory does, which bootc-status-updated.path looks at, and the file that says that
// a reboot is due. It comes after the change.
func (s *Sysroot) announce() {
	if err := s.announceReboot(); err != nil {
		s.warn("/run/%s: %v", rebootFile, err)
	}
	root, err := os.OpenRoot(fdPath(s.sys.Root))
	if err == nil {
		defer root.Close()
		err = makeBootcDir(root)
	}
	if err == nil {
		now := time.Now()
		err = root.Chtimes(bootcDir, now, now)
	}
	if err != nil {
		s.warn("cannot tell others of the change: %v", err)
	}
}

// makeBootcDir makes the directory, and the link to it.
func makeBootcDir(root *os.Root) error {
	if err := makeDirs(root, bootcDir); err != nil {
		return err
	}
	if err := makeDirs(root, path.Dir(bootcLink)); err != nil {
		return err
	}
	err := root.Symlink("../"+bootcDir, bootcLink)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return syncDir(root, path.Dir(bootcLink))
}

// makePlaces makes what others expect on a new disk.
func (s *Sysroot) makePlaces() error {
	root, err := os.OpenRoot(fdPath(s.sys.Root))
	if err != nil {
		return err
	}
	defer root.Close()
	return makeBootcDir(root)
}

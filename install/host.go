package install

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/verity"
)

// IsHostRoot says whether path is on the file system of the root directory, that of
// this process or that of the host's first one, as far as that may be looked at.
func IsHostRoot(path string) (bool, error) {
	var target unix.Stat_t
	if err := unix.Stat(path, &target); err != nil {
		return false, fmt.Errorf("cannot look at %s: %w", path, err)
	}
	for _, root := range []string{"/", "/proc/1/root"} {
		var st unix.Stat_t
		if unix.Stat(root, &st) == nil && st.Dev == target.Dev {
			return true, nil
		}
	}
	return false, nil
}

// Finalize makes sure that the physical root at path has a deployment.
func Finalize(path string) error {
	entries, err := os.ReadDir(path + "/state/deploy")
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("cannot finalize the installation: %w", err)
	}
	for _, e := range entries {
		if _, err := verity.ParseHex(e.Name()); err == nil {
			return nil
		}
	}
	return fmt.Errorf("cannot finalize the installation: there is no deployment in %s", path)
}

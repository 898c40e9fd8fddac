package install

import (
	"errors"
	"fmt"
	"os"

	"github.com/bootc-go/bootc/composefs/verity"
	"github.com/bootc-go/bootc/install/disk"
)

// IsHostRoot says whether path is on the file system of the root directory, that of
// this process or that of the host's first one, as far as that may be looked at.
func IsHostRoot(path string) (bool, error) {
	target, err := disk.DeviceOf(path, "/proc/self/mountinfo")
	if err != nil {
		return false, fmt.Errorf("cannot look at %s: %w", path, err)
	}
	for root, mounts := range map[string]string{"/": "/proc/self/mountinfo", "/proc/1/root": "/proc/1/mountinfo"} {
		if dev, err := disk.DeviceOf(root, mounts); err == nil && dev == target {
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

package systemd

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/internal/mounts"
	"github.com/bootc-go/bootc/selinux"
)

// RelabelOverlays gives / and /etc of the host in root the labels of its policy, where
// they are transient overlays: their directories were made in the initramfs, before
// there was a policy. Nothing below them is changed. It returns what was labeled.
func RelabelOverlays(root string) ([]string, error) {
	done, err := relabelOverlays(root)
	if err != nil {
		err = fmt.Errorf("cannot label the mount points: %w", err)
	}
	return done, err
}

func relabelOverlays(root string) (done []string, err error) {
	table, err := mounts.Read(filepath.Join(root, "proc/self/mountinfo"))
	if err != nil {
		return nil, err
	}
	policy, err := selinux.Load(func(name string) ([]byte, bool, error) { return readPolicy(root + name) })
	if err != nil || policy == nil {
		return nil, err
	}
	for _, name := range []string{"/", "/etc"} {
		if m, _ := table.At(name); !isTransient(m) {
			continue
		}
		label, ok, err := policy.Label(name, unix.S_IFDIR)
		if err != nil {
			return done, err
		}
		if !ok {
			continue
		}
		if err := unix.Setxattr(filepath.Join(root, name), selinux.XattrName, append([]byte(label), 0), 0); err != nil {
			return done, fmt.Errorf("%s: %w", name, err)
		}
		done = append(done, name)
	}
	return done, nil
}

func readPolicy(name string) ([]byte, bool, error) {
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, selinux.MaxFileSize))
	return data, err == nil, err
}

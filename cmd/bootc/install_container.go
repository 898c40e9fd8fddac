package main

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/bootc-go/bootc/sysroot"
)

// container is the podman container that this process runs in.
type container struct {
	image   string // its name, as podman was given it
	imageID string // 64 hex digits
}

// container reads what podman says of the container that this is, nil if it is
// none, and refuses one that cannot install.
func (e *env) container() (*container, error) {
	values, err := readContainerEnv(filepath.Join(e.root, "run/.containerenv"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read what podman says of this container: %w", err)
	}
	switch {
	case values["engine"] == "":
		return nil, errors.New("/run/.containerenv is empty: start the container with podman run --privileged")
	case !strings.HasPrefix(values["engine"], "podman"):
		return nil, fmt.Errorf("the container runs in %s: only podman is supported", values["engine"])
	case values["rootless"] == "1":
		return nil, errors.New("cannot install from rootless podman: this command must be run as root, with sudo podman")
	}
	if !e.seesHost() {
		return nil, errors.New("this command must be run with the podman --pid=host flag")
	}
	return &container{image: values["image"], imageID: strings.TrimPrefix(values["imageid"], "sha256:")}, nil
}

// seesHost says whether the first process is not of this container. One that may
// not be looked at is not.
func (e *env) seesHost() bool {
	first, err := os.Readlink(filepath.Join(e.root, "proc/1/ns/mnt"))
	if err != nil {
		return true
	}
	own, err := os.Readlink(filepath.Join(e.root, "proc/self/ns/mnt"))
	return err == nil && own != first
}

// readContainerEnv reads lines of key="value".
func readContainerEnv(name string) (map[string]string, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	values := map[string]string{}
	sc := bufio.NewScanner(f)
	for sc.Scan() {
		key, value, ok := strings.Cut(sc.Text(), "=")
		if !ok {
			continue
		}
		if unquoted, err := strconv.Unquote(value); err == nil {
			value = unquoted
		}
		values[key] = value
	}
	return values, sc.Err()
}

const capSysAdmin = 21

// checkPrivileged refuses who cannot partition and mount.
func (e *env) checkPrivileged() error {
	if os.Geteuid() != 0 {
		return sysroot.ErrNotRoot
	}
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(b)) {
		hex, ok := strings.CutPrefix(line, "CapEff:")
		if !ok {
			continue
		}
		caps, err := strconv.ParseUint(strings.TrimSpace(hex), 16, 64)
		if err != nil || caps&(1<<capSysAdmin) == 0 {
			return sysroot.ErrNoAdmin
		}
	}
	return nil
}

package setuproot

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/bootc-go/bootc/kargs"
)

// config says what to make of the directories (docs/reference/setup-root-conf.md).
type config struct {
	TransientRoot bool
	Etc, Var      mode
}

// mode is a way to mount a directory.
type mode string

const (
	modeNone      mode = "none"      // part of the root file system
	modeBind      mode = "bind"      // that of the deployment's state
	modeOverlay   mode = "overlay"   // that of the image, changes go to the state
	modeTransient mode = "transient" // that of the image, changes last until shutdown
)

// writesState reports whether changes in the directory go to the disk.
func (m mode) writesState() bool { return m == modeBind || m == modeOverlay }

// configFile is setup-root-conf.toml.
type configFile struct {
	Root struct {
		Transient bool `toml:"transient"`
	} `toml:"root"`
	Etc directory `toml:"etc"`
	Var directory `toml:"var"`
}

// directory is what the file says of /etc or /var.
type directory struct {
	Mount     string `toml:"mount"`
	Transient bool   `toml:"transient"`
}

// mode is the mode by any of its names; bind if there is none.
func (d directory) mode() (mode, error) {
	switch m := mode(d.Mount); m {
	case modeNone, modeBind, modeOverlay, modeTransient:
		return m, nil
	case "root":
		return modeNone, nil
	case "volatile":
		return modeTransient, nil
	case "":
		if d.Transient {
			return modeTransient, nil
		}
		return modeBind, nil
	}
	return "", fmt.Errorf("unknown mount %q: want none, bind, overlay or transient", d.Mount)
}

// readConfig reads the file called name, which may be missing, and heeds the kernel's
// command line: where that asks for a volatile /var, systemd mounts one of its own,
// unless the file insists.
func readConfig(name string, line kargs.Line, warn func(string)) (config, error) {
	var c config
	file, err := readConfigFile(name, warn)
	if err != nil {
		return c, err
	}
	c.TransientRoot = file.Root.Transient
	if c.Etc, err = file.Etc.mode(); err != nil {
		return c, fmt.Errorf("%s: etc: %w", name, err)
	}
	if c.Var, err = file.Var.mode(); err != nil {
		return c, fmt.Errorf("%s: var: %w", name, err)
	}
	volatile, _ := line.Last("systemd.volatile")
	if (volatile == "state" || volatile == "overlay") && file.Var == (directory{}) {
		c.Var = modeNone
	}
	return c, nil
}

// readConfigFile warns of what it does not know: a newer image must not be kept from
// booting by an older program.
func readConfigFile(name string, warn func(string)) (configFile, error) {
	var c configFile
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return c, err
	}
	defer f.Close()
	err = toml.NewDecoder(f).DisallowUnknownFields().Decode(&c)
	if unknown := (*toml.StrictMissingError)(nil); errors.As(err, &unknown) {
		for _, e := range unknown.Errors {
			line, _ := e.Position()
			warn(fmt.Sprintf("%s:%d: unknown %s is ignored", name, line, strings.Join(e.Key(), ".")))
		}
		return c, nil
	}
	if bad := (*toml.DecodeError)(nil); errors.As(err, &bad) {
		line, column := bad.Position()
		return c, fmt.Errorf("%s:%d:%d: %w", name, line, column, err)
	}
	return c, err
}

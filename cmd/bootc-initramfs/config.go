package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/pelletier/go-toml/v2"

	"github.com/bootc-go/bootc/kargs"
)

// config is setup-root-conf.toml (docs/reference/setup-root-conf.md).
type config struct {
	Root struct {
		Transient bool `toml:"transient"`
	} `toml:"root"`
	Etc directory `toml:"etc"`
	Var directory `toml:"var"`
}

// directory says what becomes of /etc or /var.
type directory struct {
	Mount     mode `toml:"mount"`
	Transient bool `toml:"transient"`
}

// mode is a way to mount a directory.
type mode string

const (
	modeNone      mode = "none"      // part of the root file system
	modeBind      mode = "bind"      // that of the deployment's state
	modeOverlay   mode = "overlay"   // that of the image, changes go to the state
	modeTransient mode = "transient" // that of the image, changes last until shutdown
)

// UnmarshalText reads a mode by any of its names.
func (m *mode) UnmarshalText(text []byte) error {
	switch name := mode(text); name {
	case modeNone, modeBind, modeOverlay, modeTransient:
		*m = name
	case "root":
		*m = modeNone
	case "volatile":
		*m = modeTransient
	default:
		return fmt.Errorf("unknown mount %q: want none, bind, overlay or transient", text)
	}
	return nil
}

// mode is the directory's mode: bind if nothing is said.
func (d directory) mode() mode {
	switch {
	case d.Mount != "":
		return d.Mount
	case d.Transient:
		return modeTransient
	}
	return modeBind
}

// writesState reports whether the directory's changes go to the disk.
func (d directory) writesState() bool {
	return d.mode() == modeBind || d.mode() == modeOverlay
}

// readConfig reads the file name, which may be missing. What it does not know, it
// warns of: a newer image must not be kept from booting by an older program.
func readConfig(name string, warn func(string)) (config, error) {
	var c config
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
			warn(fmt.Sprintf("%s:%d: unknown key %v is ignored", name, line, e.Key()))
		}
		return c, nil
	}
	if bad := (*toml.DecodeError)(nil); errors.As(err, &bad) {
		line, column := bad.Position()
		return c, advise(fmt.Errorf("%s:%d:%d: %w", name, line, column, err), hintConfig)
	}
	return c, err
}

// obey changes what the kernel's command line asks for: with a volatile /var systemd
// mounts one of its own, unless the configuration insists.
func (c *config) obey(l kargs.Line) {
	volatile, _ := l.Last("systemd.volatile")
	if (volatile == "state" || volatile == "overlay") && c.Var == (directory{}) {
		c.Var.Mount = modeNone
	}
}

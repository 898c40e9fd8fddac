// Package health finds and runs the checks that say whether a host that has just booted
// is well, and reads how often and how long it may try. What follows from a check that
// fails is for the caller to decide. docs/explanation/boot-safety.md describes the files.
package health

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"
)

// Config is boot.toml.
type Config struct {
	Tries        uint                     // of a fresh deployment to complete a boot; 0 trusts it at once
	Timeout      time.Duration            // for the system to start, before any check
	CheckTimeout time.Duration            // of a check
	Timeouts     map[string]time.Duration // of checks that have one of their own, by name
}

// Default is what holds where no file says otherwise.
func Default() Config {
	return Config{Tries: 3, Timeout: 10 * time.Minute, CheckTimeout: time.Minute, Timeouts: map[string]time.Duration{}}
}

// maxTries is what has one digit.
const maxTries = 9

// configFile is the file as it is written.
type configFile struct {
	Tries        *uint             `toml:"tries"`
	Timeout      string            `toml:"timeout"`
	CheckTimeout string            `toml:"check-timeout"`
	Timeouts     map[string]string `toml:"check-timeouts"`
}

// LoadConfig reads /usr/lib/bootc/boot.toml and over it /etc/bootc/boot.toml, below
// root. An error names the file; what comes with it is what the other one says.
func LoadConfig(root string) (Config, error) {
	c := Default()
	var errs []error
	for _, name := range []string{"usr/lib/bootc/boot.toml", "etc/bootc/boot.toml"} {
		data, err := os.ReadFile(filepath.Join(root, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		next := c.clone()
		if err == nil {
			err = next.merge(data)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("/%s: %w", name, err))
			continue
		}
		c = next
	}
	return c, errors.Join(errs...)
}

func (c Config) clone() Config {
	c.Timeouts = maps.Clone(c.Timeouts)
	return c
}

// merge puts what a file says over c.
func (c *Config) merge(data []byte) error {
	var f configFile
	d := toml.NewDecoder(strings.NewReader(string(data))).DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		if strict, ok := errors.AsType[*toml.StrictMissingError](err); ok {
			return errors.New(strings.TrimSpace(strict.String()))
		}
		return err
	}
	if f.Tries != nil {
		if c.Tries = *f.Tries; c.Tries > maxTries {
			return fmt.Errorf("tries is %d, and %d are the most", c.Tries, maxTries)
		}
	}
	for text, to := range map[*string]*time.Duration{&f.Timeout: &c.Timeout, &f.CheckTimeout: &c.CheckTimeout} {
		if err := parseDuration(*text, to); err != nil {
			return err
		}
	}
	for name, text := range f.Timeouts {
		var d time.Duration
		if err := parseDuration(text, &d); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		c.Timeouts[name] = d
	}
	return nil
}

// parseDuration reads a time such as "90s" or "5m"; an empty one changes nothing.
func parseDuration(text string, to *time.Duration) error {
	if text == "" {
		return nil
	}
	d, err := time.ParseDuration(text)
	if err == nil && d <= 0 {
		err = fmt.Errorf("%q is no time to wait", text)
	}
	if err == nil {
		*to = d
	}
	return err
}

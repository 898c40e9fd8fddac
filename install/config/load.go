package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"sort"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// bases are the directories that are searched, the later before the earlier.
var bases = [...]string{"usr/lib", "usr/local/lib", "etc", "run"}

// Load reads and merges the files bootc/install/*.toml below usr/lib,
// usr/local/lib, etc and run of root. A file hides those of its name in the
// earlier directories; a link to /dev/null hides without being a file itself. What
// is left is merged in the order of names. arch is the GOARCH to install for.
//
// An unknown key is no error: warnings names it with its file. The Config is
// complete even if there is no file at all.
func Load(root fs.FS, arch string) (c *Config, warnings []string, err error) {
	files, err := find(root)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot read the install configuration: %w", err)
	}
	c = &Config{none: len(files) == 0}
	for _, name := range files {
		one, warn, err := read(root, name)
		if err != nil {
			return nil, nil, fmt.Errorf("cannot read the install configuration: /%s: %w", name, err)
		}
		warnings = append(warnings, warn...)
		if one.matches(arch) {
			c.merge(one)
		}
	}
	c.complete()
	return c, warnings, nil
}

// find returns the files that count, in the order of their last elements.
func find(root fs.FS) ([]string, error) {
	found := map[string]string{}
	for _, base := range bases {
		dir := path.Join(base, "bootc/install")
		entries, err := fs.ReadDir(root, dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			name := path.Join(dir, e.Name())
			if strings.HasPrefix(e.Name(), ".") || path.Ext(e.Name()) != ".toml" {
				continue
			}
			if masked(root, name, e) {
				delete(found, e.Name())
				continue
			}
			found[e.Name()] = name
		}
	}
	names := make([]string, 0, len(found))
	for name := range found {
		names = append(names, name)
	}
	sort.Strings(names)
	for i, name := range names {
		names[i] = found[name]
	}
	return names, nil
}

func masked(root fs.FS, name string, e fs.DirEntry) bool {
	if e.Type()&fs.ModeSymlink == 0 {
		return false
	}
	target, err := fs.ReadLink(root, name)
	return err == nil && target == "/dev/null"
}

// read decodes one file.
func read(root fs.FS, name string) (c *Config, warnings []string, err error) {
	b, err := fs.ReadFile(root, name)
	if err != nil {
		return nil, nil, err
	}
	var file struct {
		Install Config `toml:"install"`
	}
	err = toml.NewDecoder(bytes.NewReader(b)).DisallowUnknownFields().Decode(&file)
	if unknown, ok := errors.AsType[*toml.StrictMissingError](err); ok {
		for i := range unknown.Errors {
			warnings = append(warnings, fmt.Sprintf("/%s: unknown key %s", name, strings.Join(unknown.Errors[i].Key(), ".")))
		}
		err = nil
	}
	if bad, ok := errors.AsType[*toml.DecodeError](err); ok {
		line, column := bad.Position()
		err = fmt.Errorf("line %d, column %d: %w", line, column, err)
	}
	if err == nil {
		err = file.Install.check()
	}
	return &file.Install, warnings, err
}

// rustNames are the names of architectures in the files where Go's differ.
var rustNames = [...][2]string{{"amd64", "x86_64"}, {"arm64", "aarch64"}, {"ppc64le", "powerpc64"}, {"386", "x86"}, {"loong64", "loongarch64"}}

// matches reports whether the file is meant for arch.
func (c *Config) matches(arch string) bool {
	for _, n := range rustNames {
		if n[0] == arch {
			arch = n[1]
		}
	}
	return c.MatchArchitectures == nil || slices.Contains(c.MatchArchitectures, arch)
}

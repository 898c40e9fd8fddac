// Package kargsd reads the kernel arguments that an image asks for, from
// /usr/lib/bootc/kargs.d.
package kargsd

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/bootc-go/bootc/kargs"
)

const (
	dir = "usr/lib/bootc/kargs.d"

	// maxSize is the limit of a file in bytes. The kernel's limit of the whole
	// command line is 4 KiB at most.
	maxSize = 1 << 16
)

// Load returns the arguments that the image fsys asks for on the architecture arch,
// a GOARCH: those of usr/lib/bootc/kargs.d/*.toml, in the order of the file names. An
// image without the directory asks for none. Errors name the file and the line.
func Load(fsys fs.FS, arch string) (kargs.Line, error) {
	line, err := loadDir(fsys, arch)
	if err != nil {
		return nil, fmt.Errorf("cannot read the kernel arguments of the image: %w", err)
	}
	return line, nil
}

func loadDir(fsys fs.FS, arch string) (kargs.Line, error) {
	entries, err := fs.ReadDir(fsys, dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var line kargs.Line
	var bad []error
	for _, e := range entries {
		if path.Ext(e.Name()) != ".toml" {
			continue
		}
		args, err := load(fsys, path.Join(dir, e.Name()), arch)
		bad = append(bad, err)
		line = line.With(args...)
	}
	return line, errors.Join(bad...)
}

func load(fsys fs.FS, name, arch string) (kargs.Line, error) {
	data, err := read(fsys, name)
	if err != nil {
		return nil, err
	}
	f, err := decode(data)
	if err != nil {
		return nil, fmt.Errorf("/%s%w", name, err)
	}
	if f.Architectures != nil && !slices.Contains(*f.Architectures, rustArch(arch)) {
		return nil, nil
	}
	var line kargs.Line
	for _, arg := range *f.Kargs {
		if err := check(arg); err != nil {
			return nil, fmt.Errorf("/%s: kernel argument %q: %w", name, arg, err)
		}
		line = line.With(kargs.Parse(arg)...)
	}
	return line, nil
}

func read(fsys fs.FS, name string) ([]byte, error) {
	st, err := fs.Stat(fsys, name)
	if err != nil {
		return nil, err
	}
	if st.Size() > maxSize {
		return nil, fmt.Errorf("/%s has more than %d bytes", name, maxSize)
	}
	return fs.ReadFile(fsys, name)
}

// file is a file as it is written.
type file struct {
	Kargs         *[]string `toml:"kargs"`
	Architectures *[]string `toml:"match-architectures"` // in Rust's names
}

// decode reads a file strictly. Its errors begin with what follows the file's name.
func decode(data []byte) (file, error) {
	var f file
	err := toml.NewDecoder(bytes.NewReader(data)).DisallowUnknownFields().Decode(&f)
	if unknown, ok := errors.AsType[*toml.StrictMissingError](err); ok {
		row, _ := unknown.Errors[0].Position()
		return file{}, fmt.Errorf(":%d: unknown key %s", row, strings.Join(unknown.Errors[0].Key(), "."))
	}
	if syntax, ok := errors.AsType[*toml.DecodeError](err); ok {
		row, _ := syntax.Position()
		return file{}, fmt.Errorf(":%d: %w", row, syntax)
	}
	if err != nil {
		return file{}, fmt.Errorf(": %w", err)
	}
	if f.Kargs == nil {
		return file{}, errors.New(`: the list "kargs" is missing`)
	}
	return f, nil
}

// check refuses arguments that would be something else on the command line than
// they are in the file.
func check(arg string) error {
	if strings.ContainsFunc(arg, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return errors.New("has control characters")
	}
	if strings.Count(arg, `"`)%2 != 0 {
		return errors.New("has a quote that is not closed")
	}
	if _, err := kargs.FindRoot(kargs.Parse(arg)); !errors.Is(err, kargs.ErrNoRoot) {
		return errors.New("names the root, as only bootc may")
	}
	return nil
}

// rustArch is the name that Rust has for the architecture that Go calls goarch.
func rustArch(goarch string) string {
	switch goarch {
	case "amd64":
		return "x86_64"
	case "arm64":
		return "aarch64"
	case "386":
		return "x86"
	case "ppc64", "ppc64le":
		return "powerpc64"
	case "loong64":
		return "loongarch64"
	default: // arm, riscv64 and s390x are called so by both
		return goarch
	}
}

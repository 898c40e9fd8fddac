package pkgdb

import (
	"bufio"
	"errors"
	"io"
	"io/fs"
	"strings"
	"unicode/utf8"
)

// paragraphs calls fn for each line of a text that is no continuation, and end
// after each paragraph.
func paragraphs(fsys fs.FS, name string, fn func(line string) error, end func() error) error {
	f, _, err := openRegular(fsys, name)
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewReaderSize(f, 64<<10)
	for {
		line, err := readLine(lines)
		last := errors.Is(err, io.EOF)
		if err != nil && !last {
			return err
		}
		switch {
		case line == "":
			err = end()
		case line[0] != ' ' && line[0] != '\t':
			err = fn(line)
		default:
			err = nil
		}
		if err != nil {
			return err
		}
		if last {
			return end()
		}
	}
}

// readLine reads a line without its end. What is longer than any field that
// matters is read, and cut.
func readLine(r *bufio.Reader) (string, error) {
	var b strings.Builder
	for {
		part, err := r.ReadSlice('\n')
		if room := maxText - b.Len(); room > 0 {
			b.Write(part[:min(len(part), room)])
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return strings.TrimRight(b.String(), "\r\n"), err
		}
	}
}

// list collects packages.
type list struct {
	manager Manager
	all     []Package
}

// add adds a package, unless there are too many or it has no proper name.
func (l *list) add(name, version, arch string) error {
	if name == "" || version == "" {
		return damaged("package %.60q has no name or no version", name)
	}
	for _, s := range []string{name, version, arch} {
		if len(s) > 1024 || !utf8.ValidString(s) {
			return damaged("package %.60q: unlikely name, version or architecture", name)
		}
	}
	if len(l.all) == maxPackages {
		return damaged("more than %d packages", maxPackages)
	}
	l.all = append(l.all, Package{l.manager, name, version, arch})
	return nil
}

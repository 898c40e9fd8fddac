package pkgdb

import (
	"io/fs"
	"path"
	"strings"
)

// readDpkg reads a status file of dpkg, deb-control(5).
func readDpkg(fsys fs.FS, name string) ([]Package, error) {
	d := &dpkgReader{list: list{manager: Dpkg}}
	if err := paragraphs(fsys, name, d.line, d.end); err != nil {
		return nil, err
	}
	return d.all, nil
}

// readDpkgDir reads a directory of files with one package each, which have no
// Status: images without dpkg have that.
func readDpkgDir(fsys fs.FS, dir string) ([]Package, error) {
	entries, err := fs.ReadDir(fsys, dir)
	if err != nil {
		return nil, err
	}
	d := &dpkgReader{list: list{manager: Dpkg}, unmarked: true}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".md5sums") || e.IsDir() {
			continue
		}
		if err := paragraphs(fsys, path.Join(dir, e.Name()), d.line, d.end); err != nil {
			return nil, err
		}
	}
	return d.all, nil
}

// dpkgReader reads paragraphs of dpkg's.
type dpkgReader struct {
	list
	unmarked                    bool // a package without Status is installed
	name, version, arch, status string
}

// The fields, whose names have no case.
func (d *dpkgReader) line(s string) error {
	key, value, ok := strings.Cut(s, ":")
	if !ok {
		return damaged("the line %.60q is no field", s)
	}
	value = strings.Trim(value, " \t")
	switch strings.ToLower(key) {
	case "package":
		d.name = value
	case "version":
		d.version = value
	case "architecture":
		d.arch = value
	case "status":
		d.status = value
	}
	return nil
}

func (d *dpkgReader) end() (err error) {
	if d.name != "" && d.installed() {
		err = d.add(d.name, d.version, d.arch)
	}
	d.name, d.version, d.arch, d.status = "", "", "", ""
	return err
}

// installed says whether the files of the package are there, by dpkg's word for
// its state, the third of Status.
func (d *dpkgReader) installed() bool {
	words := strings.Fields(d.status)
	if len(words) < 3 {
		return d.unmarked && d.status == ""
	}
	switch words[2] {
	case "installed", "unpacked", "half-configured", "triggers-awaited", "triggers-pending":
		return true
	}
	return false
}

package pkgdb

import (
	"io/fs"
	"strings"
)

// readAPK reads what apk calls the installed database: of each package lines that
// begin with a letter and a colon.
func readAPK(fsys fs.FS, name string) ([]Package, error) {
	a := &apkReader{list: list{manager: APK}}
	if err := paragraphs(fsys, name, a.line, a.end); err != nil {
		return nil, err
	}
	return a.all, nil
}

type apkReader struct {
	list
	name, version, arch string
	any                 bool
}

func (a *apkReader) line(s string) error {
	key, value, ok := strings.Cut(s, ":")
	if !ok || len(key) != 1 {
		return damaged("the line %.60q is no field", s)
	}
	a.any = true
	switch key {
	case "P":
		a.name = value
	case "V":
		a.version = value
	case "A":
		a.arch = value
	}
	return nil
}

func (a *apkReader) end() (err error) {
	if a.any {
		err = a.add(a.name, a.version, a.arch)
	}
	a.name, a.version, a.arch, a.any = "", "", "", false
	return err
}

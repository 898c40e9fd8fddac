// Package pkgdb reads which packages a file system has, from the databases of
// dpkg, rpm and apk, and says how two such lists differ.
//
// It reads images that strangers made: sizes are compared with what is there before
// memory is taken for them, and what is damaged is an error, never half a list.
// docs/reference/packages-of-images.md says where it looks and what it understands.
package pkgdb

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
)

// Manager is the program whose package something is.
type Manager string

// The managers.
const (
	Dpkg Manager = "dpkg"
	RPM  Manager = "rpm"
	APK  Manager = "apk"
)

// Package is an installed package.
type Package struct {
	Manager Manager `json:"manager" enum:"dpkg,rpm,apk"`
	Name    string  `json:"name"`
	Version string  `json:"version"` // with epoch and revision, as the manager writes it
	Arch    string  `json:"arch,omitempty"`
}

// What callers branch on.
var (
	// ErrDamaged means that a database is not what its format says it is.
	ErrDamaged = errors.New("damaged package database")
	// ErrUnsupported means that a database has a format which is not read here.
	ErrUnsupported = errors.New("unsupported package database")
)

// Bounds of what is read. The largest distributions have a tenth of it.
const (
	maxPackages = 200_000
	maxText     = 1 << 20   // bytes of a line, or of a name
	maxHeader   = 32 << 20  // bytes of what rpm knows of one package
	maxFile     = 512 << 20 // bytes of a database
)

// A database is where a manager keeps its list.
type database struct {
	path string
	read func(fs.FS, string) ([]Package, error)
}

// databases are the places of each manager's list. The first that is there counts:
// what belongs to the image comes before /var, which may be a leftover of the build.
func databases() [][]database {
	return [][]database{
		{
			{"usr/lib/sysimage/dpkg/status", readDpkg},
			{"var/lib/dpkg/status", readDpkg},
		},
		{
			{"usr/lib/sysimage/dpkg/status.d", readDpkgDir},
			{"var/lib/dpkg/status.d", readDpkgDir},
		},
		{
			{"usr/lib/apk/db/installed", readAPK},
			{"lib/apk/db/installed", readAPK},
			{"var/lib/apk/db/installed", readAPK},
		},
		rpmDatabases("usr/share/rpm", "usr/lib/sysimage/rpm", "var/lib/rpm"),
	}
}

// rpmDatabases are the databases of rpm in all its formats.
func rpmDatabases(dirs ...string) (all []database) {
	for _, dir := range dirs {
		all = append(all,
			database{dir + "/rpmdb.sqlite", readRPMSqlite},
			database{dir + "/Packages.db", readRPMNdb},
			database{dir + "/Packages", readRPMBdb})
	}
	return all
}

// Read lists the packages of a file system by manager, name, architecture and
// version. A file system without any database has none.
func Read(fsys fs.FS) ([]Package, error) {
	var all []Package
	for _, places := range databases() {
		ps, err := readFirst(fsys, places)
		if err != nil {
			return nil, fmt.Errorf("cannot list the packages: %w", err)
		}
		all = append(all, ps...)
	}
	slices.SortFunc(all, comparePackages)
	return slices.Compact(all), nil
}

func comparePackages(a, b Package) int {
	return cmp.Or(
		cmp.Compare(a.Manager, b.Manager), cmp.Compare(a.Name, b.Name),
		cmp.Compare(a.Arch, b.Arch), CompareVersions(a.Manager, a.Version, b.Version),
		cmp.Compare(a.Version, b.Version))
}

func readFirst(fsys fs.FS, places []database) ([]Package, error) {
	for _, db := range places {
		_, err := fs.Stat(fsys, db.path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		var ps []Package
		if err == nil {
			ps, err = db.read(fsys, db.path)
		}
		if err != nil {
			return nil, fmt.Errorf("/%s: %w", db.path, err)
		}
		return ps, nil
	}
	return nil, nil
}

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrDamaged}, args...)...)
}

// openRegular opens a file of a bearable size.
func openRegular(fsys fs.FS, name string) (fs.File, int64, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, 0, err
	}
	st, err := f.Stat()
	switch {
	case err != nil:
	case !st.Mode().IsRegular():
		err = damaged("no regular file")
	case st.Size() > maxFile:
		err = damaged("%d bytes", st.Size())
	default:
		return f, st.Size(), nil
	}
	f.Close()
	return nil, 0, err
}

// openRandom opens a file for reading at random.
func openRandom(fsys fs.FS, name string) (_ io.ReaderAt, size int64, close func() error, err error) {
	f, size, err := openRegular(fsys, name)
	if err != nil {
		return nil, 0, nil, err
	}
	r, ok := f.(io.ReaderAt)
	if !ok {
		f.Close()
		return nil, 0, nil, errors.New("internal error: the file cannot be read at random")
	}
	return r, size, f.Close, nil
}

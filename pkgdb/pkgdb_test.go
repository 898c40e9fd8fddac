package pkgdb

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/bootc-go/bootc/internal/testbase"
	"github.com/bootc-go/bootc/internal/testtool"
)

// TestDebian compares with dpkg-query's list of a real system.
func TestDebian(t *testing.T) {
	t.Parallel()
	root := testbase.Tree(t)
	out, err := exec.Command(testtool.Path(t, "dpkg-query"), "--admindir", filepath.Join(root, "var/lib/dpkg"),
		"-W", "-f", "dpkg ${Package} ${Version} ${Architecture}\n").Output()
	if err != nil {
		t.Fatal(err)
	}
	want := slices.Sorted(strings.Lines(string(out)))
	if len(want) < 50 {
		t.Fatalf("dpkg-query lists %d packages", len(want))
	}
	wantRead(t, root, want)
}

const someStatus = `Package: one
Status: install ok installed
Architecture: amd64
Version: 1:2.0-3
Description: long
 Package: not-a-package
 .
 Version: 9

Package: gone
Status: deinstall ok config-files
Version: 1

package: half
STATUS: install ok half-configured
Version: 0.1
Architecture: all
`

const someAPK = "C:Q1xyz=\nP:musl\nV:1.2.5-r0\nA:x86_64\nF:lib\nR:ld\n\nP:busybox\nV:1.36.1-r5\nA:x86_64\n\n"

func file(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s), Mode: 0o644} }

// TestRead is by hand, from the formats' descriptions.
func TestRead(t *testing.T) {
	t.Parallel()
	one := Package{Dpkg, "one", "1:2.0-3", "amd64"}
	half := Package{Dpkg, "half", "0.1", "all"}
	for _, tt := range []struct {
		name string
		fsys fstest.MapFS
		want []Package
	}{
		{"nothing", fstest.MapFS{"usr/bin/sh": file("x")}, nil},
		{"dpkg", fstest.MapFS{"var/lib/dpkg/status": file(someStatus)}, []Package{half, one}},
		{"the image's before /var", fstest.MapFS{
			"var/lib/dpkg/status":          file("Package: old\nStatus: install ok installed\nVersion: 1\n"),
			"usr/lib/sysimage/dpkg/status": file(someStatus),
		}, []Package{half, one}},
		{"status.d", fstest.MapFS{
			"var/lib/dpkg/status.d/one":         file("Package: one\nVersion: 1:2.0-3\nArchitecture: amd64\n"),
			"var/lib/dpkg/status.d/one.md5sums": file("0123 usr/bin/one\n"),
			"var/lib/dpkg/status.d/half":        file("Package: half\nVersion: 0.1\nArchitecture: all\n\n"),
		}, []Package{half, one}},
		{
			"apk",
			fstest.MapFS{"lib/apk/db/installed": file(someAPK)},
			[]Package{{APK, "busybox", "1.36.1-r5", "x86_64"}, {APK, "musl", "1.2.5-r0", "x86_64"}},
		},
		{"apk and dpkg", fstest.MapFS{
			"lib/apk/db/installed": file("P:a\nV:1\n"), "var/lib/dpkg/status": file(someStatus),
		}, []Package{{APK, "a", "1", ""}, half, one}},
	} {
		got, err := Read(tt.fsys)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// TestReadDamaged says so, instead of listing what is left.
func TestReadDamaged(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		path, content string
		want          error
	}{
		"no field":      {"var/lib/dpkg/status", "Package: one\nwhat\n", ErrDamaged},
		"no version":    {"var/lib/dpkg/status", "Package: one\nStatus: install ok installed\n", ErrDamaged},
		"no name":       {"lib/apk/db/installed", "V:1\n\n", ErrDamaged},
		"not apk":       {"lib/apk/db/installed", "Package: x\n", ErrDamaged},
		"not sqlite":    {"var/lib/rpm/rpmdb.sqlite", strings.Repeat("x", 4096), ErrDamaged},
		"empty sqlite":  {"var/lib/rpm/rpmdb.sqlite", "", ErrDamaged},
		"not ndb":       {"usr/share/rpm/Packages.db", strings.Repeat("x", 4096), ErrDamaged},
		"Berkeley DB":   {"var/lib/rpm/Packages", "x", ErrUnsupported},
		"terminal code": {"lib/apk/db/installed", "P:\xff\nV:1\n", ErrDamaged},
	} {
		if _, err := Read(fstest.MapFS{tt.path: file(tt.content)}); !errors.Is(err, tt.want) || !strings.Contains(err.Error(), "/"+tt.path) {
			t.Errorf("%s: %v", name, err)
		}
	}
	dir := fstest.MapFS{"var/lib/dpkg/status/x": file("x")}
	if _, err := Read(dir); !errors.Is(err, ErrDamaged) {
		t.Errorf("a directory: %v", err)
	}
}

func TestDiff(t *testing.T) {
	t.Parallel()
	deb := func(s string) (p Package) {
		p.Manager = Dpkg
		fmt.Sscanf(s, "%s %s %s", &p.Name, &p.Version, &p.Arch)
		return p
	}
	rpm := func(s string) Package {
		p := deb(s)
		p.Manager = RPM
		return p
	}
	before := []Package{
		deb("same 1 amd64"), deb("up 1.9 amd64"), deb("down 2 amd64"), deb("arch 1 amd64"), deb("gone 1 all"),
		deb("libc 1 amd64"), deb("libc 1 i386"),
		rpm("kernel 1-1 x86_64"), rpm("kernel 1-2 x86_64"), rpm("up 1-9 noarch"),
	}
	after := []Package{
		deb("same 1 amd64"), deb("up 1.10 amd64"), deb("down 1 amd64"), deb("arch 1 all"), deb("new 1 all"),
		deb("libc 2 amd64"), deb("libc 1 i386"),
		rpm("kernel 1-2 x86_64"), rpm("kernel 1-3 x86_64"), rpm("up 1-10 noarch"),
	}
	want := &Diff{
		Added:   []Package{deb("new 1 all"), rpm("kernel 1-3 x86_64")},
		Removed: []Package{deb("gone 1 all"), rpm("kernel 1-1 x86_64")},
		Changed: []Change{
			{Dpkg, "arch", "all", "1", "1", 0},
			{Dpkg, "down", "amd64", "2", "1", -1},
			{Dpkg, "libc", "amd64", "1", "2", 1},
			{Dpkg, "up", "amd64", "1.9", "1.10", 1},
			{RPM, "up", "noarch", "1-9", "1-10", 1},
		},
	}
	if diff := cmp.Diff(want, NewDiff(before, after)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if d := NewDiff(before, before); !d.Empty() {
		t.Errorf("of the same: %+v", d)
	}
}

// FuzzRead: whatever a database holds, Read ends, and takes no memory that is not
// backed by bytes.
func FuzzRead(f *testing.F) {
	kinds := []string{"var/lib/dpkg/status", "lib/apk/db/installed", "var/lib/rpm/rpmdb.sqlite", "var/lib/rpm/Packages.db", "var/lib/rpm/rpmdb.sqlite-wal"}
	f.Add(uint8(0), []byte(someStatus))
	f.Add(uint8(1), []byte(someAPK))
	root, blobs := headers(f, 4)
	base, err := os.ReadFile(filepath.Join(root, kinds[2]))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint8(2), base)
	f.Add(uint8(3), ndb(blobs))
	f.Fuzz(func(t *testing.T, kind uint8, data []byte) {
		name := kinds[int(kind)%len(kinds)]
		fsys := fstest.MapFS{name: file(string(data))}
		if strings.HasSuffix(name, "-wal") {
			fsys[kinds[2]] = file(string(base))
		}
		ps, err := Read(fsys)
		if err != nil && !errors.Is(err, ErrDamaged) && !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("unlikely error: %v", err)
		}
		if len(ps) > len(data)+100 {
			t.Errorf("%d packages in %d bytes", len(ps), len(data))
		}
	})
}
